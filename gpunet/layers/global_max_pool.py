"""The largest element of each channel."""

from __future__ import annotations

from gpunet.errors import ShapeError
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array


class GlobalMaxPool2d(Module):
    """The largest element of each channel; the gradient goes to that one element.

    Ties go to the first element in row-major order. A NaN beats every number, and the last of several NaN wins.

    Shapes:
        (N, C, H, W) to (N, C, 1, 1).
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) to (C, 1, 1)."""
        if len(input_shape) != 3 or min(input_shape) < 1:
            raise ShapeError(f"got images of shape {tuple(input_shape)}, wanted (channels, height, width), none of 0.")
        return (input_shape[0], 1, 1)

    def compute(self, context: Context, x: Array) -> Array:
        """y = the largest element of each plane; what is kept is only where it stood."""
        xp = self.backend.xp
        images, channels, height, width = x.shape
        planes = x.reshape(images, channels, height * width)
        # argmax takes the first of equals, which is right for numbers; the last NaN is the first one seen from the end.
        is_nan = xp.isnan(planes)
        last_nan = height * width - 1 - is_nan[:, :, ::-1].argmax(axis=2)
        chosen = xp.where(is_nan.any(axis=2), last_nan, planes.argmax(axis=2))
        context.save(chosen, x.shape)
        return self._at(planes, chosen).reshape(images, channels, 1, 1)

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """Each gradient goes to the element that was chosen."""
        chosen, x_shape = context.saved
        images, channels, height, width = x_shape
        grad_planes = self.backend.xp.zeros((images, channels, height * width), grad_y.dtype)
        grad_planes[self._index(images, channels, chosen)] = grad_y[:, :, 0, 0]
        return grad_planes.reshape(x_shape)

    def _at(self, planes: Array, chosen: Array) -> Array:
        return planes[self._index(planes.shape[0], planes.shape[1], chosen)]

    def _index(self, images: int, channels: int, chosen: Array) -> tuple[Array, Array, Array]:
        xp = self.backend.xp
        return xp.arange(images)[:, None], xp.arange(channels)[None, :], chosen

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """A comparison for each element of the image."""
        return super().operations(input_shape, input_shape)
