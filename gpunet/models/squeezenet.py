"""SqueezeNet: as good as AlexNet with a fiftieth of its parameters."""

from __future__ import annotations

from gpunet import random
from gpunet.geometry import as_int
from gpunet.layers import AdaptiveAvgPool2d, Dropout, Flatten, MaxPool2d, Module, ReLU, Sequential, chain
from gpunet.layers.concatenation import concatenate, split
from gpunet.layers.module import Context, Shape
from gpunet.models.initial import conv_from_zero_bias, small
from gpunet.state import Array

_POOL = None  # in a plan: a max pooling
# Of each fire module: channels after the squeeze, and after each half of the expansion.
_PLAN_1_0 = ((16, 64), (16, 64), (32, 128), _POOL, (32, 128), (48, 192), (48, 192), (64, 256), _POOL, (64, 256))
_PLAN_1_1 = ((16, 64), (16, 64), _POOL, (32, 128), (32, 128), _POOL, (48, 192), (48, 192), (64, 256), (64, 256))


def squeezenet1_0(
    num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5, seed: int | None = None
) -> Sequential:
    """SqueezeNet 1.0; made for 224 x 224 images, it takes any from 21 x 21.

    The keys of its state dict and its initial weights are those of torchvision.

    Args:
        num_classes: length of the output.
        in_channels: 1 for grey images, 3 for colours.
        dropout: probability of the dropout before the last convolution.
        seed: of the initial weights; None continues the stream of `gpunet.random.seed`.

    Returns:
        a net from (N, in_channels, H, W) to logits (N, num_classes), none below 0: the last convolution is rectified.

    Raises:
        ShapeError, DataError: an argument is no positive integer, or no probability.

    Source: Iandola et al. 2016, arXiv:1602.07360, table 1.
    """
    return _squeezenet(96, 7, _PLAN_1_0, num_classes, in_channels, dropout, seed)


def squeezenet1_1(
    num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5, seed: int | None = None
) -> Sequential:
    """SqueezeNet 1.1, with 2.4 times fewer operations; for images from 17 x 17. All else as in `squeezenet1_0`.

    Source: Iandola et al., SqueezeNet_v1.1 in the repository of the paper, github.com/forresti/SqueezeNet.
    """
    return _squeezenet(64, 3, _PLAN_1_1, num_classes, in_channels, dropout, seed)


class Fire(Module):
    """A 1x1 convolution to few channels, then 1x1 and 3x3 ones side by side, whose channels are joined.

    Args:
        in_channels: before the module.
        squeezed: channels after the first convolution.
        expanded: channels of each of the two others; twice as many leave the module.

    Shapes:
        (N, in_channels, H, W) to (N, 2 * expanded, H, W).
    """

    def __init__(self, in_channels: int, squeezed: int, expanded: int) -> None:
        self.squeeze = conv_from_zero_bias(in_channels, squeezed, 1, initializer="he_uniform")
        self.squeeze_activation = ReLU()
        self.expand1x1 = conv_from_zero_bias(squeezed, expanded, 1, initializer="he_uniform")
        self.expand1x1_activation = ReLU()
        self.expand3x3 = conv_from_zero_bias(squeezed, expanded, 3, padding=1, initializer="he_uniform")
        self.expand3x3_activation = ReLU()
        self.expanded = expanded

    def output_shape(self, input_shape: Shape) -> Shape:
        """(in_channels, H, W) to (2 * expanded, H, W)."""
        self._name_modules()
        with self.squeeze.named_errors():
            _, *size = self.squeeze.output_shape(input_shape)
        return (2 * self.expanded, *size)

    def compute(self, context: Context, x: Array) -> Array:
        """What is squeezed goes through both convolutions."""
        squeezed, first = chain.forward(context, (self.squeeze, self.squeeze_activation), x)
        small_part, small_steps = chain.forward(context, (self.expand1x1, self.expand1x1_activation), squeezed)
        large_part, large_steps = chain.forward(context, (self.expand3x3, self.expand3x3_activation), squeezed)
        context.save(first, small_steps, large_steps)
        return concatenate(self.backend, (small_part, large_part))

    def differentiate(self, context: Context, grad_y: Array) -> Array | None:
        """Each half gets its own channels' gradient; what both send back to the squeezed image adds."""
        first, small_steps, large_steps = context.saved
        small_grad, large_grad = split(grad_y, (self.expanded, self.expanded))
        grad = chain.backward(small_steps, small_grad) + chain.backward(large_steps, large_grad)
        return chain.backward(first, grad, context.input_grads)


def _squeezenet(
    filters: int,
    kernel_size: int,
    plan: tuple[tuple[int, int] | None, ...],
    num_classes: int,
    in_channels: int,
    dropout: float,
    seed: int | None,
) -> Sequential:
    with random.seeded(seed):
        channels = as_int(in_channels, "in_channels", 1)
        layers: list[Module] = [
            conv_from_zero_bias(channels, filters, kernel_size, stride=2, initializer="he_uniform"),
            ReLU(),
            MaxPool2d(3, stride=2, ceil_mode=True),
        ]
        channels = filters
        for sizes in plan:
            if sizes is None:
                layers.append(MaxPool2d(3, stride=2, ceil_mode=True))
            else:
                layers.append(Fire(channels, *sizes))
                channels = 2 * sizes[1]
        classifier = Sequential(
            Dropout(dropout),
            conv_from_zero_bias(channels, as_int(num_classes, "num_classes", 1), 1, initializer=small),
            ReLU(),
            AdaptiveAvgPool2d((1, 1)),
        )
    return Sequential({"features": Sequential(*layers), "classifier": classifier, "flatten": Flatten()})
