"""Whole nets train in lockstep with PyTorch: the same losses, step by step, and the same gradients.

In float64 both sides run freely for 100 steps. In float32 two free runs drift apart by themselves, so weights, buffers
and optimizer state are copied from PyTorch before each step. Images and labels are random and new at each step.
"""

import copy

import numpy as np
import oracles
import pytest
from tolerances import LOCKSTEP_GRADIENT_FLOAT32, LOCKSTEP_LOSS_FLOAT32, LOCKSTEP_LOSS_FLOAT64

torch = oracles.require("torch")

import torch_models  # noqa: E402 - after the oracle is there

import gpunet as gn  # noqa: E402 - after the oracle is there

STEPS = 100

# Name, settings, shape of a batch. No dropout: its random numbers are each library's own.
NETS = {
    "LeNet": ("lenet", {}, (8, 1, 28, 28)),
    "VGG with batch norm": (
        "vgg_cifar",
        {"batch_norm": True, "dropout": 0.0, "width": 16, "hidden_features": 64, "image_size": 16},
        (8, 3, 16, 16),
    ),
    "ResNet-20": ("resnet20", {}, (4, 3, 16, 16)),
}
OPTIMIZERS = {"SGD": {"lr": 0.01, "momentum": 0.9}, "Adam": {"lr": 1e-3}}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("net", NETS),
    pytest.mark.parametrize("optimizer", OPTIMIZERS),
]


class Lockstep:
    """One net and its optimizer, twice."""

    def __init__(self, net, optimizer, dtype):
        name, settings, self.batch_shape = NETS[net]
        self.dtype = dtype
        torch.manual_seed(0)
        self.theirs = torch_models.MODELS[name](**settings).to(getattr(torch, dtype))
        self.ours = gn.models.create(name, **settings).astype(dtype)
        self.copy_net()
        self.optimizer = getattr(gn, optimizer)(self.ours.parameters(), **OPTIMIZERS[optimizer])
        self.their_optimizer = getattr(torch.optim, optimizer)(self.theirs.parameters(), **OPTIMIZERS[optimizer])
        self.loss = gn.CrossEntropyLoss()
        self.random = np.random.default_rng(0)

    def copy_net(self):
        self.ours.load_state_dict({key: value.numpy() for key, value in self.theirs.state_dict().items()})

    def copy_optimizer(self):
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "arrays": self.their_memory()})

    def their_memory(self):
        """What PyTorch's optimizer remembers, under our names."""
        arrays = {}
        for number, parameter in enumerate(self.theirs.parameters()):
            for name, value in self.their_optimizer.state.get(parameter, {}).items():
                arrays[f"{number}.{name}"] = np.int64(value.item()) if name == "step" else value.numpy()
        return arrays

    def draw(self):
        images = self.random.normal(size=self.batch_shape).astype(self.dtype)
        return images, self.random.integers(0, 10, size=self.batch_shape[0])

    def step(self, images, labels):
        """One training step on both sides; the two losses."""
        self.optimizer.zero_grad()
        value, grad = self.loss(self.ours.forward(images, training=True), labels)
        self.ours.backward(grad)
        self.optimizer.step()
        self.their_optimizer.zero_grad()
        their_value = torch.nn.functional.cross_entropy(self.theirs(torch.tensor(images)), torch.tensor(labels))
        their_value.backward()
        self.their_optimizer.step()
        return float(value), their_value.item()


def test_free_runs_in_float64(net, optimizer):
    lockstep = Lockstep(net, optimizer, "float64")
    first = lockstep.ours.state_dict()
    for step in range(STEPS):
        ours, theirs = lockstep.step(*lockstep.draw())
        assert abs(ours - theirs) <= LOCKSTEP_LOSS_FLOAT64, f"step {step}: {ours} and {theirs}"
    last, wanted = lockstep.ours.state_dict(), lockstep.theirs.state_dict()
    for key, array in last.items():
        if array.ndim > 1:
            assert_close(array, wanted[key].numpy(), LOCKSTEP_LOSS_FLOAT64, key)
            # That both stood still would be lockstep too.
            assert not np.array_equal(array, first[key]), key


def test_copied_steps_in_float32(net, optimizer):
    lockstep = Lockstep(net, optimizer, "float32")
    names = [name for name, _ in lockstep.ours.named_parameters()]
    for step in range(STEPS):
        lockstep.copy_net()
        lockstep.copy_optimizer()
        images, labels = lockstep.draw()
        while near_a_kink(lockstep.theirs, torch.tensor(images)):
            images, labels = lockstep.draw()
        ours, theirs = lockstep.step(images, labels)
        assert abs(ours - theirs) <= LOCKSTEP_LOSS_FLOAT32, f"step {step}: {ours} and {theirs}"
        for name, parameter, their_parameter in zip(
            names, lockstep.ours.parameters(), lockstep.theirs.parameters(), strict=True
        ):
            scale = None
            if is_bias_before_norm(lockstep.theirs, name):
                # Its gradient is 0, because the batch norm takes off what it adds; what is computed is the rounding of
                # sums like those of the weight's gradient, and is judged on their scale.
                scale = lockstep.theirs.get_parameter(name.replace("bias", "weight")).grad.abs().max().item()
            wanted = their_parameter.grad.numpy()
            assert_close(parameter.grad, wanted, LOCKSTEP_GRADIENT_FLOAT32, f"step {step}: {name}", scale)
        their_state = lockstep.theirs.state_dict()
        for name, buffer in lockstep.ours.named_buffers():
            assert_close(buffer.value, their_state[name].numpy(), LOCKSTEP_LOSS_FLOAT32, f"step {step}: {name}")
    assert lockstep.optimizer.state_dict()["arrays"].keys() == lockstep.their_memory().keys()


def assert_close(ours, theirs, tolerance, what, scale=None):
    """Equal up to ``tolerance`` times the largest element, or times ``scale``."""
    difference = np.abs(ours - theirs).max()
    assert difference <= tolerance * (np.abs(theirs).max() if scale is None else scale), f"{what}: {difference}"


def is_bias_before_norm(net, key):
    """Whether ``key`` is the bias of a convolution that a batch norm follows in a Sequential."""
    path, _, last = key.rpartition(".")
    parent, _, index = path.rpartition(".")
    if last != "bias" or not index.isdecimal():
        return False
    layers = net.get_submodule(parent)
    following = int(index) + 1
    return following < len(layers) and isinstance(layers[following], torch.nn.BatchNorm2d)


def near_a_kink(net, images):
    """Whether rounding decides, on ``images``, on which side of a kink of ReLU or max pooling a value falls.

    At a kink the gradient jumps, and two right computations that round differently may differ there by a hundredth of
    the largest gradient; one of 100,000 values of a batch often lies that close. PyTorch alone judges: float32 against
    float64 shows how large rounding is before each such layer, and no value may be nearer to a kink than twice that.
    """
    single = kink_inputs(copy.deepcopy(net), images)
    double = kink_inputs(copy.deepcopy(net).double(), images.double())
    for (layer, x), (_, exact) in zip(single, double, strict=True):
        rounding = (x - exact).abs().max()
        if isinstance(layer, torch.nn.ReLU):
            distance = exact.abs().min()
        else:
            size = layer.kernel_size
            windows = exact.unfold(2, size, size).unfold(3, size, size).flatten(4)
            best, second = windows.topk(2, dim=4).values.unbind(4)
            # Half of the lead, as both may move. Windows of zeros after a ReLU send their gradient nowhere.
            distance = torch.where(best > 0, (best - second) / 2, torch.inf).min()
        if distance <= 2 * rounding:
            return True
    return False


def kink_inputs(net, images):
    """What a training pass gives to each ReLU and max pooling, in float64."""
    seen = []

    def remember(layer, inputs):
        seen.append((layer, inputs[0].detach().double().clone()))  # a copy: ReLU works in place

    for layer in net.modules():
        if isinstance(layer, torch.nn.ReLU | torch.nn.MaxPool2d):
            layer.register_forward_pre_hook(remember)
    with torch.no_grad():
        net(images)
    return seen
