import numpy as np
import pytest

from gpunet.backends.numpy.selection import keep_where

pytestmark = pytest.mark.numpy_only("tests a function of NumPy's own")

SPECIAL = [0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan, 5e-324, 1e308]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_keep_where_is_numpy_where_for_every_kind_of_number(dtype):
    with np.errstate(over="ignore"):
        values = np.array(SPECIAL * 2, dtype)
    mask = np.repeat([True, False], len(SPECIAL))
    kept = keep_where(mask, values)
    assert kept.dtype == dtype
    assert kept.tobytes() == np.where(mask, values, np.zeros((), dtype)).tobytes()


def test_keep_where_reads_strided_values():
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    mask = values % 3 == 0
    np.testing.assert_array_equal(keep_where(mask.T, values.T), np.where(mask, values, 0).T)
    np.testing.assert_array_equal(keep_where(mask[::2, 1::2], values[::2, 1::2]), np.where(mask, values, 0)[::2, 1::2])


def test_keep_where_of_nothing_is_nothing():
    assert keep_where(np.zeros((0, 3), bool), np.zeros((0, 3), np.float32)).shape == (0, 3)
