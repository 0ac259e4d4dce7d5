"""A program for `gpunet emulate --blocks ends`: primitives on arrays of more than 2**31 elements, right at both ends.

The arrays are mappings of memory that is only there once touched, and the first and the last block of a launch touch
little of it. Each line of output names a primitive whose first and last elements are right.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.backends import Backend, select
from gpunet.backends.cupy import windows
from gpunet.geometry import Window
from gpunet.random import Stream

MAP_NORESERVE = 0x4000  # Linux's number; not every Python's mmap names it
SIDE = 46_368  # a multiple of 32: threads that take several elements then end together with the array
SIZE = SIDE * SIDE  # just above 2**31
ENDS = np.array([-1.5, 2, 0.5, 3], "float32")  # the last elements of an array, and reversed the first ones

cupy: Any = select("cupy")
xp = cupy.xp


def allocate(size: int) -> Any:
    """Large arrays lie in memory that is made of holes and reads as zeros."""
    if size < 2**30:
        return xp.cuda.MemoryPointer(xp.cuda.Memory(size), 0)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
    address = np.frombuffer(memory, "uint8", 1).ctypes.data
    return xp.cuda.MemoryPointer(xp.cuda.UnownedMemory(address, size, memory), 0)


def large(*shape: int, dtype: str = "float32", ends: Any = ENDS) -> Any:
    array = xp.empty(shape, dtype)
    flat = array.reshape(-1)
    flat[-len(ends) :] = xp.asarray(np.asarray(ends, dtype))
    flat[: len(ends)] = xp.asarray(np.asarray(ends[::-1], dtype))
    return array


def ends_of(array: Any, count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    flat = array.reshape(-1)
    return cupy.to_numpy(flat[:count]), cupy.to_numpy(flat[-count:])


def check(name: str, array: Any, first: Any, last: Any, tolerance: float = 1e-6) -> None:
    assert array.size > 2**31, (name, array.shape)
    for found, wanted in zip(ends_of(array, len(last)), (first, last), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance, err_msg=name)
    print(name)


def elementwise(name: str, function: Callable[[Backend, Any], Any]) -> None:
    """The ends of an elementwise result are those of NumPy on the ends alone."""
    numpy = select("numpy")
    result = function(cupy, large(SIZE))
    check(name, result, function(numpy, ENDS[::-1].copy()), function(numpy, ENDS.copy()))


def main() -> None:
    xp.cuda.set_allocator(allocate)
    elementwise("relu", lambda backend, x: backend.relu(x))
    elementwise("relu_backward", lambda backend, x: backend.relu_backward(x, x))
    elementwise("erf", lambda backend, x: backend.erf(x))
    biased = cupy.bias_relu(large(1, 2, SIZE // 2), xp.asarray(np.array([1, -1], "f")))
    wanted_ends = np.maximum(ENDS[::-1] + 1, 0), np.maximum(ENDS - 1, 0)
    check("bias_relu", biased, *wanted_ends)
    gradient, _ = cupy.bias_relu_backward(large(1, 2, SIZE // 2), biased)
    check("bias_relu_backward", gradient, ENDS[::-1] * (wanted_ends[0] > 0), ENDS * (wanted_ends[1] > 0))

    stream = Stream(5, "dropout")
    y, mask = cupy.dropout(large(SIZE), 0.5, stream)
    kept = [stream.bits(4, start) >= 2**31 for start in (0, SIZE - 4)]
    check("dropout", y, ENDS[::-1] * 2 * kept[0], ENDS * 2 * kept[1])
    check("dropout_backward", cupy.dropout_backward(y, mask, 0.5), ENDS[::-1] * 4 * kept[0], ENDS * 4 * kept[1])

    normalised = cupy.batch_norm_inference(
        large(1, 2, SIZE // 2), xp.asarray(np.array([2, 3], "f")), xp.asarray(np.array([1, 4], "f")),
        xp.asarray(np.array([5, 6], "f")), xp.asarray(np.array([0.5, 0.25], "f")),
    )  # fmt: skip
    check("batch_norm_inference", normalised, (ENDS[::-1] - 5) + 1, (ENDS - 6) * 0.75 + 4)

    value, grad, first, second = (large(SIZE) for _ in range(4))
    cupy.sgd_step(
        [value], [grad], [first], lr=0.5, momentum=0.5, dampening=0, nesterov=False, weight_decay=0, first=False
    )
    check("sgd_step", value, ENDS[::-1] * 0.25, ENDS * 0.25)
    value = large(SIZE)
    cupy.adam_step(
        [value],
        [grad],
        [first],
        [second],
        lr=0.5,
        beta1=0.0,
        beta2=0.0,
        eps=0.0,
        weight_decay=0,
        decoupled=False,
        step=1,
    )
    check("adam_step", value, ENDS[::-1] - 0.5 * np.sign(ENDS[::-1]), ENDS - 0.5 * np.sign(ENDS))

    samples = SIZE // 2
    losses, _ = cupy.softmax_cross_entropy(large(samples, 2), xp.empty(samples, "int64"))
    pairs = [ENDS[::-1].reshape(2, 2), ENDS.reshape(2, 2)]
    wanted = [np.log(np.exp(rows).sum(axis=1)) - rows[:, 0] for rows in pairs]
    for found, reference in zip(ends_of(losses, 2), wanted, strict=True):
        np.testing.assert_allclose(found, reference, rtol=1e-5)
    print("softmax_cross_entropy")

    images_at_the_ends()


def images_at_the_ends() -> None:
    """Windows over one image: at its corners they see few pixels, so that their results are known."""
    x = large(1, 1, SIDE, SIDE, ends=[0, 0, 3])
    window = Window.create(2, 1, ((1, 0), (1, 0)))  # each output sees its pixel and those above and to the left
    y, offsets = cupy.max_pool2d(x, window)
    check("max_pool2d", y, [3], [3])
    gradient = cupy.max_pool2d_backward(x, offsets, x.shape, window)
    check("max_pool2d_backward", gradient, [3], [3])
    mean = cupy.avg_pool2d(x, window, count_include_pad=True)
    check("avg_pool2d", mean, [0.75], [0.75])
    check("avg_pool2d_backward", cupy.avg_pool2d_backward(x, x.shape, window), [0.75], [0.75])

    cupy.options.workspace_bytes = 0
    two = large(1, 2, SIDE, SIDE, ends=[3])
    weight = xp.asarray(np.arange(1, 9, dtype="float32").reshape(1, 2, 2, 2))
    # The last pixel lies under element (1, 1) of each filter; the first output sees the first pixel there, too.
    check("conv2d", cupy.conv2d(two, weight, None, window), [3 * 4], [3 * 8])
    check("conv2d_backward_input", cupy.conv2d_backward_input(x, weight, two.shape, window), [3 * 4], [3 * 8])
    check("depthwise", cupy.conv2d(x, weight[:, :1], None, window), [3 * 4], [3 * 4])
    check("depthwise_backward_input", cupy.conv2d_backward_input(x, weight[:, :1], x.shape, window), [3 * 4], [3 * 4])

    tall = Window.create((2, 1))
    image = large(1, 1, SIDE // 2 + 2, SIDE, ends=[3])
    columns = cupy.im2col(image, tall)
    check("im2col", columns, [3], [3])
    check("col2im", cupy.col2im(large(1, 2, SIZE, ends=[3]), (1, 1, SIDE + 1, SIDE), tall), [3], [3])

    target = large(1, 1, SIDE + 1, SIDE, ends=[1])
    library = cupy.library
    fields = windows.fields(tall, SIDE + 1, SIDE)
    library.launch(
        "im2col", "col2im_atomic", "float32", large(1, 2, SIZE, ends=[3]), target, 1, 1, fields, 2 * SIZE, SIZE,
        threads=SIZE, constants=windows.constants(tall),
    )  # fmt: skip
    check("col2im_atomic", target, [4], [4])


if __name__ == "__main__":
    main()
