"""Pooling and resizing."""

from __future__ import annotations

import numpy as np

from gpunet.interop.onnx.exporter import Exporter, writes
from gpunet.interop.onnx.writers.products import window_attributes
from gpunet.layers import AdaptiveAvgPool2d, AvgPool2d, GlobalMaxPool2d, MaxPool2d, Upsample
from gpunet.layers.adaptive_avg_pool import bounds

Names = tuple[str, ...]


@writes(MaxPool2d)
def max_pool(exporter: Exporter, module: MaxPool2d, path: str, inputs: Names) -> Names:
    """MaxPool."""
    settings = window_attributes(module.window)
    pads = _with_margins(settings["pads"], _beyond(exporter, module))
    if all(count < size for count, size in zip(pads, module.window.kernel * 2, strict=True)):
        return (exporter.node("MaxPool", path, inputs, **{**settings, "pads": pads}),)
    # Runtimes refuse padding as large as the kernel, which a dilated window may need.
    lowest = exporter.number(path, -np.inf)
    margins = exporter.constant(path, [0, 0, *pads[:2], 0, 0, *pads[2:]])
    padded = exporter.node("Pad", path, (*inputs, margins, lowest))
    return (exporter.node("MaxPool", path, (padded,), **{**settings, "pads": [0, 0, 0, 0]}),)


@writes(AvgPool2d)
def avg_pool(exporter: Exporter, module: AvgPool2d, path: str, inputs: Names) -> Names:
    """AveragePool; where a window reaches beyond padding that counts, that padding is written as such."""
    settings, beyond = window_attributes(module.window), _beyond(exporter, module)
    counts = module.count_include_pad
    if counts and any(beyond):
        top, left, bottom, right = settings["pads"]
        margins = exporter.constant(path, [0, 0, top, left, 0, 0, bottom, right])
        inputs = (exporter.node("Pad", path, (*inputs, margins)),)
        settings["pads"], counts = [0, 0, 0, 0], False
    settings["pads"] = _with_margins(settings["pads"], beyond)
    return (exporter.node("AveragePool", path, inputs, count_include_pad=int(counts), **settings),)


def _beyond(exporter: Exporter, module: MaxPool2d | AvgPool2d) -> list[int]:
    """By how many rows and columns the last window reaches beyond the padded image, as ceil_mode lets it.

    Runtimes do not agree on ceil_mode, so what it means here is written as padding that never counts.
    """
    window, found = module.window, []
    sizes = zip(exporter.input_shape(module)[1:], exporter.output_shape(module)[1:], strict=True)
    for axis, (size, count) in enumerate(sizes):
        reach = (count - 1) * window.stride[axis] + window.span[axis]
        found.append(max(0, reach - size - sum(window.padding[axis])))
    return found


def _with_margins(pads: list[int], beyond: list[int]) -> list[int]:
    top, left, bottom, right = pads
    return [top, left, bottom + beyond[0], right + beyond[1]]


@writes(GlobalMaxPool2d)
def global_max_pool(exporter: Exporter, module: GlobalMaxPool2d, path: str, inputs: Names) -> Names:
    """GlobalMaxPool."""
    return (exporter.node("GlobalMaxPool", path, inputs),)


@writes(AdaptiveAvgPool2d)
def adaptive_avg_pool(exporter: Exporter, module: AdaptiveAvgPool2d, path: str, inputs: Names) -> Names:
    """GlobalAveragePool, AveragePool where the windows are all alike, else a product with the shares of the windows."""
    size, out = exporter.input_shape(module)[1:], exporter.output_shape(module)[1:]
    if out == (1, 1):
        return (exporter.node("GlobalAveragePool", path, inputs),)
    if size[0] % out[0] == 0 and size[1] % out[1] == 0:
        kernel = [size[0] // out[0], size[1] // out[1]]
        return (exporter.node("AveragePool", path, inputs, kernel_shape=kernel, strides=kernel),)
    rows, cols = (_shares(length, count) for length, count in zip(size, out, strict=True))
    y = exporter.node("MatMul", path, (exporter.constant(path, rows, exporter.dtype), inputs[0]))
    return (exporter.node("MatMul", path, (y, exporter.constant(path, cols.T, exporter.dtype))),)


def _shares(size: int, windows: int) -> np.ndarray:
    """(windows, size): what each element gives to each mean."""
    shares = np.zeros((windows, size))
    for window, (start, stop) in enumerate(bounds(size, windows)):
        shares[window, start:stop] = 1 / (stop - start)
    return shares


@writes(Upsample)
def upsample(exporter: Exporter, module: Upsample, path: str, inputs: Names) -> Names:
    """Resize."""
    if module.mode == "nearest":
        settings = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        how = "align_corners" if module.align_corners else "pytorch_half_pixel"
        settings = {"mode": "linear", "coordinate_transformation_mode": how}
    if module.scale_factor is not None and not module.align_corners:
        scales = exporter.constant(path, [1, 1, *module.scale_factor], np.float32)
        return (exporter.node("Resize", path, (*inputs, "", scales), **settings),)
    before, after = exporter.input_shape(module)[1:], exporter.output_shape(module)[1:]
    if exporter.opset >= 18:
        sizes = exporter.constant(path, after)
        return (exporter.node("Resize", path, (*inputs, "", "", sizes), axes=[2, 3], **settings),)
    scales = exporter.constant(path, [1, 1, *(new / old for new, old in zip(after, before, strict=True))], np.float32)
    return (exporter.node("Resize", path, (*inputs, "", scales), **settings),)
