"""The weights in a file as those that a training starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpunet.errors import CheckpointError
from gpunet.layers.module import Module
from gpunet.weights_file import read_weights


def load_first_weights(net: Module, path: str | Path) -> str:
    """Give a net all weights of a file, but for a last layer that is for another number of classes.

    Args:
        net: of the same structure, with its own first weights, which the last layer keeps if the file's does not fit.
        path: of a safetensors file: PyTorch's, or of gpunet.

    Returns:
        what a user should know of it, in one line.

    Raises:
        CheckpointError: the file cannot be read or is of another structure; the net is then unchanged.
    """
    given = read_weights(path)
    layer, kept = _last_layer(net)
    other_classes = all(_differs_in_classes(given.get(name), array) for name, array in kept.items())
    if other_classes:
        given |= kept
    try:
        net.load_state_dict(given)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    if not other_classes:
        return f"first weights: {path}"
    return f"first weights: {path}, all but those of {layer!r}, which is for another number of classes and starts anew"


def _last_layer(net: Module) -> tuple[str, dict[str, Any]]:
    """Path and host arrays of the layer with the last parameters, which makes the scores."""
    parameters = dict(net.named_parameters())
    layer = list(parameters)[-1].rpartition(".")[0]
    return layer, {
        name: net.backend.to_numpy(parameter.value)
        for name, parameter in parameters.items()
        if name.rpartition(".")[0] == layer
    }


def _differs_in_classes(given: Any, own: Any) -> bool:
    if given is None or given.ndim != own.ndim:
        return False
    return bool(given.shape[0] != own.shape[0] and given.shape[1:] == own.shape[1:])
