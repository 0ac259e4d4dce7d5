"""The rectifier with a learned slope."""

from __future__ import annotations

from gpunet.errors import ShapeError
from gpunet.geometry import as_int
from gpunet.initializers import ones
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array, Parameter


class PReLU(Module):
    """y = x where x > 0, else weight * x.

    The gradient at 0 is ``weight``, as in PyTorch.

    Args:
        num_parameters: 1, or the number of channels for a slope each.
        init: first value of the slopes.

    Attributes:
        weight: (num_parameters,).

    Shapes:
        (N, C, ...) to the same; with one slope any shape.

    Source: He et al. 2015, arXiv:1502.01852.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.num_parameters = as_int(num_parameters, "PReLU: num_parameters", 1)
        self.weight = Parameter(ones((self.num_parameters,)) * float(init))

    def output_shape(self, input_shape: Shape) -> Shape:
        """The same; the channels must be as many as the slopes if there are several."""
        if self.num_parameters > 1 and (not input_shape or input_shape[0] != self.num_parameters):
            raise ShapeError(
                f"got an input of shape {tuple(input_shape)} without the batch, wanted {self.num_parameters} channels "
                f"first. Use num_parameters=1 for one slope, or as many as there are channels."
            )
        return tuple(input_shape)

    def compute(self, context: Context, x: Array) -> Array:
        """y = x where x > 0, else weight * x."""
        context.save(x)
        return self.backend.xp.where(x > 0, x, x * self._slopes(x.ndim))

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """A slope gathers grad_y * x from all negative x of its channel."""
        (x,) = context.saved
        xp = self.backend.xp
        positive = x > 0
        if self.weight.trainable:
            per_element = xp.where(positive, grad_y.dtype.type(0), grad_y * x)
            others = tuple(axis for axis in range(x.ndim) if axis != 1 or self.num_parameters == 1)
            self.weight.add_grad(per_element.sum(axis=others).reshape(self.weight.shape))
        return xp.where(positive, grad_y, grad_y * self._slopes(x.ndim))

    def _slopes(self, ndim: int) -> Array:
        """The slopes, broadcastable over (N, C, ...)."""
        if self.num_parameters == 1:
            return self.weight.value
        return self.weight.value.reshape(self.num_parameters, *(1,) * (ndim - 2))

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """A comparison and a multiplication an element."""
        return 2 * super().operations(input_shape, output_shape)

    def describe(self) -> str:
        """How many slopes."""
        return f"num_parameters={self.num_parameters}"
