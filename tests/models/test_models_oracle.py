"""Each model against the same net in plain PyTorch: names, order and shapes of the state, outputs and gradients."""

import numpy as np
import oracles
import pytest
from tolerances import MODEL_FLOAT64

torch = oracles.require("torch")

import torch_models  # noqa: E402 - after the oracle is there

from gpunet import initializers, models  # noqa: E402 - after the oracle is there
from gpunet.models import vgg  # noqa: E402 - after the oracle is there

GREY = {"seed_network", "lenet"}
# The deepest batch norms then have 12 values a channel; of 3, as 32 x 32 leaves them, they magnify rounding by 1e6.
LARGE = {"resnet18", "resnet34", "resnet50"}


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch):
    """Weights come from PyTorch: drawing the same number of them here would take most of the time."""
    for module in (initializers, vgg):
        monkeypatch.setattr(module, "normal", lambda shape, std: np.zeros(shape, np.float32))


def small(name):
    """Settings that leave the structure and take away the size: VGG's hidden layers are nine tenths of it."""
    return {"num_classes": 7, **({"hidden_features": 24} if name.startswith("vgg") else {})}


def pair(name, image_size, **settings):
    torch.manual_seed(0)
    theirs = torch_models.MODELS[name](**settings).double()
    with torch.no_grad():
        for module in theirs.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                # Anything but the initial statistics and scales, which hide mistakes.
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 1.5)
    ours = models.create(name, image_size=image_size, **settings).astype("float64")
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize("name", torch_models.MODELS)
def test_the_state_has_the_same_names_in_the_same_order(name):
    settings = small(name)
    with torch.device("meta"):  # shapes without memory
        theirs = torch_models.MODELS[name](**settings).state_dict()
    ours = models.create(name, **settings).state_dict()
    assert [(key, array.shape) for key, array in ours.items()] == [
        (key, tuple(tensor.shape)) for key, tensor in theirs.items()
    ]


def close(ours, theirs, what):
    wanted = theirs.detach().numpy()
    scale = max(np.abs(wanted).max(), 1e-300)
    assert ours.shape == wanted.shape, what
    assert np.abs(ours - wanted).max() <= MODEL_FLOAT64 * scale, what


@pytest.mark.parametrize("name", torch_models.MODELS)
def test_equal_weights_give_equal_outputs_and_gradients(name):
    size = 28 if name in GREY else 64 if name in LARGE else 32
    ours, theirs = pair(name, size, **small(name))
    images = np.random.default_rng(1).normal(size=(3, 1 if name in GREY else 3, size, size))
    theirs.eval()
    with torch.no_grad():
        close(ours(images), theirs(torch.tensor(images)), "inference")
    theirs.train()
    for net in (ours, theirs):
        for module in net.modules() if net is theirs else (m for _, m in net.named_modules()):
            if type(module).__name__ == "Dropout":
                module.p = 0.0
    x = torch.tensor(images, requires_grad=True)
    wanted = theirs(x)
    close(ours.forward(images, training=True), wanted, "training")
    grad = np.random.default_rng(2).normal(size=wanted.shape)
    wanted.backward(torch.tensor(grad))
    close(ours.backward(grad), x.grad, "gradient of the images")
    theirs_by_name = dict(theirs.named_parameters())
    for key, parameter in ours.named_parameters():
        if is_bias_before_norm(theirs, key):
            continue  # 0 but for rounding
        close(parameter.grad, theirs_by_name[key].grad, key)
    for (key, ours_after), theirs_after in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        close(ours_after, theirs_after, f"{key} after the training pass")


def is_bias_before_norm(net, key):
    """Whether ``key`` is the bias of a convolution that a batch norm follows in a Sequential."""
    path, _, last = key.rpartition(".")
    parent, _, index = path.rpartition(".")
    if last != "bias" or not index.isdecimal():
        return False
    layers = net.get_submodule(parent)
    following = int(index) + 1
    return following < len(layers) and isinstance(layers[following], torch.nn.BatchNorm2d)


@pytest.mark.parametrize("size", [20, 28, 31, 32, 40])
def test_lenet_on_other_sizes(size):
    theirs = torch_models.LeNet(in_channels=2, image_size=size).double()
    ours = models.lenet(in_channels=2, image_size=size).astype("float64")
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    images = np.random.default_rng(1).normal(size=(2, 2, size, size))
    with torch.no_grad():
        close(ours(images), theirs(torch.tensor(images)), size)
