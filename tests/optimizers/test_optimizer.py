"""What all optimizers share: groups, steps, and refusing what cannot work."""

import numpy as np
import pytest
from optimizer_runs import ALL, LIVELY, draw, equal, parameters, run, values

import gpunet as gn
from gpunet.backends.numpy import NumpyBackend
from gpunet.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop, base


@pytest.mark.parametrize("kind", ALL)
def test_small_integers_move_exactly(kind):
    (parameter,) = chosen = [gn.Parameter(np.array([4.0, -2.0, 0.0]))]
    parameter.grad = np.array([2.0, -4.0, 0.0])
    optimizer = {
        SGD: lambda: SGD(chosen, lr=0.5),
        Adam: lambda: Adam(chosen, lr=0.5, betas=(0.5, 0.75), eps=0),
        AdamW: lambda: AdamW(chosen, lr=0.5, betas=(0.5, 0.75), weight_decay=0.5),
        RMSprop: lambda: RMSprop(chosen, lr=0.5, alpha=0.75, eps=0),
    }[kind]()
    wanted = {SGD: [3.0, 0.0, 0.0], Adam: [3.5, -1.5], AdamW: [2.5, -1.0], RMSprop: [3.0, -1.0]}[kind]
    if kind in {Adam, RMSprop}:
        parameter.grad = parameter.grad[:2]  # without eps, 0 / 0 would follow
        parameter.value = parameter.value[:2].copy()
    optimizer.step()
    np.testing.assert_allclose(parameter.value[:2], wanted[:2], rtol=1e-7)


@pytest.mark.parametrize("kind", ALL)
def test_the_step_works_in_place_and_leaves_gradients_alone(kind):
    chosen = parameters()
    draw(chosen, 0)
    grads = [p.grad for p in chosen]
    for grad in grads:
        grad.flags.writeable = False
    arrays, before = [p.value for p in chosen], [p.value.copy() for p in chosen]
    kept = [grad.copy() for grad in grads]
    optimizer = kind(chosen, **LIVELY[kind], weight_decay=0.1)
    for _ in range(3):
        optimizer.step()
    assert all(p.value is array for p, array in zip(chosen, arrays, strict=True))
    assert all(p.grad is grad for p, grad in zip(chosen, grads, strict=True))
    assert equal(grads, kept)
    assert not any(np.array_equal(p.value, old) for p, old in zip(chosen, before, strict=True))


@pytest.mark.parametrize("kind", ALL)
def test_frozen_parameters_and_those_without_gradient_are_passed_by(kind):
    frozen, without, moving = chosen = parameters()
    draw(chosen, 0)
    frozen.trainable = False
    without.grad = None
    optimizer = kind(chosen, **LIVELY[kind])
    before = values(optimizer)
    optimizer.step()
    assert equal(values(optimizer)[:2], before[:2])
    assert not np.array_equal(moving.value, before[2])
    assert list(optimizer.state) == [moving]
    optimizer.zero_grad()
    assert [p.grad for p in chosen] == [None] * 3
    optimizer.step()
    assert equal(values(optimizer)[:2], before[:2])


@pytest.mark.numpy_only("counts the calls of NumpyBackend")
@pytest.mark.parametrize("kind", ALL)
def test_few_calls_of_the_backend_a_step(kind, monkeypatch):
    calls = []
    for name in ("sgd_step", "adam_step"):
        primitive = getattr(NumpyBackend, name)
        monkeypatch.setattr(
            NumpyBackend,
            name,
            staticmethod(lambda *args, f=primitive, **kw: (calls.append(len(args[0])), f(*args, **kw))),
        )
    optimizer = kind(parameters(shapes=[(2,)] * 50), **LIVELY[kind])
    run(optimizer, 3)
    assert calls == ([] if kind is RMSprop else [50] * 3)


@pytest.mark.parametrize("kind", ALL)
def test_state_follows_the_dtype_of_the_parameters(kind):
    net = gn.Sequential(gn.Conv2d(1, 2, 3))
    optimizer = kind(net.parameters(), **LIVELY[kind])
    run(optimizer, 2)
    net.astype("float64")
    run(optimizer, 2, first_seed=2)
    arrays = [value for state in optimizer.state.values() for value in state.values() if hasattr(value, "dtype")]
    assert arrays
    assert {array.dtype for array in arrays} == {np.dtype("float64")}
    assert {parameter.value.dtype for parameter in net.parameters()} == {np.dtype("float64")}


class Elsewhere(np.ndarray):
    """An array of another place: NumPy's own are foreign to it."""


class OtherBackend(NumpyBackend):
    name = "elsewhere"

    def asarray(self, array, dtype=None):
        return np.array(array, dtype=dtype).view(Elsewhere)

    def to_numpy(self, array):
        return np.array(array)

    def owns(self, array):
        return isinstance(array, Elsewhere)


@pytest.mark.parametrize("kind", ALL)
def test_state_follows_parameters_that_move_to_another_backend(kind, monkeypatch):
    other, here = OtherBackend(), NumpyBackend()
    monkeypatch.setattr(base, "backend_of", lambda *arrays: other if any(map(other.owns, arrays)) else here)
    stayed, moved = (gn.Sequential(gn.Conv2d(1, 2, 3)) for _ in range(2))
    moved.load_state_dict(stayed.state_dict())
    ours, theirs = (kind(net.parameters(), **LIVELY[kind]) for net in (stayed, moved))
    run(ours, 4)
    run(theirs, 2)
    moved.to(other)
    for seed in (2, 3):
        draw(theirs.parameters(), seed)
        for parameter in theirs.parameters():
            parameter.grad = other.asarray(parameter.grad)
        theirs.step()
    arrays = [value for state in theirs.state.values() for value in state.values() if hasattr(value, "dtype")]
    assert arrays
    assert all(other.owns(array) for array in arrays)
    assert equal(values(ours), [np.asarray(value) for value in values(theirs)])


# Bad settings

BAD_SETTINGS = [
    (SGD, {"lr": -0.1}, "lr: got -0.1, wanted a finite number of at least 0"),
    (SGD, {"lr": float("nan")}, "lr: got nan"),
    (SGD, {"lr": float("inf")}, "lr: got inf"),
    (SGD, {"lr": "0.1"}, "lr: got '0.1', wanted a number"),
    (SGD, {"lr": None}, "lr: got None"),
    (SGD, {"lr": True}, "lr: got True"),
    (SGD, {"momentum": -1}, "momentum: got -1.0"),
    (SGD, {"nesterov": True}, "nesterov needs momentum above 0 and dampening 0, got momentum=0.0"),
    (SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening=0.1"),
    (SGD, {"nesterov": 1, "momentum": 0.9}, "nesterov: got 1, wanted True or False"),
    (SGD, {"weight_decay": -1}, "weight_decay"),
    (Adam, {"betas": (1.0, 0.9)}, r"betas\[0\]: got 1.0, wanted a number in \[0, 1\)"),
    (Adam, {"betas": (0.9, -0.1)}, r"betas\[1\]"),
    (AdamW, {"betas": 0.9}, "betas: got 0.9, wanted a pair"),
    (Adam, {"eps": -1e-8}, "eps"),
    (AdamW, {"weight_decay": -1}, "AdamW: weight_decay"),
    (RMSprop, {"alpha": 1.5}, r"alpha: got 1.5, wanted a number in \[0, 1\]"),
    (RMSprop, {"centered": "yes"}, "centered: got 'yes'"),
]


@pytest.mark.parametrize(("kind", "settings", "message"), BAD_SETTINGS)
def test_bad_settings(kind, settings, message):
    with pytest.raises(gn.DataError, match=message):
        kind(parameters(), **settings)
    with pytest.raises(gn.DataError, match=message):
        kind([{"params": parameters(), **settings}])
    optimizer = kind(parameters())
    draw(optimizer.parameters(), 0)
    before = values(optimizer)
    optimizer.param_groups[0].update(settings)
    with pytest.raises(gn.DataError, match=message):
        optimizer.step()
    assert equal(values(optimizer), before)


def used_up():
    generator = iter(parameters())
    list(generator)
    return generator


BAD_PARAMETERS = [
    (list, "no parameters"),
    (used_up, "a generator that was used before is empty"),
    (lambda: [{"params": []}], "group 0 has no parameters"),
    (lambda: parameters()[0], "got a Parameter, wanted a list"),
    (lambda: set(parameters()), "got a set"),
    (lambda: [{"params": set(parameters())}], "a set of parameters, which has no order"),
    (lambda: 3, "got a int"),
    (lambda: [{"params": 3}], "'params' is a int"),
    (lambda: gn.Sequential(gn.Conv2d(1, 1, 1)), "parameter 0 of group 0 is a Conv2d, wanted a Parameter"),
    (lambda: gn.Conv2d(1, 1, 1), "got a Conv2d"),
    (lambda: [p.value for p in parameters()], "is a ndarray, wanted a Parameter"),
    (lambda: dict(gn.Conv2d(1, 1, 1).named_parameters()), "is a str"),
    (lambda: parameters() + [{"params": parameters()}], "parameter 3 of group 0 is a dict"),
    (lambda: parameters()[:1] * 2, r"parameter 1 of group 0, of shape \(3, 4\), was given before"),
    (lambda: [{"params": p} for p in parameters()[:1] * 2], "parameter 0 of group 1.* was given before"),
    (lambda: [{"parameters": parameters()}], "wanted a dict with 'params'"),
    (lambda: [{"params": parameters(), "weightdecay": 0.1}], "'weightdecay' is no setting.*mean 'weight_decay'"),
    (lambda: [{"params": parameters(), 7: 0.1}], "7 is no setting of a group. Its settings are lr"),
]


@pytest.mark.parametrize(("make", "message"), BAD_PARAMETERS)
def test_bad_parameters(make, message):
    with pytest.raises(gn.DataError, match=message):
        Adam(make())


def test_a_refused_group_is_not_added():
    optimizer = SGD(parameters())
    for group in ({"params": optimizer.parameters()}, {"params": parameters(), "lr": -1}, "params", parameters()):
        with pytest.raises(gn.DataError):
            optimizer.add_param_group(group)
    assert len(optimizer.param_groups) == 1


def test_a_gradient_of_another_shape_moves_nothing():
    optimizer = SGD(parameters(), lr=1.0)
    draw(optimizer.parameters(), 0)
    optimizer.parameters()[1].grad = np.ones(1, "float32")  # NumPy would broadcast it
    before = values(optimizer)
    with pytest.raises(gn.ShapeError, match=r"parameter 1 of group 0 has shape \(4,\) but a gradient of shape \(1,\)"):
        optimizer.step()
    assert equal(values(optimizer), before)


def test_arrays_of_another_kind_are_refused():
    optimizer = SGD(parameters(shapes=[(2,)]))
    optimizer.parameters()[0].grad = memoryview(np.ones(2, "float32"))
    with pytest.raises(gn.BackendError, match="memoryview"):
        optimizer.step()


def test_a_numpy_number_as_rate_keeps_float32():
    optimizer = SGD(parameters(), lr=np.float64(0.1), momentum=np.float32(0.5))
    assert type(optimizer.param_groups[0]["lr"]) is float
    optimizer.param_groups[0]["lr"] = np.float64(0.2)
    run(optimizer, 1)
    assert {p.value.dtype for p in optimizer.parameters()} == {np.dtype("float32")}
    assert type(optimizer.param_groups[0]["lr"]) is float


def test_centered_variance_below_zero_by_rounding_counts_as_zero():
    optimizer = RMSprop(parameters(shapes=[(1000,)]), centered=True, alpha=0.5, lr=1e-9)
    (parameter,) = optimizer.parameters()
    parameter.grad = np.random.default_rng(0).normal(size=1000).astype("float32")
    for _ in range(100):  # a constant gradient has no variance
        optimizer.step()
    assert np.isfinite(parameter.value).all()
    parameter.grad = np.full(1000, np.nan, "float32")
    optimizer.step()
    assert np.isnan(parameter.value).all()


def test_repr():
    assert repr(SGD(parameters(), lr=0.5)) == (
        "SGD(\n  3 parameters: lr=0.5, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False\n)"
    )


def test_an_optimizer_of_ones_own():
    class SignDescent(Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def update(self, group, parameters, backend):
            for parameter in parameters:
                parameter.value -= group["lr"] * backend.xp.sign(parameter.grad)

    optimizer = SignDescent(parameters(), lr=0.5)
    before = values(optimizer)
    run(optimizer, 1)
    for parameter, old in zip(optimizer.parameters(), before, strict=True):
        assert np.array_equal(parameter.value, old - np.float32(0.5) * np.sign(parameter.grad))
    optimizer.load_state_dict(optimizer.state_dict())
