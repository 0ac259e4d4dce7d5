"""A net of most kinds of layers against PyTorch: state-dict order, values, gradients, buffers."""

import oracles
import pytest

import gpunet as gn

torch = oracles.require("torch")
from torch_layers import assert_same, normal  # noqa: E402 - imports torch


class Block(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(4, 4, 3, padding=1, bias=False), torch.nn.BatchNorm2d(4), torch.nn.ReLU()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) + x


class Wide(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Conv2d(4, 3, 1)
        self.three = torch.nn.Conv2d(4, 5, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.one(x), self.three(x)], dim=1)


@pytest.mark.parametrize("training", [True, False])
def test_a_net_of_blocks(training: bool) -> None:
    ours = gn.Sequential(
        gn.Conv2d(2, 4, 3, stride=2),
        gn.Add(
            {
                "body": gn.Sequential(gn.Conv2d(4, 4, 3, padding=1, bias=False), gn.BatchNorm2d(4), gn.ReLU()),
                "skip": gn.Identity(),
            }
        ),
        gn.Concat({"one": gn.Conv2d(4, 3, 1), "three": gn.Conv2d(4, 5, 3, padding=1)}),
        gn.PReLU(8),
        gn.AdaptiveAvgPool2d(2),
        gn.Flatten(),
        gn.LayerNorm(32),
        gn.Linear(32, 5),
        gn.LogSoftmax(),
    )
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, stride=2),
        Block(),
        Wide(),
        torch.nn.PReLU(8),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.LayerNorm(32),
        torch.nn.Linear(32, 5),
        torch.nn.LogSoftmax(dim=1),
    )
    assert_same(ours, theirs, normal((3, 2, 9, 11)), training=training, passes=2)
