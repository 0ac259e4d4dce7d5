import itertools

import numpy as np
import oracles
import pytest
from tolerances import OPTIMIZER_FLOAT32, OPTIMIZER_FLOAT64

torch = oracles.require("torch")

from gpunet import optimizers  # noqa: E402 - after the oracle is there
from gpunet.state import Parameter  # noqa: E402 - after the oracle is there

STEPS = 60
SHAPES = [(4, 3, 3, 3), (4,), (5, 7), (1,), ()]


def grid(name, **choices):
    for values in itertools.product(*choices.values()):
        yield name, dict(zip(choices, values, strict=True))


def fits(name, settings):
    return name != "SGD" or not settings["nesterov"] or (settings["momentum"] > 0 and settings["dampening"] == 0)


CASES = [
    case
    for case in [
        *grid("SGD", lr=[0.1], momentum=[0, 0.9], dampening=[0, 0.3], weight_decay=[0, 0.01], nesterov=[False, True]),
        *grid("Adam", lr=[1e-3, 0.05], betas=[(0.9, 0.999), (0.5, 0.9)], eps=[1e-8, 1e-3], weight_decay=[0, 0.01]),
        *grid("AdamW", lr=[1e-3, 0.05], betas=[(0.9, 0.999), (0.0, 0.9)], eps=[1e-8, 1e-3], weight_decay=[0, 0.1]),
        *grid(
            "RMSprop",
            lr=[1e-2],
            alpha=[0.99, 0.5],
            eps=[1e-8, 1e-3],
            weight_decay=[0, 0.01],
            momentum=[0, 0.9],
            centered=[False, True],
        ),
    ]
    if fits(*case)
]


def label(value):
    return value if isinstance(value, str) else ",".join(f"{name}={setting}" for name, setting in value.items())


class Pair:
    """The same parameters twice, and the same gradients for both."""

    def __init__(self, dtype, shapes=SHAPES):
        self.random = np.random.default_rng(0)
        values = [self.random.normal(size=shape).astype(dtype) for shape in shapes]
        self.ours = [Parameter(np.array(value)) for value in values]
        self.theirs = [torch.nn.Parameter(torch.tensor(value)) for value in values]
        self.scales = [0.0] * len(values)

    def draw(self, skip=()):
        """New gradients; for the parameters whose numbers are in ``skip``, none."""
        for number, (ours, theirs) in enumerate(zip(self.ours, self.theirs, strict=True)):
            # A factor a step: second moments then differ from squares of first ones.
            size = 10.0 ** self.random.uniform(-2, 1)
            grad = np.asarray(size * self.random.normal(size=ours.shape), ours.value.dtype)
            absent = number in skip
            ours.grad = None if absent else grad
            theirs.grad = None if absent else torch.tensor(grad)

    def check(self, tolerance):
        for number, (ours, theirs) in enumerate(zip(self.ours, self.theirs, strict=True)):
            wanted = theirs.detach().numpy()
            # Against the largest value so far: an error made there stays when a small parameter passes through 0.
            self.scales[number] = max(self.scales[number], np.abs(wanted).max())
            np.testing.assert_allclose(
                ours.value, wanted, rtol=0, atol=tolerance * self.scales[number], err_msg=f"parameter {number}"
            )


@pytest.mark.parametrize(("name", "settings"), CASES, ids=label)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", OPTIMIZER_FLOAT64), ("float32", OPTIMIZER_FLOAT32)])
def test_steps(name, settings, dtype, tolerance):
    pair = Pair(dtype)
    ours = getattr(optimizers, name)(pair.ours, **settings)
    theirs = getattr(torch.optim, name)(pair.theirs, **settings)
    for _ in range(STEPS):
        pair.draw()
        ours.step()
        theirs.step()
        pair.check(tolerance)
    assert all(parameter.value.dtype == dtype for parameter in pair.ours)


@pytest.mark.parametrize(("name", "settings"), CASES[::3], ids=label)
def test_missing_gradients_and_a_late_group(name, settings):
    """Parameters start at different steps and pause: each keeps count of its own."""
    pair = Pair("float64")
    ours = getattr(optimizers, name)(pair.ours[:3], **settings)
    theirs = getattr(torch.optim, name)(pair.theirs[:3], **settings)
    for step in range(STEPS):
        if step == 20:
            late = {"lr": 0.02, "weight_decay": 0.05}
            ours.add_param_group({"params": pair.ours[3:], **late})
            theirs.add_param_group({"params": pair.theirs[3:], **late})
        if step == 30:
            for group in (*ours.param_groups, *theirs.param_groups):
                group["lr"] *= 0.1
        pair.draw(skip={step % 4, 2} if step < 10 else {step % 5})
        ours.step()
        theirs.step()
        pair.check(OPTIMIZER_FLOAT64)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_groups_with_settings_of_their_own(name):
    pair = Pair("float64")

    def groups(parameters):
        extra = {"momentum": 0.8, "nesterov": True} if name == "SGD" else {}
        return [
            {"params": parameters[0], "weight_decay": 0.1},
            {"params": iter(parameters[1:3]), "lr": 0.003, **extra},
            {"params": parameters[3:]},
        ]

    ours = getattr(optimizers, name)(groups(pair.ours), lr=0.02)
    theirs = getattr(torch.optim, name)(groups(pair.theirs), lr=0.02)
    for _ in range(STEPS):
        pair.draw()
        ours.step()
        theirs.step()
        pair.check(OPTIMIZER_FLOAT64)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_defaults(name):
    ours = getattr(optimizers, name)([Parameter(np.zeros(1))]).param_groups[0]
    theirs = getattr(torch.optim, name)([torch.nn.Parameter(torch.zeros(1))]).param_groups[0]
    settings = {key: value for key, value in ours.items() if key != "params"}
    assert settings == {key: theirs[key] for key in settings}
    assert set(settings) <= set(theirs)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_momentum_that_is_switched_on_later(name):
    pair = Pair("float64")
    ours, theirs = getattr(optimizers, name)(pair.ours), getattr(torch.optim, name)(pair.theirs)
    for step in range(30):
        for group in (ours.param_groups[0], theirs.param_groups[0]):
            if "momentum" in group:
                group["momentum"] = [0.0, 0.9, 0.0][step // 10]
            else:
                group["betas"] = ([0.9, 0.5, 0.8][step // 10], 0.99)
        if name == "RMSprop" and step == 10:
            for parameter in pair.theirs:  # PyTorch makes this array only if there is momentum at the first step
                theirs.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        pair.draw()
        ours.step()
        theirs.step()
        pair.check(OPTIMIZER_FLOAT64)


@pytest.mark.parametrize("max_norm", [0.1, 1.0, 30.0, 1e6, float("inf")])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", OPTIMIZER_FLOAT64), ("float32", OPTIMIZER_FLOAT32)])
def test_clip_grad_norm(max_norm, dtype, tolerance):
    pair = Pair(dtype)
    pair.draw(skip={3})
    norm = optimizers.clip_grad_norm(pair.ours, max_norm)
    wanted = torch.nn.utils.clip_grad_norm_(pair.theirs, max_norm)
    assert norm.shape == ()
    assert norm.dtype == dtype
    assert float(norm) == pytest.approx(float(wanted), rel=tolerance)
    for ours, theirs in zip(pair.ours, pair.theirs, strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        if ours.grad is not None:
            assert ours.grad.dtype == dtype
            np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=tolerance)
