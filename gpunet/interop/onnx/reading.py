"""An ONNX file as a ModelProto that can be relied on to be one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gpunet.errors import CheckpointError, DataError
from gpunet.installation import install_command
from gpunet.interop.onnx.external_data import read_external_data
from gpunet.interop.onnx.tensors import check_tensor

OLDEST_OPSET = 6
_LARGEST_FILE = 2**31 - 1  # the limit of protobuf


def require_onnx() -> Any:
    """The onnx package.

    Raises:
        DataError: it is not installed.
    """
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.inliner
        import onnx.numpy_helper
        import onnx.shape_inference
    except ImportError as error:
        raise DataError(f"ONNX files need the package onnx ({error}). Install it: {install_command('onnx')}.") from None
    return onnx


def read_model(source: Any) -> tuple[Any, str]:
    """A ModelProto from a path, from bytes or from a ModelProto, which is copied.

    Returns:
        the model, with all tensors in it, and how messages call it.

    Raises:
        CheckpointError: the file is missing, truncated or of another kind.
        DataError, ShapeError: its contents are not in order.
    """
    onnx = require_onnx()
    if isinstance(source, onnx.ModelProto):
        model, label = onnx.ModelProto(), "the ONNX model"
        model.CopyFrom(source)
    elif isinstance(source, bytes):
        model, label = _parsed(onnx, source, "the ONNX bytes"), "the ONNX bytes"
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        model, label = _parsed(onnx, _content(path), str(path)), str(path)
        read_external_data(model, path.parent)
    else:
        raise DataError(f"onnx.load: got a {type(source).__name__}, wanted a path, bytes or an onnx.ModelProto.")
    if not model.graph.node and not model.graph.initializer:
        raise CheckpointError(f"{label}: holds no graph. Is it an ONNX file, and all of it?")
    return _inlined(onnx, model, label), label


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise CheckpointError(f"{path}: has {path.stat().st_size:,} bytes; ONNX files have at most 2 GiB.")
        return path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise CheckpointError(f"{path}: could not be read: {error.strerror or error}.") from error


def _parsed(onnx: Any, content: bytes, label: str) -> Any:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception:  # noqa: BLE001 - protobuf's errors have changed their names and places over its versions
        raise CheckpointError(
            f"{label}: {len(content):,} bytes that are no ONNX model. Was the file cut off, or is it of another kind?"
        ) from None
    return model


def _inlined(onnx: Any, model: Any, label: str) -> Any:
    """Functions that the file itself defines, written out where they are called."""
    if not model.functions:
        return model
    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:  # noqa: BLE001 - the library raises whatever C++ threw
        raise DataError(f"{label}: its functions cannot be written out: {first_line(error)}") from None


def check_model(model: Any, label: str) -> int:
    """Versions, names and sizes of a model, and what the library's own checker finds.

    Returns:
        its opset.

    Raises:
        DataError, ShapeError: something is not in order.
    """
    onnx = require_onnx()
    opset = _opset(onnx, model, label)
    for tensor in model.graph.initializer:
        check_tensor(tensor, label)
    if model.graph.sparse_initializer:
        name = model.graph.sparse_initializer[0].values.name
        raise DataError(f"{label}: the initializer {name!r} is sparse; wanted dense tensors.")
    return opset


def run_checker(model: Any, label: str) -> None:
    """What `onnx.checker` says of a model.

    Raises:
        DataError: it found a fault.
    """
    onnx = require_onnx()
    if model.ByteSize() > _LARGEST_FILE:
        return  # with external data it may be larger than what the checker takes
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        if "Field 'shape' of 'type' is required" in str(error):
            return  # outputs of many files have no shape; it is not needed
        raise DataError(f"{label}: is not valid ONNX: {first_line(error)}") from None


def _opset(onnx: Any, model: Any, label: str) -> int:
    versions = {entry.domain: int(entry.version) for entry in model.opset_import}
    opset = versions.get("", versions.get("ai.onnx"))
    newest = onnx.defs.onnx_opset_version()
    if opset is None:
        raise DataError(f"{label}: names no opset of ONNX's own operators. Was the file cut off?")
    if not OLDEST_OPSET <= opset <= newest:
        raise DataError(
            f"{label}: opset {opset} is not supported; wanted {OLDEST_OPSET} to {newest} (the newest that the "
            f"installed onnx {onnx.__version__} knows). Convert the model with onnx.version_converter, or upgrade onnx."
        )
    return opset


def first_line(error: BaseException) -> str:
    """What an error of another library says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])[:500] or type(error).__name__
