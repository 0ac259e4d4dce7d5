"""From stored pixels to what a net takes: the one formula that training, evaluation and prediction share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.errors import DataError


def as_float_dtype(dtype: Any, what: str) -> np.dtype[Any]:
    """``dtype`` as a NumPy floating dtype; anything else raises `DataError` that begins with ``what``."""
    try:
        result = np.dtype(dtype)
    except TypeError:
        result = np.dtype(object)
    if result.kind != "f":
        raise DataError(f'{what}: dtype must be a floating one of NumPy such as "float32", got {dtype!r}.')
    return result


def prepare_images(images: NDArray[Any], mean: Any = 0.0, std: Any = 1.0, dtype: Any = "float32") -> NDArray[Any]:
    """Scale uint8 images to 0..1, then subtract ``mean`` and divide by ``std`` in each channel.

    Args:
        images: (N, C, H, W), uint8, or floating and then taken as it is.
        mean, std: (C,) or one number, on the 0..1 scale.
        dtype: of the result and of the computation.

    Returns:
        a new array like ``images``, of ``dtype``.
    """
    kind = as_float_dtype(dtype, "prepare_images")
    result = images.astype(kind)
    if images.dtype == np.uint8:
        result /= kind.type(255)
    result -= np.asarray(mean, kind).reshape(-1, 1, 1)
    result /= np.asarray(std, kind).reshape(-1, 1, 1)
    return result
