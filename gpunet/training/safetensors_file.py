"""Arrays with names and a JSON value beside them, in one safetensors file.

The format: https://github.com/huggingface/safetensors, a header in JSON and plain numbers; reading one runs no code.
The file's own metadata is a hash map that the library writes in any order, so all of gpunet's goes under one key, as
JSON with sorted keys: equal contents give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from gpunet.errors import CheckpointError
from gpunet.training.atomic_file import write_atomically

_KEY = "gpunet"
_FOREIGN = {
    b"PK\x03\x04": "a zip archive, as torch.save writes, whose content is pickled",
    b"\x80": "a Python pickle, as an old torch.save writes",
    b"\x93NUMPY": "a NumPy file",
    b"\x89HDF": "an HDF5 file, as Keras writes",
    b"\x89PNG": "a picture",
}
_PICKLED = (b"PK\x03\x04", b"\x80")


def write_arrays(
    path: str | os.PathLike[str],
    arrays: Mapping[str, np.ndarray],
    value: Mapping[str, Any],
    flush_folder: bool = True,
) -> None:
    """Write a safetensors file, whole or not at all.

    Args:
        path: of the file; its folder must exist.
        arrays: host arrays by name.
        value: what can be said in JSON; a digest of the arrays is added.
        flush_folder: see `write_atomically`.

    Raises:
        CheckpointError: the disk is full or the folder cannot be written to; an older file is unchanged.
    """
    contiguous = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    text = to_json({**value, "digest": _digest(contiguous)})
    write_atomically(path, safetensors.numpy.save(contiguous, metadata={_KEY: text}), flush_folder=flush_folder)


def read_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any] | None]:
    """The arrays of a safetensors file, and the JSON value beside them; None if gpunet did not write the file.

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
            arrays = {name: np.array(tensors.get_tensor(name)) for name in tensors.keys()}  # noqa: SIM118
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
    if _KEY not in metadata:
        return arrays, None
    return arrays, _checked_value(path, arrays, metadata[_KEY])


def _foreign(path: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: holds numbers of a kind that NumPy does not have ({what}). Convert them to float32."
    )


def _checked_value(path: Path, arrays: dict[str, np.ndarray], text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
        digest = value.pop("digest")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise CheckpointError(f"{path}: is damaged: its metadata cannot be read. Take an earlier copy of it.") from None
    if digest != _digest(arrays):
        raise CheckpointError(f"{path}: is damaged: its numbers do not have the digest that was written with them.")
    assert isinstance(value, dict)
    return value


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Of names, dtypes, shapes and contents: the format itself would not notice a flipped bit in the numbers."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def to_json(value: Any) -> str:
    """``value`` as JSON that is the same for equal values; floats keep every bit."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _what_is_wrong(path: Path, start: bytes, error: Exception) -> str:
    size = path.stat().st_size
    for magic, kind in _FOREIGN.items():
        if start.startswith(magic) and start[8:9] != b"{":
            message = f"is {kind}, not a safetensors file"
            if magic in _PICKLED:
                return (
                    f"{message}; gpunet never unpickles. Convert it with PyTorch: safetensors.torch.save_file("
                    f"torch.load({path.name!r}, weights_only=True), {path.with_suffix('.safetensors').name!r})"
                )
            return f"{message}."
    if size == 0:
        return "is empty. Take an earlier copy of it."
    if start[8:9] != b"{":
        return "is no safetensors file: its header is missing. It is damaged, or of another kind."
    announced = 8 + int.from_bytes(start[:8], "little")
    if size < announced:
        return f"is truncated: it holds {size} bytes, its header alone wants {announced}. Take an earlier copy of it."
    return f"is truncated or damaged ({error}). Take an earlier copy of it."
