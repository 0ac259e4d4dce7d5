"""What the layers that look at one element at a time have in common."""

from __future__ import annotations

from gpunet.layers.module import Module, Shape


class Elementwise(Module):
    """Base of layers whose output has the shape of the input, whatever that is."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """The same."""
        return tuple(input_shape)
