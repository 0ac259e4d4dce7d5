"""The error function, which NumPy does not have.

Source: W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23 (1969),
631-637: three rational functions, for small, middle and large arguments; the coefficients are those of his SPECFUN.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy.windows import Floats

# Each pair: numerator and denominator, highest power first.
_SMALL = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_MIDDLE = (
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e0,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ),
)
_LARGE = (
    (
        1.63153871373020978e-2,
        3.05326634961232344e-1,
        3.60344899949804439e-1,
        1.25781726111229246e-1,
        1.60837851487422766e-2,
        6.58749161529837803e-4,
    ),
    (
        1.0,
        2.56852019228982242e0,
        1.87295284992346725e0,
        5.27905102951428412e-1,
        6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)
_SMALL_LIMIT, _MIDDLE_LIMIT, _ONE_LIMIT = 0.46875, 4.0, 6.0  # erf(6) is 1 in float64


def erf(x: Floats) -> Floats:
    """See `Backend.erf`; computed in float64 whatever x is."""
    magnitude = np.minimum(np.abs(np.asarray(x, np.float64)), _ONE_LIMIT)  # squares of larger ones may overflow
    square = magnitude * magnitude
    y = np.ones_like(magnitude)
    small = magnitude <= _SMALL_LIMIT
    large = (magnitude > _MIDDLE_LIMIT) & (magnitude < _ONE_LIMIT)
    middle = (magnitude > _SMALL_LIMIT) & (magnitude <= _MIDDLE_LIMIT)
    y[small] = magnitude[small] * _ratio(_SMALL, square[small])
    y[middle] = 1 - np.exp(-square[middle]) * _ratio(_MIDDLE, magnitude[middle])
    inverse = 1 / square[large]
    tail = (1 / math.sqrt(math.pi) - inverse * _ratio(_LARGE, inverse)) / magnitude[large]
    y[large] = 1 - np.exp(-square[large]) * tail
    y[np.isnan(magnitude)] = np.nan
    return np.copysign(y, x).astype(np.asarray(x).dtype, copy=False)


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], at: NDArray[np.float64]) -> NDArray[np.float64]:
    numerator, denominator = (np.polyval(np.asarray(powers), at) for powers in coefficients)
    return np.asarray(numerator / denominator)
