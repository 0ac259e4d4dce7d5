"""PyTorch's own initializers: the same fans, and first weights of the same spread in every layer."""

import numpy as np
import oracles
import pytest

import gpunet as gn
from gpunet.initializers import fans

torch = oracles.require("torch")


@pytest.mark.parametrize("shape", [(5, 7), (4, 3, 2, 5), (6, 1, 3, 3), (2, 3, 4, 5, 6)])
def test_fans(shape: tuple[int, ...]) -> None:
    assert fans(shape) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))


LAYERS = {
    "Conv2d": (gn.Conv2d, (16, 64, 5), {"groups": 2, "stride": 2}),
    "Conv2d depthwise": (gn.Conv2d, (64, 128, 5), {"groups": 64}),
    "ConvTranspose2d": (gn.ConvTranspose2d, (64, 48, 4), {"groups": 2}),
    "Linear": (gn.Linear, (80, 90), {}),
    "BatchNorm1d": (gn.BatchNorm1d, (8,), {}),
    "BatchNorm2d": (gn.BatchNorm2d, (8,), {}),
    "GroupNorm": (gn.GroupNorm, (2, 8), {}),
    "LayerNorm": (gn.LayerNorm, ((8, 3),), {}),
    "PReLU": (gn.PReLU, (4,), {}),
}


@pytest.mark.parametrize(("kind", "sizes", "settings"), LAYERS.values(), ids=LAYERS.keys())
def test_first_weights(kind: type[gn.Module], sizes: tuple, settings: dict) -> None:
    with gn.random.seeded(0):
        ours = kind(*sizes, **settings).state_dict()
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind.__name__)(*sizes, **settings).state_dict()
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        expected = theirs[name].numpy()
        assert array.shape == expected.shape
        assert array.dtype == expected.dtype
        if np.unique(expected).size == 1:
            np.testing.assert_array_equal(array, expected, err_msg=name)
        else:  # uniform in both: the same bound, as far as the largest of so many numbers tells
            assert np.abs(array).max() == pytest.approx(np.abs(expected).max(), rel=6 / array.size), name
            assert array.std() == pytest.approx(expected.std(), rel=5 / np.sqrt(array.size)), name
