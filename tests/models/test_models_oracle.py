"""Each model against the same net in plain PyTorch: names, order and shapes of the state, outputs and gradients."""

import numpy as np
import oracles
import pytest
from tolerances import MODEL_FLOAT64

torch = oracles.require("torch")

import torch_models  # noqa: E402 - after the oracle is there
from model_pairs import equal_pair, error, errors_of_a_pass, images_for, pair, small, without_dropout  # noqa: E402

from gpunet import initializers, models  # noqa: E402 - after the oracle is there
from gpunet.models import initial  # noqa: E402 - after the oracle is there


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch):
    """Weights come from PyTorch: drawing the same number of them here would take most of the time."""
    for module in (initializers, initial):
        monkeypatch.setattr(module, "normal", lambda shape, std: np.zeros(shape, np.float32))
    monkeypatch.setattr(initializers, "uniform", lambda shape, bound: np.zeros(shape, np.float32))


def test_every_model_has_its_twin():
    assert set(torch_models.MODELS) == set(models.names()) - {"compact_resnet"}  # which is this project's own


@pytest.mark.parametrize("name", torch_models.MODELS)
def test_the_state_has_the_same_names_in_the_same_order(name):
    with torch.device("meta"):  # shapes without memory
        theirs = torch_models.MODELS[name]().state_dict()
    ours = models.create(name).state_dict()
    assert [(key, array.shape) for key, array in ours.items()] == [
        (key, tuple(tensor.shape)) for key, tensor in theirs.items()
    ]


def assert_equal_results(ours, theirs, images):
    """In inference and in training, and the state that training leaves."""
    theirs.eval()
    with torch.no_grad():
        assert error(ours(images), theirs(torch.tensor(images))) <= MODEL_FLOAT64
    without_dropout(ours, theirs)
    errors = errors_of_a_pass(ours, theirs, images, training=True)
    assert {key: value for key, value in errors.items() if not value <= MODEL_FLOAT64} == {}
    for (key, after), theirs_after in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert error(after, theirs_after) <= MODEL_FLOAT64, f"{key} after the training pass"


@pytest.mark.parametrize("name", torch_models.MODELS)
def test_equal_weights_give_equal_outputs_and_gradients(name):
    assert_equal_results(*pair(name), images_for(name))


def normal(*shape):
    return np.random.default_rng(1).normal(size=shape)


@pytest.mark.parametrize("size", [20, 28, 31, 32, 40])
def test_lenet_on_other_sizes(size):
    settings = {"in_channels": 2, "image_size": size}
    assert_equal_results(
        *equal_pair(models.lenet(**settings), torch_models.LeNet(**settings)), normal(2, 2, size, size)
    )


@pytest.mark.parametrize("size", [1, 2, 5, 14, 15, 17, 30])
def test_the_autoencoder_on_other_sizes(size):
    settings = {"in_channels": 2, "image_size": size, "width": 3, "code_channels": 4}
    theirs = torch_models.MODELS["denoising_autoencoder"](**settings)
    assert_equal_results(*equal_pair(models.denoising_autoencoder(**settings), theirs), normal(2, 2, size, size))


@pytest.mark.parametrize("bilinear", [False, True])
@pytest.mark.parametrize("size", [(32, 48), (33, 47), (63, 41)])
def test_unet_on_other_sizes_and_with_interpolation(size, bilinear):
    settings = {"num_classes": 3, "in_channels": 2, "width": 2, "bilinear": bilinear}
    theirs = torch_models.MODELS["unet"](**settings)
    assert_equal_results(*equal_pair(models.unet(**settings), theirs), normal(3, 2, *size))


# Numbers of channels by the paper's rule: to the nearest multiple of 8, and up where that takes off more than a tenth.
@pytest.mark.parametrize(
    ("width_mult", "widths"),
    [
        (0.35, (16, 8, 8, 16, 24, 32, 56, 112, 1280)),
        (0.5, (16, 8, 16, 16, 32, 48, 80, 160, 1280)),
        (0.75, (24, 16, 24, 24, 48, 72, 120, 240, 1280)),
        (1.4, (48, 24, 32, 48, 88, 136, 224, 448, 1792)),
    ],
)
def test_mobilenet_of_other_widths(width_mult, widths):
    theirs = torch_models.MODELS["mobilenet_v2"](num_classes=3, widths=widths)
    assert_equal_results(
        *equal_pair(models.mobilenet_v2(num_classes=3, width_mult=width_mult), theirs), normal(2, 3, 64, 64)
    )


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnets_of_another_width(name):
    settings = {"num_classes": 3, "in_channels": 1, "width": 6}
    ours = models.create(name, **settings)
    assert_equal_results(*equal_pair(ours, torch_models.MODELS[name](**settings)), normal(4, 1, 40, 48))


def test_small_settings_are_settings():
    for name in models.names():
        models.create(name, **small(name))
