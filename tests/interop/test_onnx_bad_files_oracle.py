"""Files that are cut off, that lie, or that ask for what they must not: each an error that says so."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import oracles
import pytest

import gpunet as gn

onnx = oracles.require("onnx")

from onnx_graphs import conv_net, model, node, with_tensor  # noqa: E402 - it needs onnx

X = np.zeros((2, 3, 8, 8), np.float32)


def refused(kind: type[Exception], match: str, source: Any, largest: int = 2**22) -> None:
    """That loading raises the error, and allocates little before it does."""
    tracemalloc.start()
    try:
        with pytest.raises(kind, match=match):
            gn.onnx.load(source)
        assert tracemalloc.get_traced_memory()[1] < largest
    finally:
        tracemalloc.stop()


# Files


def test_a_file_cut_off_anywhere(tmp_path: Path) -> None:
    content = conv_net().SerializeToString()
    path = tmp_path / "net.onnx"
    for length in [*range(0, len(content), 7), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(gn.errors.GpunetError, match=r"net\.onnx"):
            gn.onnx.load(path)
    path.write_bytes(content)
    assert gn.onnx.load(path)(X).shape == (2, 4, 3, 3)


def test_other_kinds_of_files(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    for content in (b"", b"PK\x03\x04 a zip archive", b"\x89PNG\r\n\x1a\n", b"hello world\n" * 100, bytes(1000)):
        path.write_bytes(content)
        refused(gn.CheckpointError, r"net\.onnx: .*(no ONNX model|no graph)", path)
    refused(gn.CheckpointError, "there is no such file", tmp_path / "absent.onnx")
    refused(gn.CheckpointError, "could not be read", tmp_path)
    refused(gn.DataError, "got a int, wanted a path", 3)
    refused(gn.CheckpointError, "the ONNX bytes", b"\x00\x01")


def test_a_file_beyond_what_protobuf_reads(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)  # a hole: it takes no room
    refused(gn.CheckpointError, "at most 2 GiB", path)


# Tensors


@pytest.mark.parametrize(
    ("fields", "kind", "match"),
    [
        ({"dims": [4, 3, 3, 30]}, gn.ShapeError, r"'conv\.weight' says its shape is \(4, 3, 3, 30\).* but holds 108"),
        ({"dims": [4, 3, 3]}, gn.ShapeError, "36 numbers, but holds 108"),
        ({"raw_data": b"123"}, gn.ShapeError, "Is the file damaged"),
        ({"raw_data": None}, gn.ShapeError, "but holds 0"),
        ({"dims": [4, 3, 3, -3]}, gn.ShapeError, "negative size"),
        ({"dims": [2**20, 2**20, 3, 3]}, gn.ShapeError, "nothing was allocated"),
        ({"dims": [2**62, 2**62]}, gn.ShapeError, "nothing was allocated"),
        ({"dims": [0, 3, 3, 3], "raw_data": b""}, gn.DataError, "which is empty"),
        ({"data_type": onnx.TensorProto.STRING}, gn.DataError, "elements of type STRING are not supported"),
        ({"data_type": onnx.TensorProto.FLOAT8E4M3FN}, gn.DataError, "FLOAT8E4M3FN"),
        ({"data_type": 99}, gn.DataError, "number 99"),
        ({"data_type": onnx.TensorProto.INT32}, gn.errors.GpunetError, "conv"),
    ],
)
def test_tensors_that_are_not_what_they_say(fields: dict[str, Any], kind: type[Exception], match: str) -> None:
    refused(kind, match, with_tensor(conv_net(), "conv.weight", **fields))


@pytest.mark.parametrize("operator", ["ConstantOfShape", "Expand", "Tile", "Range", "Pad", "Resize"])
def test_huge_sizes_are_refused_before_anything_is_allocated(operator: str) -> None:
    huge = np.array([2**20, 2**20], np.int64)
    one = np.ones((1, 1), np.float32)
    nodes, constants = {
        "ConstantOfShape": ([node("ConstantOfShape", "huge", "c")], {"huge": huge}),
        "Expand": ([node("Expand", "one huge", "c")], {"one": one, "huge": huge}),
        "Tile": ([node("Tile", "one huge", "c")], {"one": one, "huge": huge}),
        "Range": (
            [node("Range", "a b d", "c")],
            {"a": np.array(0.0, "f4"), "b": np.array(1e15, "f4"), "d": np.array(1.0, "f4")},
        ),
        "Pad": ([node("Pad", "one pads", "c")], {"one": one, "pads": np.array([0, 0, 2**20, 2**20], np.int64)}),
        "Resize": (
            [node("Resize", "one - scales", "c")],
            {"one": one, "scales": np.array([1, 2.0**40], np.float32)},
        ),
    }[operator]
    refused(
        gn.errors.GpunetError,
        rf"{operator}.*(nothing was allocated|is not supported)|nothing was allocated",
        model([*nodes, node("Add", "x c", "y")], constants, {"x": ("batch", "width")}),
    )


def test_huge_sizes_of_what_flows_are_refused_before_anything_is_allocated() -> None:
    net = gn.onnx.load(model([node("Tile", "x repeats", "y")], {"repeats": np.full(4, 2**12, np.int64)}))
    with pytest.raises(gn.ShapeError, match="nothing was allocated"):
        net(X)


# External data


def external(tmp_path: Path, location: str, **entries: Any) -> Path:
    """A file whose weight lies elsewhere."""
    source = conv_net()
    (weight,) = [tensor for tensor in source.graph.initializer if tensor.name == "conv.weight"]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        weight.external_data.add(key=key, value=str(value))
    path = tmp_path / "model" / "net.onnx"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(source.SerializeToString())
    return path


def test_external_data_beside_the_model(tmp_path: Path) -> None:
    weight = np.arange(108, dtype=np.float32)
    path = external(tmp_path, "weights.bin", offset=4, length=432)
    (path.parent / "weights.bin").write_bytes(b"    " + weight.tobytes() + b"more")
    net = gn.onnx.load(path)
    np.testing.assert_array_equal(net["conv"].weight.value, weight.reshape(4, 3, 3, 3))
    refused(gn.DataError, "lies in another file. Give the path", path.read_bytes())


def test_external_data_elsewhere_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(432))
    for location in ("../secret.bin", str(secret), "a/../../secret.bin", ""):
        refused(gn.DataError, "outside of the model's folder", external(tmp_path, location))
    path = external(tmp_path, "link.bin")
    (path.parent / "link.bin").symlink_to(secret)
    refused(gn.DataError, "outside of the model's folder", path)
    refused(gn.DataError, "missing beside the model", external(tmp_path, "absent.bin"))
    (path.parent / "folder").mkdir()
    refused(gn.DataError, "missing beside the model", external(tmp_path, "folder"))


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ({}, r"432 bytes for its shape \(4, 3, 3, 3\) lie at 0 in weights\.bin.* a file of 100"),
        ({"offset": -4}, "Is a file damaged"),
        ({"offset": 2**62}, "Is a file damaged"),
        ({"length": 100}, "Is a file damaged"),
        ({"length": 2**40}, "Is a file damaged"),
        ({"offset": "here"}, "is no number"),
    ],
)
def test_external_data_that_is_not_there(tmp_path: Path, entries: dict[str, Any], match: str) -> None:
    path = external(tmp_path, "weights.bin", **entries)
    (path.parent / "weights.bin").write_bytes(bytes(100))
    refused(gn.errors.GpunetError, match, path)


# Graphs


def circle() -> Any:
    return model([node("Add", "x b", "a", name="one"), node("Relu", "a", "b", name="two"), node("Relu", "b", "y")])


def lying_output() -> Any:
    return model([node("Relu", "x", "y")], outputs={"y": ("batch", 5, 8, 8)})


def lying_kernel() -> Any:
    return conv_net(kernel_shape=[5, 5])


def lying_between() -> Any:
    source = conv_net()
    source.graph.value_info.append(onnx.helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, ["batch", 9, 6, 6]))
    return source


def integers_in() -> Any:
    source = model([node("Relu", "x", "y")])
    source.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    return source


def two_makers() -> Any:
    return model([node("Relu", "x", "y"), node("Tanh", "x", "y")])


def sparse() -> Any:
    source = model([node("Add", "x s", "y")])
    values = onnx.helper.make_tensor("s", onnx.TensorProto.FLOAT, [1], [1.0])
    places = onnx.helper.make_tensor("i", onnx.TensorProto.INT64, [1], [3])
    source.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(values, places, [2**40]))
    return source


def no_opset() -> Any:
    source = conv_net()
    del source.opset_import[:]
    return source


def without(what: str) -> Callable[[], Any]:
    def made() -> Any:
        source = conv_net()
        del getattr(source.graph, what)[:]
        return source

    return made


@pytest.mark.parametrize(
    ("make", "kind", "match"),
    [
        (circle, gn.DataError, "the graph has a circle"),
        (lambda: model([node("Add", "x y", "y")]), gn.DataError, "ONNX node Add 'y' waits for its own output"),
        (lambda: model([node("Relu", "w", "y")]), gn.DataError, "uses 'w', which neither a node nor an input makes"),
        (lambda: model([node("Relu", "x", "z")]), gn.DataError, "the graph's output uses 'y'"),
        (two_makers, gn.DataError, "'y' is made more than once"),
        (lying_output, gn.ShapeError, "its shapes or types contradict each other"),
        (lying_between, gn.ShapeError, "its shapes or types contradict each other"),
        (lying_kernel, gn.errors.GpunetError, r"conv"),
        (integers_in, gn.errors.GpunetError, "x|INT64"),
        (sparse, gn.DataError, "is sparse"),
        (no_opset, gn.DataError, "no opset"),
        (without("output"), gn.DataError, "no output"),
        (without("input"), gn.DataError, "uses 'x', which neither"),
        (without("initializer"), gn.DataError, r"uses 'conv\.(weight|bias)'"),
    ],
)
def test_graphs_that_cannot_be(make: Callable[[], Any], kind: type[Exception], match: str) -> None:
    refused(kind, match, make())


@pytest.mark.parametrize(
    ("nodes", "match"),
    [
        ([node("Relu", "x", "a", name="first"), node("Einsum", "a", "y", name="sum", equation="ij->i")],
         r"ONNX node Einsum 'sum' \(opset 18\): this operator is not supported\. There are Abs, "),
        ([node("Custom", "x", "y", name="mine", domain="my.domain")], r"Custom 'mine' is of the domain 'my\.domain'"),
        ([node("Conv", "x x", "y", name="c")], r"Conv 'c'.*weight.* is computed in the graph"),
        ([node("Reshape", "x x", "y", name="r")], "r"),
        ([node("Cast", "x", "i", name="c", to=7), node("Cast", "i", "y", to=1)], r"Cast 'c'.*to INT64"),
        ([node("MaxPool", "x", "y", name="p", kernel_shape=[2, 2, 2])], "p"),
        ([node("MaxPool", "x", "y", name="p")], "p"),
        ([node("Softmax", "x", "y", name="s", axis=9)], "s"),
        ([node("Greater", "x x", "y", name="g")], "y"),
        ([node("If", "x", "y", name="i")], "i"),
    ],
)  # fmt: skip
def test_nodes_outside_of_what_is_supported_are_named(nodes: list[Any], match: str) -> None:
    refused(gn.errors.GpunetError, match, model(nodes))


@pytest.mark.parametrize("opset", [0, 1, 5, 1000])
def test_opsets_outside_of_what_is_supported(opset: int) -> None:
    source = conv_net()
    source.opset_import[0].version = opset
    refused(gn.DataError, rf"opset {opset} is not supported; wanted 6 to \d+", source)


def test_a_definition_newer_than_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpunet.interop.onnx import registry

    known = registry.OPERATORS["Relu"]
    monkeypatch.setitem(registry.OPERATORS, "Relu", registry.Operator(known.build, newest=13))
    refused(
        gn.DataError, r"Relu 'relu' \(opset 18\): its definition of opset 14 is newer than that of opset 13", conv_net()
    )


def test_wrong_sizes_at_run_time_name_the_node() -> None:
    net = gn.onnx.load(conv_net())
    with pytest.raises(gn.ShapeError, match=r"'x' has shape \(2, 4, 8, 8\), wanted \(batch, 3, 8, 8\)"):
        net(np.zeros((2, 4, 8, 8), np.float32))
    free = model([node("Reshape", "x s", "y", name="flat")], {"s": np.array([1, 192])}, {"x": ("batch", 3, "h", "w")})
    with pytest.raises(gn.ShapeError, match=r"Reshape 'flat'.*dynamic"):
        gn.onnx.load(free)(X)


def test_without_onnx_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(gn.DataError, match=r"need the package onnx.*\[onnx\]"):
        gn.onnx.load("net.onnx")
    with pytest.raises(gn.DataError, match="need the package onnx"):
        gn.onnx.to_model(gn.ReLU(), (3,))
