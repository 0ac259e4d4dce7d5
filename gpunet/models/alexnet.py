"""AlexNet."""

from __future__ import annotations

from gpunet import random
from gpunet.geometry import as_int
from gpunet.layers import AdaptiveAvgPool2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU, Sequential


def alexnet(
    num_classes: int = 1000,
    in_channels: int = 3,
    dropout: float = 0.5,
    hidden_features: int = 4096,
    seed: int | None = None,
) -> Sequential:
    """AlexNet in its form of 2014, without the two halves and the local response normalisation of 2012.

    Made for 224 x 224 images, it takes any from 63 x 63. The keys of its state dict and its initial weights are those
    of torchvision.

    Args:
        num_classes: length of the output.
        in_channels: 1 for grey images, 3 for colours.
        dropout: probability of the two dropouts of the classifier.
        hidden_features: units of its two hidden layers; 4096 makes them hold most of the net's parameters.
        seed: of the initial weights; None continues the stream of `gpunet.random.seed`.

    Returns:
        a net from (N, in_channels, H, W) to logits (N, num_classes).

    Raises:
        ShapeError, DataError: an argument is no positive integer, or no probability.

    Source: Krizhevsky 2014, arXiv:1404.5997; Krizhevsky, Sutskever and Hinton 2012.
    """
    with random.seeded(seed):
        features = Sequential(
            Conv2d(as_int(in_channels, "in_channels", 1), 64, 11, stride=4, padding=2),
            ReLU(),
            MaxPool2d(3, stride=2),
            Conv2d(64, 192, 5, padding=2),
            ReLU(),
            MaxPool2d(3, stride=2),
            Conv2d(192, 384, 3, padding=1),
            ReLU(),
            Conv2d(384, 256, 3, padding=1),
            ReLU(),
            Conv2d(256, 256, 3, padding=1),
            ReLU(),
            MaxPool2d(3, stride=2),
        )
        classifier = Sequential(
            Dropout(dropout),
            Linear(256 * 6 * 6, hidden_features),
            ReLU(),
            Dropout(dropout),
            Linear(hidden_features, hidden_features),
            ReLU(),
            Linear(hidden_features, num_classes),
        )
    return Sequential(
        {"features": features, "avgpool": AdaptiveAvgPool2d((6, 6)), "flatten": Flatten(), "classifier": classifier}
    )
