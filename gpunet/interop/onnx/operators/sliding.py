"""Kernel, stride, padding and dilation of a node as a window of ours, for images of one or two spatial axes."""

from __future__ import annotations

from dataclasses import dataclass

from gpunet.errors import ShapeError
from gpunet.geometry import Pair, Window
from gpunet.interop.onnx.node import Node
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array


@dataclass(frozen=True)
class Sliding:
    """A window whose padding may depend on the size of the image.

    Attributes:
        window: all of it, but for the padding if ``same`` is set.
        same: "" for the window's own padding, or SAME_UPPER or SAME_LOWER: as much as makes ceil(size / stride)
            outputs, the odd element at the end or at the start.
        one_axis: whether the node slides along one axis; the window then has a single row.
    """

    window: Window
    same: str
    one_axis: bool

    @classmethod
    def of(cls, node: Node, kernel: tuple[int, ...]) -> Sliding:
        """The window of a node with the attributes of convolutions and pooling.

        Args:
            kernel: of its spatial axes; three are refused.
        """
        axes = len(kernel)
        if axes not in (1, 2):
            node.refuse(f"it slides along {axes} spatial axes; one and two are supported.")
        if min(kernel) < 1:
            node.refuse(f"kernel_shape={list(kernel)} has a size below 1.")
        how = node.choice("auto_pad", "NOTSET", ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"))
        pads = node.integers("pads", 2 * axes, 0, minimum=0) if how == "NOTSET" else [0] * 2 * axes
        strides = node.integers("strides", axes, 1, minimum=1)
        dilations = node.integers("dilations", axes, 1, minimum=1)
        starts, ends = pads[:axes], pads[axes:]
        if axes == 1:
            kernel, strides, dilations = (1, *kernel), [1, *strides], [1, *dilations]
            starts, ends = [0, *starts], [0, *ends]
        ceil_mode = bool(node.attribute("ceil_mode", 0)) and how in {"NOTSET", "VALID"}
        window = Window(
            (kernel[0], kernel[1]),
            (strides[0], strides[1]),
            ((starts[0], ends[0]), (starts[1], ends[1])),
            (dilations[0], dilations[1]),
            ceil_mode,
        )
        same = how if how.startswith("SAME") else ""
        if same and window.stride == (1, 1):  # then the size of the image does not matter
            window, same = _padded(window, (max(window.span), max(window.span)), same), ""
        return cls(window, same, axes == 1)

    def on(self, height: int, width: int) -> Window:
        """The window for images of this size."""
        return _padded(self.window, (height, width), self.same) if self.same else self.window

    @property
    def fixed(self) -> bool:
        """Whether it is the same for all images."""
        return not self.same


def _padded(window: Window, size: Pair, same: str) -> Window:
    sides = []
    for axis in (0, 1):
        stride, span = window.stride[axis], window.span[axis]
        total = max(0, (-(-size[axis] // stride) - 1) * stride + span - size[axis])
        small, large = total // 2, total - total // 2
        sides.append((small, large) if same == "SAME_UPPER" else (large, small))
    return Window(window.kernel, window.stride, (sides[0], sides[1]), window.dilation, window.ceil_mode)


def pooled_size(window: Window, height: int, width: int) -> Pair:
    """Rows and columns after pooling; ONNX allows more padding than our layers, but no window of padding alone.

    Raises:
        ShapeError: no window fits, or one would see nothing but padding.
    """
    size = window.output_size(height, width)
    rows, cols = window.real_elements(height, width)
    if not (rows.any(axis=1).all() and cols.any(axis=1).all()):
        raise ShapeError(
            f"a {window.kernel[0]}x{window.kernel[1]} window with padding {window.padding} sees nothing but padding "
            f"somewhere on a {height}x{width} image. Use less padding."
        )
    return size


class OneAxis(Module):
    """A layer for images over signals (N, C, L), each taken as an image of one row.

    Attributes:
        layer: for images; its window has one row.
    """

    def __init__(self, layer: Module) -> None:
        self.layer = layer

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, L) to (C', L')."""
        if len(input_shape) != 2:
            raise ShapeError(f"got an input of shape {tuple(input_shape)} without the batch, wanted (channels, size).")
        shape: Shape = self.layer.output_shape((input_shape[0], 1, input_shape[1]))
        return (shape[0], shape[2])

    def compute(self, context: Context, x: Array) -> Array:
        """The layer's output, with its one row taken out."""
        return context.run(self.layer, x[:, :, None])[:, :, 0]

    def differentiate(self, context: Context, grad_y: Array) -> Array | None:
        """The same, back."""
        grad = self.layer.backward(self.backend.xp.ascontiguousarray(grad_y[:, :, None]), inputs=context.input_grads)
        return grad[:, :, 0] if context.input_grads else None
