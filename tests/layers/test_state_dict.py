from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

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
            r"missing: 2\.1\.weight \(nearest: 2\.1\.weights\); unexpected: 2\.1\.weights \(nearest: 2\.1\.weight\)\.",
        ),
        (changed(**{"0__bias": None}), r"missing: 0\.bias\."),
        (changed(extra=np.ones(1)), "unexpected: extra"),
        (changed(**{"0__bias": np.ones(3)}), r"of another shape: 0\.bias: got \(3,\), wanted \(2,\)"),
        (
            changed(**{"2__1__bias": np.ones(3), "2__1__weight": np.ones((7, 2))}),
            r"\(3, 2\)\. All else fits: .*leave out",
        ),
        (changed(**{"0__bias": np.array(["a", "b"])}), r"not real numbers: 0\.bias: <U1"),
        (changed(**{"0__bias": np.ones(2, complex)}), r"not real numbers: 0\.bias: complex128"),
        (changed(**{"0__bias": {"deep": 1}}), r"not real numbers: 0\.bias: dict"),
        (changed(**{"0__bias": [[1], [2, 3]]}), r"not real numbers: 0\.bias: list, setting an array element"),
        (
            {f"module.{name}": array for name, array in changed().items()},
            r"All names begin with 'module\.', as of a model inside another\. Give \{name\.removeprefix\('module\.'",
        ),
        ({"epoch": 3, "state_dict": changed()}, r"one level deeper: give state\['state_dict'\]\."),
        ({0: np.ones(3)}, r"unexpected: 0\."),
        ([("0.weight", np.ones(3))], "got a list, wanted a mapping from names to arrays or the path of a safetensors"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_loaded(mapping: object, message: str) -> None:
    module = net()
    before = module.state_dict()
    with pytest.raises(gn.CheckpointError, match=message) as caught:
        module.load_state_dict(mapping)  # type: ignore[arg-type]
    assert isinstance(mapping, list) or "does not fit this Sequential; nothing was loaded. " in str(caught.value)
    assert "\n" not in str(caught.value)
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_not_strict_passes_over_names_but_not_over_shapes() -> None:
    module = net()
    passed_over = module.load_state_dict({"0.bias": np.array([3.0, 4.0]), "other": np.ones(5)}, strict=False)
    assert passed_over.unexpected_keys == ["other"]
    expected = [name for name in module.state_dict() if name not in ("0.bias", "1.num_batches_tracked")]
    assert passed_over.missing_keys == expected
    assert module.load_state_dict(module.state_dict()) == ([], [])
    np.testing.assert_array_equal(module[0].bias.value, [3, 4])
    with pytest.raises(gn.CheckpointError, match="of another shape"):
        module.load_state_dict({"0.bias": np.ones(3)}, strict=False)


def test_what_looks_like_an_array_is_one() -> None:
    module = gn.Linear(2, 1)
    module.load_state_dict({"weight": [[1, 2]], "bias": (3,)})
    np.testing.assert_array_equal(module(np.array([[10, 100]], np.float32)), [[213]])


def test_of_many_names_the_first_are_listed_and_the_rest_is_counted() -> None:
    deep = gn.Sequential(*(gn.Linear(2, 2) for _ in range(30)))
    with pytest.raises(gn.CheckpointError) as caught:
        deep.load_state_dict({f"block{number}.scale": np.ones(2) for number in range(21)})
    message = str(caught.value)
    assert "missing (60): 0.weight (nearest: " in message or "missing (60): 0.weight, 0.bias, 1.weight, " in message
    assert "9.bias and 40 more; unexpected (21): block0.scale, " in message
    assert "block19.scale and 1 more." in message


def test_the_nearest_name_of_a_weight_is_that_of_a_weight() -> None:
    state = {name.replace("2.1", "2.classifier"): array for name, array in net().state_dict().items()}
    with pytest.raises(gn.CheckpointError) as caught:
        net().load_state_dict(state)
    assert "missing: 2.1.weight, 2.1.bias; " not in str(caught.value)
    assert "2.classifier.bias (nearest: 2.1.bias)" in str(caught.value)


def test_a_batch_norms_counter_may_be_missing() -> None:
    module = net()
    module[1].num_batches_tracked.value = np.array(5)
    state = changed(**{"1__num_batches_tracked": None, "1__running_mean": np.array([3.0, 4.0])})
    module.load_state_dict(state)
    np.testing.assert_array_equal(module[1].running_mean.value, [3, 4])
    assert module[1].num_batches_tracked.value == 5
    with pytest.raises(gn.CheckpointError, match=r"missing: 1\.running_mean\."):
        module.load_state_dict(changed(**{"1__running_mean": None}))


@pytest.mark.parametrize("as_text", [True, False])
def test_the_path_of_a_file(tmp_path: Path, as_text: bool) -> None:
    path = tmp_path / "net.safetensors"
    state = {name: array.astype("float64") for name, array in net().state_dict().items()}
    safetensors.numpy.save_file(state, path)  # as other programs write it
    module = net()
    parameters = module.parameters()
    module.load_state_dict(str(path) if as_text else path)
    assert all(one is same for one, same in zip(module.parameters(), parameters, strict=True))
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, state[name].astype(array.dtype), err_msg=name)
    assert {parameter.value.dtype for parameter in parameters} == {np.dtype("float32")}
    assert module[1].num_batches_tracked.value.dtype == np.int64


def test_a_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    gn.save_weights(gn.Linear(2, 3), path)
    with pytest.raises(gn.CheckpointError, match=r"net\.safetensors: the state does not fit this Linear; nothing was"):
        gn.Linear(2, 4).load_state_dict(path)
    gn.Linear(2, 3).load_state_dict(path)


def test_nothing_is_loaded_where_the_device_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    module = net()
    before, copies = module.state_dict(), 0
    original = type(module.backend).asarray

    def full(self: object, array: object, dtype: object = None) -> object:
        nonlocal copies
        copies += 1
        if copies == 4:
            raise MemoryError("no room")
        return original(self, array, dtype)  # type: ignore[arg-type]

    monkeypatch.setattr(type(module.backend), "asarray", full)
    with pytest.raises(MemoryError):
        module.load_state_dict(net().state_dict())
    monkeypatch.undo()
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
