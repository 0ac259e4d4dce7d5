"""PyTorch's bilinear interpolation judges the enlarging of the digits."""

import numpy as np
import oracles
import pytest

torch = oracles.require("torch")

from gpunet.data.digits import enlarge  # noqa: E402 - after the oracle is known to be there


@pytest.mark.parametrize("size", [(28, 28), (8, 8), (16, 12), (9, 31)])
def test_enlarging(size):
    pixels = np.random.default_rng(0).integers(0, 17, (20, 8, 8), np.uint8)
    scaled = torch.tensor(pixels, dtype=torch.float64)[:, None] * 255 / 16
    expected = torch.nn.functional.interpolate(scaled, size=size, mode="bilinear", align_corners=False)[:, 0].numpy()
    got = enlarge(pixels, size, 16).astype(np.float64)
    assert np.abs(got - expected).max() <= 0.5 + 1e-9  # rounded to the nearest integer, in exact arithmetic
