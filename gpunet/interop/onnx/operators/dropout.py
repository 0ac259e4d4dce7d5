"""Dropout, which does something in training alone."""

from __future__ import annotations

import numpy as np

from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.registry import operator
from gpunet.layers import Dropout, Module
from gpunet.layers.module import Context, Shape
from gpunet.state import Array


class DropoutWithMask(Dropout):
    """`Dropout` with a second output: where elements were kept, bool."""

    def output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:  # type: ignore[override]
        """Two equal shapes."""
        return tuple(input_shape), tuple(input_shape)

    def compute(self, context: Context, x: Array) -> tuple[Array, Array]:
        """y and the mask."""
        y = super().compute(context, x)
        mask = context.saved[0] if context.saved else self.backend.xp.ones(x.shape, bool)
        return y, mask

    def differentiate(self, context: Context, *grads: Array) -> Array:
        """The mask has no gradient."""
        return super().differentiate(context, grads[0])


@operator("Dropout", 22)
def dropout(node: Node) -> Module:
    """Zero in training what the node's probability says; the mask is ours, not the one of other programs."""
    ratio = node.setting("ratio", 1)
    probability = 0.5 if ratio is None else float(str(np.float32(ratio.reshape(()))))
    with_mask = len(node.outputs) > 1 and bool(node.outputs[1])
    return DropoutWithMask(probability) if with_mask else Dropout(probability)
