"""Nets as PyTorch writes them to ONNX: the same numbers, the same gradients, the same keys."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import oracles
import pytest
from tolerances import LOCKSTEP_GRADIENT_FLOAT32, ONNXRUNTIME_FLOAT32

import gpunet as gn

torch = oracles.require("torch")
oracles.require("onnx")

import torch_models  # noqa: E402 - it needs torch
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402


def written(net: Any, x: Any, training: bool = True) -> bytes:
    """The ONNX file of a PyTorch net with a dynamic batch; not in training batch norms are folded into convolutions."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is the older one of two; the newer needs onnxscript
        torch.onnx.export(
            net,
            (x,),
            file,
            dynamo=False,
            opset_version=17,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
            do_constant_folding=not training,
            training=torch.onnx.TrainingMode.PRESERVE if training else torch.onnx.TrainingMode.EVAL,
        )
    return file.getvalue()


def assert_close(got: Any, wanted: Any, tolerance: float = ONNXRUNTIME_FLOAT32) -> None:
    wanted = np.asarray(wanted)
    assert got.shape == wanted.shape
    assert float(np.abs(got - wanted).max()) <= tolerance * max(1.0, float(np.abs(wanted).max()))


MODELS = {
    "lenet": ({}, (1, 28, 28)),
    "resnet20": ({}, (3, 32, 32)),
    "vgg_cifar": ({"width": 8}, (3, 32, 32)),
    "resnet18": ({"num_classes": 5}, (3, 64, 64)),
}


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    torch.manual_seed(0)
    settings, shape = MODELS[name]
    net = torch_models.MODELS[name](**settings).eval()
    x = torch.randn(3, *shape, requires_grad=True)
    graph = gn.onnx.load(written(net, x))
    graph.precision = "strict"
    y = net(x)
    assert_close(graph.forward(x.detach().numpy(), keep=True), y.detach())
    grad_y = torch.randn_like(y)
    y.backward(grad_y)
    assert_close(graph.backward(grad_y.numpy()), x.grad, LOCKSTEP_GRADIENT_FLOAT32)
    parameters = dict(net.named_parameters())
    assert {key for key, _ in graph.named_parameters()} == parameters.keys()
    for key, parameter in graph.named_parameters():
        assert_close(parameter.grad, parameters[key].grad, LOCKSTEP_GRADIENT_FLOAT32)
    assert graph.state_dict().keys() == net.state_dict().keys()
    folded = gn.onnx.load(written(net, x, training=False))
    assert_close(folded(x.detach().numpy()), y.detach())


class Assorted(nn.Module):
    """What vision nets do with shapes and sizes, and layers that are written as several nodes."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.group = nn.GroupNorm(2, 8)
        self.down = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.slopes = nn.PReLU(8)
        self.shuffle = nn.PixelShuffle(2)
        self.norm = nn.LayerNorm(11)
        self.scale = nn.Parameter(torch.full((1, 11, 1, 1), 0.5))
        self.head = nn.Linear(11, 4)

    def forward(self, x):
        a = self.slopes(self.group(self.stem(x)))
        b = F.silu(self.down(F.pad(a, (1, 1, 1, 1), mode="reflect")))
        b = F.interpolate(b, size=a.shape[2:], mode="bilinear", align_corners=False)
        c, d = torch.chunk(F.hardswish(a * torch.sigmoid(b)), 2, dim=1)
        e = self.shuffle(F.gelu(a))[:, :, ::2, ::2]
        y = torch.cat([c, d - 0.5, e, F.adaptive_avg_pool2d(x, 1).expand(-1, -1, *a.shape[2:])[:, 1:2]], dim=1)
        y = y * self.scale
        y = y.view(y.size(0), y.size(1), -1).mean(2)
        return F.log_softmax(self.head(self.norm(y) + y.max(dim=1, keepdim=True).values), dim=1)


def test_assorted_nodes_and_computed_sizes() -> None:
    torch.manual_seed(0)
    net = Assorted().eval()
    x = torch.randn(2, 3, 16, 16)
    graph = gn.onnx.load(written(net, x))
    many = torch.randn(5, 3, 16, 16, requires_grad=True)  # another batch than the one it was written with
    y = net(many)
    assert_close(graph.forward(many.detach().numpy(), keep=True), y.detach())
    grad_y = torch.randn_like(y)
    y.backward(grad_y)
    assert_close(graph.backward(grad_y.numpy()), many.grad, LOCKSTEP_GRADIENT_FLOAT32)
    got = dict(graph.named_parameters())
    for key, parameter in net.named_parameters():
        if key in got and got[key].shape == tuple(parameter.shape):
            assert_close(got[key].grad, parameter.grad, LOCKSTEP_GRADIENT_FLOAT32)
    assert {"stem.weight", "down.bias", "up.weight"} - got.keys() == {"up.weight"}  # which nothing uses
    assert graph.output_shape((3, 16, 16)) == (4,)
    again = gn.onnx.load(gn.onnx.to_model(graph))
    assert_close(again(many.detach().numpy()), y.detach())
