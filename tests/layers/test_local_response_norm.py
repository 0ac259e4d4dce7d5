import numpy as np
import pytest

import gpunet as gn


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 12])
def test_the_neighbours(size: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 3))
    y = gn.LocalResponseNorm(size, alpha=0.6, beta=0.5, k=2.0)(x)
    for c in range(5):
        neighbours = [x[:, n] for n in range(c - size // 2, c + (size - 1) // 2 + 1) if 0 <= n < 5]
        scale = 2.0 + 0.6 / size * sum(n * n for n in neighbours)
        np.testing.assert_allclose(y[:, c], x[:, c] / np.sqrt(scale), rtol=1e-13)


def test_bad_settings_and_inputs_are_refused() -> None:
    with pytest.raises(gn.ShapeError, match="LocalResponseNorm: size must be at least 1, got 0"):
        gn.LocalResponseNorm(0)
    with pytest.raises(gn.ShapeError, match=r"^LocalResponseNorm: got an input of shape \(0, 3\)"):
        gn.LocalResponseNorm(3)(np.ones((2, 0, 3)))


def test_text() -> None:
    assert repr(gn.LocalResponseNorm(5)) == "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)"
