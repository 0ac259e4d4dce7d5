"""Weights files, and checkpoints: weights with all that a training needs to go on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.errors import CheckpointError
from gpunet.layers.module import Module
from gpunet.layers.state_dict import IncompatibleKeys
from gpunet.training.safetensors_file import write_arrays
from gpunet.weights_file import FORMAT, OPTIMIZER, read_arrays, require_format


def save_weights(net: Module, path: str | os.PathLike[str]) -> None:
    """Write all parameters and buffers as safetensors, under PyTorch's names, whole or not at all.

    PyTorch reads the file: ``model.load_state_dict(safetensors.torch.load_file(path))``.

    Raises:
        CheckpointError: it could not be written, as on a full disk; an older file is unchanged.
    """
    write_checkpoint(path, Checkpoint(net.state_dict()))


def load_weights(net: Module, path: str | os.PathLike[str], strict: bool = True) -> IncompatibleKeys:
    """Read parameters and buffers from a safetensors file; the same as ``net.load_state_dict(path, strict)``.

    Args:
        net: takes the values, converted to its own dtype.
        path: of the file: of `save_weights`, of a run directory, or PyTorch's.
        strict: False passes over missing and unexpected names; shapes must fit in any case.

    Returns:
        ``missing_keys`` and ``unexpected_keys`` that were passed over.

    Raises:
        CheckpointError: the file is missing, damaged, of another kind or does not fit; the net is then unchanged.
    """
    return net.load_state_dict(path, strict)


@dataclass
class Checkpoint:
    """What a checkpoint file holds.

    Attributes:
        weights: parameters and buffers by name.
        optimizer: arrays of the optimizer by its own names; empty in a file of weights alone.
        state: JSON-able: everything else. Empty in a file of weights alone.
    """

    weights: dict[str, np.ndarray]
    optimizer: dict[str, np.ndarray] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


def write_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint, flush_folder: bool = True) -> None:
    """Write a checkpoint, whole or not at all; equal ones give equal bytes.

    Args:
        path: of the file; its folder must exist.
        checkpoint: what to write.
        flush_folder: see `write_atomically`.

    Raises:
        CheckpointError: it could not be written; an older file is unchanged.
    """
    foreign = [name for name in checkpoint.weights if name.startswith(OPTIMIZER)]
    if foreign:
        raise CheckpointError(f"{path}: a weight is called {foreign[0]!r}; rename that layer, {OPTIMIZER!r} is taken.")
    arrays = {**checkpoint.weights, **{OPTIMIZER + name: array for name, array in checkpoint.optimizer.items()}}
    write_arrays(path, arrays, {"format": FORMAT, "state": checkpoint.state}, flush_folder)


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint, or any safetensors file as one of weights alone.

    Raises:
        CheckpointError: the file is missing, damaged, of another kind, or of a newer gpunet.
    """
    arrays, value = read_arrays(path)
    if value is None:
        return Checkpoint(arrays)
    require_format(path, value)
    checkpoint = Checkpoint({}, {}, value["state"])
    for name, array in arrays.items():
        if name.startswith(OPTIMIZER):
            checkpoint.optimizer[name.removeprefix(OPTIMIZER)] = array
        else:
            checkpoint.weights[name] = array
    return checkpoint


def read_state(path: Path) -> Checkpoint:
    """Read a checkpoint that a training can go on from.

    Raises:
        CheckpointError: as `read_checkpoint`, or the file holds weights alone.
    """
    checkpoint = read_checkpoint(path)
    if "training" not in checkpoint.state:
        raise CheckpointError(f"{path}: holds weights alone, so no training can go on from it. Use load_weights.")
    return checkpoint
