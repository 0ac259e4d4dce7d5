"""More than 2**31 elements: the kernels of convolution read and write at both ends of arrays that are mostly holes.

Only the emulated device can read such an array: its memory is the host's, where untouched pages take no room.
"""

from __future__ import annotations

import math
import mmap
import os
from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from numpy.testing import assert_array_equal

from gpunet.backends.cupy.backend import CupyBackend
from gpunet.backends.cupy.options import Options
from gpunet.geometry import Window

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif("GPUNET_EMULATOR_KERNELS" not in os.environ, reason="needs gpunet emulate: sparse memory"),
]
require_cupy()

MAP_NORESERVE = 0x4000  # Linux's number; not every Python's mmap names it
ROWS, COLS = 65_537, 65_536
CORNERS = Window.create(1, (ROWS - 1, COLS - 1))


def sparse(cupy: CupyBackend, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """A float32 array of zeros on the device, and the same memory as NumPy's."""
    size = math.prod(shape) * 4
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
    host = np.frombuffer(memory, "float32").reshape(shape)
    pointer = cupy.xp.cuda.MemoryPointer(cupy.xp.cuda.UnownedMemory(host.ctypes.data, size, memory), 0)
    return cupy.xp.ndarray(shape, "float32", pointer), host


@pytest.fixture
def image(cupy: CupyBackend) -> Any:
    """(1, 1, 65537, 65536), zero but for its corners."""
    device, host = sparse(cupy, (1, 1, ROWS, COLS))
    host[0, 0, :: ROWS - 1, :: COLS - 1] = [[2, 3], [5, 7]]
    return device


@pytest.mark.parametrize("groups", [1, 2])
def test_convolution_reads_past_two_to_the_31(cupy: CupyBackend, options: Options, image: Any, groups: int) -> None:
    x = image if groups == 1 else image.reshape(1, 2, ROWS, COLS // 2)
    rows, cols = x.shape[2:]
    window = Window.create(1, (rows - 1, cols - 1))
    weight = cupy.asarray(np.full((groups, 1, 1, 1), 5, "float32"))
    grad_y = cupy.asarray(np.array([[[[1, 10], [100, 1000]]]], "float32").repeat(groups, axis=1))
    seen = cupy.to_numpy(x[:, :, :: rows - 1, :: cols - 1])
    for options.workspace_bytes in (2**20, 0):
        y = cupy.conv2d(x, weight, None, window, groups)
        assert_array_equal(cupy.to_numpy(y), 5 * seen)
        grad_weight = cupy.conv2d_backward_weight(grad_y, x, weight.shape, window, groups)
        assert_array_equal(cupy.to_numpy(grad_weight)[:, 0, 0, 0], (seen[0] * [[1, 10], [100, 1000]]).sum(axis=(1, 2)))


def test_columns_are_cut_from_past_two_to_the_31(cupy: CupyBackend, image: Any) -> None:
    assert_array_equal(cupy.to_numpy(cupy.im2col(image, CORNERS)), [[[2, 3, 5, 7]]])


def test_columns_past_two_to_the_31_are_added(cupy: CupyBackend) -> None:
    """One pixel under 65,536 windows, each with another of its 65,536 elements: columns of 2**32 entries."""
    size = 65_536
    window = Window((size, 1), (1, 1), ((size - 1, size - 1), (0, 0)))
    columns, host = sparse(cupy, (1, size, size))
    # Window p has the pixel as its element size - 1 - p.
    host[0, size - 1, 0], host[0, 0, size - 1], host[0, 40_000, size - 1 - 40_000] = 3, 4, 5
    host[0, size - 1, 1] = 100  # over the padding
    assert_array_equal(cupy.to_numpy(cupy.col2im(columns, (1, 1, 1, 1), window)), [[[[12]]]])
