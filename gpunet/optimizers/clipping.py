"""Keeping gradients from growing too large."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

from gpunet.backends import backend_of
from gpunet.errors import DataError
from gpunet.state import Array, Parameter


def clip_grad_norm(parameters: Parameter | Iterable[Parameter], max_norm: float, norm_type: float = 2.0) -> Array:
    """Shrink all gradients by one factor if together they are longer than ``max_norm``; call it before the step.

    Args:
        parameters: of one backend; frozen ones and those without a gradient are passed by.
        max_norm: above 0; infinity only measures.
        norm_type: 2, the Euclidean length; no other is offered.

    Returns:
        the length of all gradients together before, a 0-d array of their backend. Nothing waits for the device. It is
        NaN or infinite if a gradient is, and so are the gradients then.

    Raises:
        DataError: max_norm or norm_type is none of these.

    Source: Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063, algorithm 1.
    """
    if norm_type != 2:
        raise DataError(f"clip_grad_norm: got norm_type={norm_type!r}, wanted 2, the Euclidean length.")
    if not isinstance(max_norm, Real) or not max_norm > 0:
        raise DataError(f"clip_grad_norm: got max_norm={max_norm!r}, wanted a number above 0.")
    candidates = [parameters] if isinstance(parameters, Parameter) else list(parameters)
    chosen = [p for p in candidates if p.trainable and p.grad is not None]
    grads: list[Any] = [p.grad for p in chosen]
    backend = backend_of(*(p.value for p in candidates), *grads)
    norm = backend.xp.sqrt(backend.sum_of_squares(grads))
    # As in PyTorch: the tiny summand keeps a gradient of zeros from becoming NaN.
    scale = backend.xp.minimum(float(max_norm) / (norm + 1e-6), 1.0)
    for parameter, grad in zip(chosen, grads, strict=True):
        parameter.grad = grad * scale.astype(grad.dtype)
    return backend.xp.asarray(norm)
