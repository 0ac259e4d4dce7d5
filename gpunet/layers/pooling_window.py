"""What max pooling and average pooling have in common."""

from __future__ import annotations

from typing import Any

from gpunet.errors import ShapeError
from gpunet.geometry import Window
from gpunet.layers.module import Module, Shape


class WindowPooling(Module):
    """Base of the layers that reduce each window of each channel to one number.

    Attributes:
        window: the sliding window.
    """

    def __init__(self, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> None:
        self.window = Window.create(
            kernel_size, kernel_size if stride is None else stride, padding, dilation, ceil_mode
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) to (C, H', W')."""
        if len(input_shape) != 3 or input_shape[0] < 1:
            raise ShapeError(f"got images of shape {tuple(input_shape)}, wanted (channels, height, width).")
        return (input_shape[0], *self.window.pooling_size(*input_shape[1:]))

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """A comparison or an addition for each element of each window."""
        return super().operations(input_shape, output_shape) * self.window.area

    def describe(self) -> str:
        """The window's settings that differ from the defaults, after its kernel."""
        return ", ".join(self.window.settings(default_stride=self.window.kernel))
