"""U-Net: an image made small step by step and large again, each size joined with what it was on the way down."""

from __future__ import annotations

from gpunet import random
from gpunet.errors import ShapeError
from gpunet.geometry import as_int
from gpunet.layers import BatchNorm2d, Conv2d, ConvTranspose2d, MaxPool2d, Module, ReLU, Sequential, Upsample
from gpunet.layers.concatenation import concatenate, split
from gpunet.layers.module import Context, Shape
from gpunet.state import Array

_LEVELS = 4  # halvings of the image


def unet(
    num_classes: int = 2, in_channels: int = 3, width: int = 64, bilinear: bool = False, seed: int | None = None
) -> UNet:
    """U-Net, which makes an image of an image: to give each pixel a class, or to predict numbers for it.

    Four halvings, with convolutions that keep the size and are followed by batch norms, as is usual today; the paper's
    crop the image and have none. The keys of its state dict are those of the common PyTorch implementation,
    github.com/milesial/Pytorch-UNet. `CrossEntropyLoss` takes its output with labels (N, H, W).

    Args:
        num_classes: numbers for each pixel of the output.
        in_channels: 1 for grey images, 3 for colours.
        width: channels at the full size; each halving doubles them.
        bilinear: enlarge by interpolation, which has no weights, rather than by a transposed convolution; the smallest
            image then has half as many channels.
        seed: of the initial weights; None continues the stream of `gpunet.random.seed`.

    Returns:
        a net from (N, in_channels, H, W) to logits (N, num_classes, H, W), for any image from 16 x 16.

    Raises:
        ShapeError: an argument is no positive integer.

    Source: Ronneberger, Fischer and Brox 2015, arXiv:1505.04597, figure 1.
    """
    with random.seeded(seed):
        return UNet(num_classes, in_channels, width, bilinear)


class UNet(Module):
    """See `unet`: inc, then down1, down2, ..., then up1, up2, ..., then outc."""

    def __init__(self, num_classes: int, in_channels: int, width: int, bilinear: bool) -> None:
        widths = [as_int(width, "width", 1) * 2**level for level in range(_LEVELS + 1)]
        share = 2 if bilinear else 1  # interpolation halves no channels: the convolutions before it do
        widths[-1] //= share
        self.inc = _double_convolution(as_int(in_channels, "in_channels", 1), widths[0])
        for level in range(1, _LEVELS + 1):
            convolutions = _double_convolution(widths[level - 1], widths[level])
            setattr(self, f"down{level}", Sequential({"maxpool_conv": Sequential(MaxPool2d(2), convolutions)}))
        below = widths[-1]
        for number, level in enumerate(reversed(range(_LEVELS)), 1):
            above = widths[level] // share if level else widths[level]
            setattr(self, f"up{number}", Up(below, widths[level], above, bilinear))
            below = above
        self.outc = Sequential({"conv": Conv2d(below, as_int(num_classes, "num_classes", 1), 1)})

    def _steps(self, kind: str) -> list[Module]:
        return [getattr(self, f"{kind}{number}") for number in range(1, _LEVELS + 1)]

    def output_shape(self, input_shape: Shape) -> Shape:
        """(in_channels, H, W) to (num_classes, H, W)."""
        self._name_modules()
        sizes = [_shape_after(self.inc, input_shape)]
        for down in self._steps("down"):
            sizes.append(_shape_after(down, sizes[-1]))
        shape = sizes.pop()
        for up in self._steps("up"):
            shape = _shape_after(up, shape, sizes.pop())
        return _shape_after(self.outc, shape)

    def compute(self, context: Context, x: Array) -> Array:
        """Down, and up again, each size joined with its own."""
        sizes = [context.run(self.inc, x)]
        for down in self._steps("down"):
            sizes.append(context.run(down, sizes[-1]))
        y = sizes.pop()
        for up in self._steps("up"):
            y = context.run(up, y, sizes.pop())
        return context.run(self.outc, y)

    def differentiate(self, context: Context, grad_y: Array) -> Array | None:
        """A size on the way down fed the next one and its counterpart on the way up: what both send back adds."""
        grad = self.outc.backward(grad_y)
        skipped = []
        for up in reversed(self._steps("up")):
            grad, grad_beside = up.backward(grad)
            skipped.append(grad_beside)
        for down in reversed(self._steps("down")):
            grad = down.backward(grad) + skipped.pop()
        grad_x: Array | None = self.inc.backward(grad, inputs=context.input_grads)
        return grad_x


class Up(Module):
    """A smaller image made twice as large and joined with one from the way down, which may have a row more.

    Args:
        below: channels of the smaller image.
        beside: channels of the other one.
        out_channels: after the convolutions.
        bilinear: see `unet`.

    Shapes:
        (N, below, h, w) and (N, beside, H, W) to (N, out_channels, H, W), H being 2 * h or 2 * h + 1, and W alike.
        Where the enlarged image is too small, zeros are added below and on the right.
    """

    def __init__(self, below: int, beside: int, out_channels: int, bilinear: bool) -> None:
        if bilinear:
            self.up: Module = Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            joined = below + beside
            self.conv = _double_convolution(joined, out_channels, joined // 2)
        else:
            self.up = ConvTranspose2d(below, below // 2, 2, stride=2)
            self.conv = _double_convolution(below // 2 + beside, out_channels)

    def output_shape(self, below: Shape, beside: Shape) -> Shape:
        """Shapes of the smaller and the larger image to that of the output."""
        self._name_modules()
        channels, *enlarged = _shape_after(self.up, below)
        _require_fit(tuple(below), tuple(enlarged), tuple(beside))
        return _shape_after(self.conv, (channels + beside[0], *beside[1:]))

    def compute(self, context: Context, below: Array, beside: Array) -> Array:
        """The convolutions of (beside, enlarged below)."""
        enlarged = context.run(self.up, below)
        size = enlarged.shape[2:]
        _require_fit(below.shape[1:], size, beside.shape[1:])
        if size != beside.shape[2:]:
            padded = self.backend.xp.zeros((*enlarged.shape[:2], *beside.shape[2:]), enlarged.dtype)
            padded[:, :, : size[0], : size[1]] = enlarged
            enlarged = padded
        context.save(beside.shape[1], enlarged.shape[1], size)
        return context.run(self.conv, concatenate(self.backend, (beside, enlarged)))

    def differentiate(self, context: Context, grad_y: Array) -> tuple[Array, Array]:
        """Each of the two gets the gradient of its own channels, the enlarged one without the added zeros."""
        beside, below, (rows, columns) = context.saved
        grad_beside, grad_enlarged = split(self.conv.backward(grad_y), (beside, below))
        return self.up.backward(grad_enlarged[:, :, :rows, :columns]), grad_beside


def _require_fit(below: Shape, enlarged: Shape, beside: Shape) -> None:
    """That an enlarged image has the size of the one beside it, or a row or a column less."""
    if len(beside) != 3 or not all(0 <= wanted - size <= 1 for wanted, size in zip(beside[1:], enlarged, strict=True)):
        raise ShapeError(
            f"an image of shape {tuple(below)} becomes {enlarged[0]} x {enlarged[1]}, which does not fit beside one of "
            f"shape {tuple(beside)}. Give it one of half the size, rounded down."
        )


def _double_convolution(in_channels: int, out_channels: int, between: int | None = None) -> Sequential:
    between = out_channels if between is None else between
    layers = []
    for before, after in ((in_channels, between), (between, out_channels)):
        layers += [Conv2d(before, after, 3, padding=1, bias=False), BatchNorm2d(after), ReLU()]
    return Sequential({"double_conv": Sequential(*layers)})


def _shape_after(layer: Module, *shapes: Shape) -> Shape:
    with layer.named_errors():
        return tuple(layer.output_shape(*shapes))
