import numpy as np
import pytest

import gpunet as gn


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 3.0])
def test_values_and_gradients(alpha: float) -> None:
    x = np.array([[-1e4, -1e-12, 0.0, 2.0, 1e4]])
    layer = gn.ELU(alpha)
    np.testing.assert_allclose(layer.forward(x, keep=True), [[-alpha, -alpha * 1e-12, 0, 2, 1e4]], rtol=1e-11)
    np.testing.assert_allclose(layer.backward(np.full_like(x, 2)), [[0, 2 * alpha, 2 * alpha, 2, 2]], rtol=1e-11)


@pytest.mark.parametrize("alpha", [-0.1, float("nan")])
def test_a_negative_alpha_is_refused(alpha: float) -> None:
    with pytest.raises(gn.DataError, match="ELU: alpha must be 0 or more"):
        gn.ELU(alpha)
