"""Conv2d, ConvTranspose2d and Linear against PyTorch."""

import itertools

import oracles
import pytest

import gpunet as gn

torch = oracles.require("torch")
from torch_layers import assert_same, normal  # noqa: E402 - imports torch

CONVOLUTIONS = [
    {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "bias": bias}
    for (stride, padding), dilation, (groups, bias) in itertools.product(
        [(1, 0), (2, 1), ((3, 1), (0, 2)), (1, "same"), (1, "valid")],
        [1, 2, (1, 3)],
        [(1, True), (2, False), (4, True)],
    )
]


# PyTorch says that "same" with an even kernel costs it a copy.
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("settings", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("kernel_size", [1, 3, (2, 3)], ids=str)
def test_conv2d(kernel_size: object, settings: dict) -> None:
    assert_same(
        gn.Conv2d(4, 8, kernel_size, **settings),
        torch.nn.Conv2d(4, 8, kernel_size, **settings),
        normal((2, 4, 9, 8)),
    )


TRANSPOSED = [
    {
        "stride": stride,
        "padding": padding,
        "output_padding": extra,
        "groups": groups,
        "bias": bias,
        "dilation": dilation,
    }
    for (stride, padding, extra), dilation, (groups, bias) in itertools.product(
        [(1, 0, 0), (2, 1, 1), ((3, 2), (0, 1), (2, 0)), (2, 2, 0), (3, 1, (1, 2))],
        [1, 2, (3, 1)],
        [(1, True), (2, False), (4, True)],
    )
] + [{"stride": 1, "output_padding": 1, "dilation": 2}, {"stride": (1, 2), "output_padding": (2, 2), "dilation": 3}]


@pytest.mark.parametrize("settings", TRANSPOSED, ids=str)
@pytest.mark.parametrize("kernel_size", [2, (3, 4)], ids=str)
def test_conv_transpose2d(kernel_size: object, settings: dict) -> None:
    assert_same(
        gn.ConvTranspose2d(4, 8, kernel_size, **settings),
        torch.nn.ConvTranspose2d(4, 8, kernel_size, **settings),
        normal((2, 4, 5, 6)),
    )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(4, 7), (1, 7), (2, 3, 7), (2, 3, 5, 7), (0, 7)], ids=str)
def test_linear(shape: tuple[int, ...], bias: bool) -> None:
    assert_same(gn.Linear(7, 5, bias=bias), torch.nn.Linear(7, 5, bias=bias), normal(shape))
