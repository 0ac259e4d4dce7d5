import numpy as np
import pytest

from gpunet.data import prepare_images
from gpunet.errors import DataError

IMAGES = np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2) * 10


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float16])
def test_the_formula(dtype):
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.25, 2.0])
    kind = np.dtype(dtype).type
    column = (1, 3, 1, 1)
    got = prepare_images(IMAGES.astype(np.uint8), mean, std, dtype)
    expected = (IMAGES.astype(dtype) / kind(255) - mean.astype(dtype).reshape(column)) / std.astype(dtype).reshape(
        column
    )
    assert got.dtype == np.dtype(dtype)
    assert np.array_equal(got, expected)


def test_float_images_are_not_scaled_and_never_written_to():
    images = IMAGES.astype(np.float32)
    images.flags.writeable = False
    assert np.array_equal(prepare_images(images), images)
    assert not np.shares_memory(prepare_images(images), images)
    assert np.array_equal(prepare_images(images, 1, 2), (images - 1) / 2)


def test_no_images():
    assert prepare_images(np.zeros((0, 3, 2, 2), np.uint8), [0, 0, 0], [1, 1, 1]).shape == (0, 3, 2, 2)


@pytest.mark.parametrize("dtype", ["int32", "bfloat16", None.__class__, "nonsense"])
def test_a_dtype_that_is_not_floating(dtype):
    with pytest.raises(DataError, match=r"dtype must be a floating one"):
        prepare_images(IMAGES.astype(np.uint8), dtype=dtype)
