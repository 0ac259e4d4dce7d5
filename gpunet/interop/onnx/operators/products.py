"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.errors import ShapeError
from gpunet.interop.onnx.node import Node, is_learned
from gpunet.interop.onnx.operand import Operand, Operation, shape_of, summed_to
from gpunet.interop.onnx.registry import operator
from gpunet.layers import Linear, Module
from gpunet.state import Array, Parameter


class MatMul(Operation):
    """a @ b with NumPy's rules for more and fewer than two axes."""

    def apply(self, a: Array, b: Array) -> tuple[Array, Any]:
        """See the class."""
        left, right = shape_of(a), shape_of(b)
        if not left or not right or left[-1] != right[-2 if len(right) > 1 else 0]:
            raise ShapeError(f"shapes {left} and {right} cannot be multiplied as matrices.")
        return self.backend.xp.asarray(a @ b), (a, b)

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> tuple[Array | None, Array | None]:
        """grad_y @ b.T and a.T @ grad_y, with vectors as matrices of one row or column."""
        a, b = kept
        left = a[None] if a.ndim == 1 else a
        right = b[:, None] if b.ndim == 1 else b
        grad = grad_y
        if b.ndim == 1:
            grad = grad[..., None]
        if a.ndim == 1:
            grad = grad[..., None, :]
        xp = self.backend.xp
        of_a = of_b = None
        if wanted[0]:
            of_a = summed_to(grad @ xp.swapaxes(right, -1, -2), left.shape).reshape(a.shape)
        if wanted[1] and right.ndim == 2:
            # As one product: a batch of products would be summed after all of them were made.
            rows = left.reshape(-1, left.shape[-1])
            of_b = (rows.T @ grad.reshape(rows.shape[0], right.shape[-1])).reshape(b.shape)
        elif wanted[1]:
            of_b = summed_to(xp.swapaxes(left, -1, -2) @ grad, right.shape).reshape(b.shape)
        return of_a, of_b


class Gemm(Operation):
    """alpha * a @ b + beta * c, a and b as they are or transposed."""

    def __init__(self, operands: Sequence[Operand], alpha: float, beta: float, trans_a: bool, trans_b: bool) -> None:
        super().__init__(operands)
        self.alpha, self.beta = alpha, beta
        self.trans_a, self.trans_b = trans_a, trans_b

    def apply(self, a: Array, b: Array, c: Array | None = None) -> tuple[Array, Any]:
        """See the class."""
        left, right = a.T if self.trans_a else a, b.T if self.trans_b else b
        if a.ndim != 2 or b.ndim != 2 or left.shape[1] != right.shape[0]:
            raise ShapeError(f"shapes {left.shape} and {right.shape} cannot be multiplied as matrices.")
        y = left @ right
        if self.alpha != 1:
            y = y * y.dtype.type(self.alpha)
        if c is not None:
            y = y + (c if self.beta == 1 else c * y.dtype.type(self.beta))
        return y, (a, b, None if c is None else shape_of(c))

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """Through the products, transposed back where the operand was."""
        a, b, c_shape = kept
        scaled = grad_y if self.alpha == 1 else grad_y * grad_y.dtype.type(self.alpha)
        left, right = a.T if self.trans_a else a, b.T if self.trans_b else b
        of_a = of_b = of_c = None
        if wanted[0]:
            of_a = scaled @ right.T
            of_a = of_a.T if self.trans_a else of_a
        if wanted[1]:
            of_b = left.T @ scaled
            of_b = of_b.T if self.trans_b else of_b
        if c_shape is not None and wanted[2]:
            of_c = summed_to(grad_y if self.beta == 1 else grad_y * grad_y.dtype.type(self.beta), c_shape)
        return [of_a, of_b, of_c]


@operator("MatMul", 13)
def matmul(node: Node) -> Module:
    """See `MatMul`."""
    return MatMul(node.operands())


@operator("Gemm", 13)
def gemm(node: Node) -> Module:
    """A linear layer where weight and bias are initializers, else `Gemm`."""
    alpha, beta = float(node.attribute("alpha", 1.0)), float(node.attribute("beta", 1.0))
    trans_a, trans_b = bool(node.attribute("transA", 0)), bool(node.attribute("transB", 0))
    first, weight, bias = node.given(0), node.given(1), node.given(2)
    if (
        first is not None
        and first.kind == "array"
        and weight is not None
        and weight.content is not None
        and weight.content.ndim == 2
        and weight.content.dtype.kind == "f"
        and (bias is None or (bias.content is not None and is_learned(bias)))
        and (alpha, beta, trans_a) == (1, 1, False)
    ):
        matrix = weight.content if trans_b else weight.content.T
        shift = None if bias is None else bias.content
        if shift is None or shift.reshape(-1).shape == (len(matrix),):
            return _linear(node, matrix, shift, transposed=not trans_b)
    return Gemm(node.operands(), alpha, beta, trans_a, trans_b)


def _linear(node: Node, matrix: np.ndarray, bias: np.ndarray | None, transposed: bool) -> Linear:
    layer = Linear(1, 1, bias is not None)
    layer.out_features, layer.in_features = matrix.shape
    layer.weight = Parameter(np.ascontiguousarray(matrix))
    node.bind(1, "weight", transposed)
    if bias is not None:
        layer.bias = Parameter(np.array(bias).reshape(-1))
        node.bind(2, "bias")
    return layer
