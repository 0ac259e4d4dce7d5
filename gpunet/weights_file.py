"""Reading safetensors files: arrays by name, and the JSON value that gpunet puts beside its own.

The format: https://github.com/huggingface/safetensors, a header in JSON and plain numbers; reading one runs no code.
No file is ever unpickled: for those of `torch.save` the error says how they are converted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from gpunet.errors import CheckpointError
from gpunet.installation import upgrade_command

KEY = "gpunet"  # in the file's metadata, for the value
FORMAT = 1  # of what stands beside the arrays; a reader refuses a newer one
OPTIMIZER = "optimizer/"  # before the optimizer's names; a slash stands in no name of a parameter

_FOREIGN = {
    b"PK\x03\x04": "a zip archive, as torch.save writes, whose content is pickled",
    b"\x80": "a Python pickle, as an old torch.save writes",
    b"\x93NUMPY": "a NumPy file",
    b"\x89HDF": "an HDF5 file, as Keras writes",
    b"\x89PNG": "a picture",
}
_PICKLED = (b"PK\x03\x04", b"\x80")
_OF_PYTORCH = {".pt", ".pth", ".ckpt", ".tar", ".bin"}  # suffixes of what torch.save wrote


def read_weights(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The parameters and buffers in a safetensors file: PyTorch's, of `save_weights`, or of a run directory.

    Raises:
        CheckpointError: it is missing, truncated, damaged, of another kind, or of a newer gpunet.
    """
    arrays, value = read_arrays(path)
    if value is not None:
        require_format(path, value)
        arrays = {name: array for name, array in arrays.items() if not name.startswith(OPTIMIZER)}
    return arrays


def read_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any] | None]:
    """The arrays of a safetensors file, and the JSON value beside them; None if gpunet did not write the file.

    Numbers of the kind bfloat16, which NumPy does not have, become float32, which has each of them.

    Raises:
        CheckpointError: it is missing, truncated, damaged or of another kind.
    """
    path = Path(path)
    start = b""
    try:
        with path.open("rb") as file:
            start = file.read(16)
        with safetensors.safe_open(path, framework="np") as tensors:
            # Copies: what is read must not change when the file does.
            arrays = {name: _array(path, tensors, name) for name in tensors.keys()}  # noqa: SIM118
            metadata = tensors.metadata() or {}
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise CheckpointError(f"{path}: could not be read: {error.strerror or error}.") from error
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path}: {_what_is_wrong(path, start, error)}") from None
    except (TypeError, AttributeError) as error:
        raise _foreign(path, str(error)) from None
    foreign = [f"{name}: {array.dtype}" for name, array in arrays.items() if array.dtype.kind not in "biufc"]
    if foreign:  # of the package ml_dtypes, where something has imported it
        raise _foreign(path, ", ".join(foreign))
    if KEY not in metadata:
        return arrays, None
    return arrays, _checked_value(path, arrays, metadata[KEY])


def require_format(path: str | os.PathLike[str], value: Mapping[str, Any]) -> None:
    """That what stands beside the arrays can be understood.

    Raises:
        CheckpointError: it is damaged, or of a newer gpunet.
    """
    if not isinstance(value.get("format"), int) or not isinstance(value.get("state"), dict):
        raise CheckpointError(f"{path}: is damaged: it does not say what it holds. Take an earlier copy of it.")
    if value["format"] > FORMAT:
        raise CheckpointError(
            f"{path}: has format {value['format']}, of a newer gpunet; this one reads up to {FORMAT}. "
            f"Upgrade: {upgrade_command()}"
        )


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Of names, dtypes, shapes and contents: the format itself would not notice a flipped bit in the numbers."""
    result = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        result.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        result.update(np.ascontiguousarray(array).data)
    return result.hexdigest()


def conversion_command(path: str | os.PathLike[str]) -> str:
    """The command that makes a safetensors file of a state dict that `torch.save` wrote, where PyTorch is installed."""
    source, target = os.fspath(path), os.fspath(Path(path).with_suffix(".safetensors"))
    code = (
        "import torch, safetensors.torch; "
        f"safetensors.torch.save_file(torch.load({source!r}, map_location='cpu', weights_only=True), {target!r})"
    )
    return f"python -c {_quoted(code)}"


def _quoted(code: str) -> str:
    """In double quotes where nothing in it means anything to a shell, as it can be read then."""
    return shlex.quote(code) if any(character in code for character in '"$`\\!') else f'"{code}"'


def _array(path: Path, tensors: Any, name: str) -> np.ndarray:
    if tensors.get_slice(name).get_dtype() == "BF16":
        return _bfloat16(path, name)
    return np.array(tensors.get_tensor(name))


def _bfloat16(path: Path, name: str) -> np.ndarray:
    """A tensor of bfloat16, which are the upper halves of float32; the library has checked header and sizes."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[name]
        first, stop = entry["data_offsets"]
        file.seek(8 + length + first)
        upper = np.frombuffer(file.read(stop - first), "<u2")
    return (upper.astype("<u4") << 16).view("<f4").reshape(entry["shape"])


def _foreign(path: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: holds numbers of a kind that NumPy does not have ({what}). Convert them to float32."
    )


def _checked_value(path: Path, arrays: dict[str, np.ndarray], text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
        written = value.pop("digest")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise CheckpointError(f"{path}: is damaged: its metadata cannot be read. Take an earlier copy of it.") from None
    if written != digest(arrays):
        raise CheckpointError(f"{path}: is damaged: its numbers do not have the digest that was written with them.")
    assert isinstance(value, dict)
    return value


def _what_is_wrong(path: Path, start: bytes, error: Exception) -> str:
    size = path.stat().st_size
    convert = f"gpunet never unpickles. Convert it where PyTorch is installed: {conversion_command(path)}"
    for magic, kind in _FOREIGN.items():
        if start.startswith(magic) and start[8:9] != b"{":
            return f"is {kind}, not a safetensors file{f'; {convert}' if magic in _PICKLED else '.'}"
    if size == 0:
        return "is empty. Take an earlier copy of it."
    if start[8:9] != b"{":
        if path.suffix.lower() in _OF_PYTORCH:
            return f"is no safetensors file, and by its name one of torch.save; {convert}"
        return "is no safetensors file: its header is missing. It is damaged, or of another kind."
    announced = 8 + int.from_bytes(start[:8], "little")
    if size < announced:
        return f"is truncated: it holds {size} bytes, its header alone wants {announced}. Take an earlier copy of it."
    return f"is truncated or damaged ({error}). Take an earlier copy of it."
