"""A backend with one wrong primitive, and ways to be wrong, for the tests of comparing backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import gpunet as gn
from gpunet.backends.numpy import NumpyBackend

BOTH = ("numpy", "numpy")


class Altered(NumpyBackend):
    """NumPy with one primitive made wrong.

    Args:
        primitive: its name.
        spoil: called with what the primitive returned.
        only: spoil only calls for which this is true; given the arguments.
    """

    name = "altered"

    def __init__(
        self, primitive: str, spoil: Callable[[Any], Any], only: Callable[..., bool] = lambda *_: True
    ) -> None:
        right = getattr(self, primitive)

        def wrong(*args: Any, **settings: Any) -> Any:
            result = right(*args, **settings)
            return spoil(result) if only(*args) else result

        setattr(self, primitive, wrong)


def wrong_sign(result: Any) -> Any:
    return (
        tuple(-part if index == 0 else part for index, part in enumerate(result))
        if isinstance(result, tuple)
        else -result
    )


def lost_element(result: Any) -> Any:
    first = (result[0] if isinstance(result, tuple) else result).copy()
    first.flat[np.abs(first).argmax()] = 0
    return (first, *result[1:]) if isinstance(result, tuple) else first


def half_precision(result: Any) -> Any:
    first = result[0] if isinstance(result, tuple) else result
    rounded = first.astype(np.float16).astype(first.dtype)
    return (rounded, *result[1:]) if isinstance(result, tuple) else rounded


ERRORS = [wrong_sign, lost_element, half_precision]


def normal(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    return gn.random.Stream(seed, "compare test").normal(shape).astype(dtype)
