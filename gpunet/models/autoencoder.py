"""A denoising autoencoder."""

from __future__ import annotations

from gpunet import random
from gpunet.geometry import as_int, as_pair
from gpunet.layers import Conv2d, ConvTranspose2d, Dropout, Module, ReLU, Sequential


def denoising_autoencoder(
    in_channels: int = 1,
    image_size: int | tuple[int, int] = (28, 28),
    width: int = 16,
    code_channels: int = 8,
    corruption: float = 0.3,
    seed: int | None = None,
) -> Sequential:
    """Images in, the same images out, through a code a quarter as high and wide: it learns what images are made of.

    In training, a share of the pixels is put to 0, and the net has to restore them: give it the images both as input
    and as target of `MSELoss`. For noise of another kind set ``corruption=0`` and add it to the inputs alone. The
    encoder is two convolutions of stride 2, the decoder their transposes; the output is not limited, as images that
    were normalised are not.

    Args:
        in_channels: 1 for grey images, 3 for colours.
        image_size: rows and columns of the images; the net is made for them, as several sizes have one half.
        width: filters of the first convolution; the second has twice as many.
        code_channels: channels of the code, by a 1x1 convolution.
        corruption: probability with which each input number is put to 0 in training; the others grow by
            1 / (1 - corruption), as in `Dropout`, so that the mean of the image stays.
        seed: of the initial weights; None continues the stream of `gpunet.random.seed`.

    Returns:
        a net from (N, in_channels, *image_size) to the same; ``net.encoder(x)`` is the code
        (N, code_channels, rows / 4, columns / 4), rounded up.

    Raises:
        ShapeError, DataError: an argument is no positive integer, or no probability.

    Source: Vincent, Larochelle, Bengio and Manzagol 2008, "Extracting and composing robust features with denoising
    autoencoders".
    """
    full = as_pair(image_size, "image_size", 1)
    half = tuple(-(-size // 2) for size in full)
    channels, filters = as_int(in_channels, "in_channels", 1), as_int(width, "width", 1)
    with random.seeded(seed):
        encoder = Sequential(
            Conv2d(channels, filters, 3, stride=2, padding=1),
            ReLU(),
            Conv2d(filters, 2 * filters, 3, stride=2, padding=1),
            ReLU(),
            Conv2d(2 * filters, as_int(code_channels, "code_channels", 1), 1),
        )
        decoder = Sequential(
            Conv2d(code_channels, 2 * filters, 1),
            ReLU(),
            _doubled(2 * filters, filters, half),
            ReLU(),
            _doubled(filters, channels, full),
        )
    layers: dict[str, Module] = {"corrupt": Dropout(corruption), "encoder": encoder, "decoder": decoder}
    return Sequential(layers)


def _doubled(in_channels: int, out_channels: int, size: tuple[int, ...]) -> ConvTranspose2d:
    """The transpose of a convolution with stride 2, for the one of its two possible sizes that is ``size``."""
    rest = tuple(1 - length % 2 for length in size)
    return ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=rest)
