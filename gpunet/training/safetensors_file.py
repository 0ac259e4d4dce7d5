"""Writing arrays with names, and a JSON value beside them, into one safetensors file; `weights_file` reads them.

The file's own metadata is a hash map that the library writes in any order, so all of gpunet's goes under one key, as
JSON with sorted keys: equal contents give equal bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy

from gpunet.training.atomic_file import write_atomically
from gpunet.weights_file import KEY, digest


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
    text = to_json({**value, "digest": digest(contiguous)})
    write_atomically(path, safetensors.numpy.save(contiguous, metadata={KEY: text}), flush_folder=flush_folder)


def to_json(value: Any) -> str:
    """``value`` as JSON that is the same for equal values; floats keep every bit."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
