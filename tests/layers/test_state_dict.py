import numpy as np
import pytest

import gpunet as gn


def net() -> gn.Sequential:
    return gn.Sequential(gn.Conv2d(1, 2, 3), gn.BatchNorm2d(2), gn.Sequential(gn.Flatten(), gn.Linear(2, 3)))


def test_names_in_pytorchs_order() -> None:
    assert list(net().state_dict()) == [
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
        "2.1.weight",
        "2.1.bias",
    ]


def test_it_is_a_copy_both_ways() -> None:
    module = net()
    state = module.state_dict()
    state["0.weight"][...] = 7
    assert not (module[0].weight.value == 7).any()
    module.load_state_dict(state)
    np.testing.assert_array_equal(module[0].weight.value, np.full((2, 1, 3, 3), 7))
    state["0.weight"][...] = 8
    np.testing.assert_array_equal(module[0].weight.value, np.full((2, 1, 3, 3), 7))


def test_loading_keeps_the_parameter_objects_and_the_dtypes() -> None:
    module, other = net(), net().astype("float64")
    parameters = module.parameters()
    module.load_state_dict(other.state_dict())
    assert all(one is same for one, same in zip(module.parameters(), parameters, strict=True))
    assert module[0].weight.value.dtype == np.float32
    assert module[1].num_batches_tracked.value.dtype == np.int64
    np.testing.assert_array_equal(module[0].weight.value, other[0].weight.value.astype("float32"))


def changed(**changes: object) -> dict[str, object]:
    state: dict[str, object] = dict(net().state_dict())
    for name, value in changes.items():
        key = name.replace("__", ".")
        if value is None:
            del state[key]
        else:
            state[key] = value
    return state


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (
            changed(**{"2__1__weight": None, "2__1__weights": np.ones((3, 2))}),
            r"missing: 2\.1\.weight \(nearest: 2\.1\.weights\); unexpected: 2\.1\.weights",
        ),
        (changed(**{"0__bias": None}), r"missing: 0\.bias\."),
        (changed(extra=np.ones(1)), "unexpected: extra"),
        (changed(**{"0__bias": np.ones(3)}), r"of another shape: 0\.bias: got \(3,\), wanted \(2,\)"),
        (changed(**{"0__bias": np.array(["a", "b"])}), r"not real numbers: 0\.bias: <U1"),
        (changed(**{"0__bias": np.ones(2, complex)}), r"not real numbers: 0\.bias: complex128"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_loaded(mapping: dict[str, object], message: str) -> None:
    module = net()
    before = module.state_dict()
    with pytest.raises(gn.CheckpointError, match=rf"does not fit this Sequential; nothing was loaded\. .*{message}"):
        module.load_state_dict(mapping)
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_not_strict_passes_over_names_but_not_over_shapes() -> None:
    module = net()
    module.load_state_dict({"0.bias": np.array([3.0, 4.0]), "other": np.ones(5)}, strict=False)
    np.testing.assert_array_equal(module[0].bias.value, [3, 4])
    with pytest.raises(gn.CheckpointError, match="of another shape"):
        module.load_state_dict({"0.bias": np.ones(3)}, strict=False)


def test_what_looks_like_an_array_is_one() -> None:
    module = gn.Linear(2, 1)
    module.load_state_dict({"weight": [[1, 2]], "bias": (3,)})
    np.testing.assert_array_equal(module(np.array([[10, 100]], np.float32)), [[213]])
