"""PyTorch's side of the comparison is the same net: the same weights give the same loss and gradients."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from tolerances import LOCKSTEP_GRADIENT_FLOAT32, LOCKSTEP_LOSS_FLOAT32

torch = oracles.require("torch")

from benchmarks.peers import architectures as a  # noqa: E402 - needs PyTorch
from benchmarks.peers import gpunet_peer, torch_peer  # noqa: E402 - needs PyTorch
from benchmarks.peers.contender import Task  # noqa: E402


@pytest.mark.parametrize("variant", ["", "channels_last"])
@pytest.mark.parametrize("name", ["lenet", "resnet20"])
def test_the_same_step(name: str, variant: str) -> None:
    threads = torch.get_num_threads()
    other = torch_peer.TorchContender(Task(a.NETS[name], 4, variant, threads))
    own = gpunet_peer.GpunetContender(Task(a.NETS[name], 4, "numpy", 1))
    other.build()
    own.build()
    own.net.precision = "strict"
    assert own.parameters() == other.parameters()
    for theirs, parameter in zip(other.net.parameters(), own.net.parameters(), strict=True):
        parameter.value[...] = theirs.detach().numpy()
    assert own.step() == pytest.approx(other.step(), rel=LOCKSTEP_LOSS_FLOAT32)
    if name == "lenet":  # batch norms on so small a batch magnify what the sums round differently
        for theirs, parameter in zip(other.net.parameters(), own.net.parameters(), strict=True):
            scale = LOCKSTEP_GRADIENT_FLOAT32 * np.abs(parameter.grad).max()
            np.testing.assert_allclose(theirs.grad.numpy(), parameter.grad, rtol=0, atol=scale)


@pytest.mark.parametrize("name", ["vgg", "resnet18"])
def test_the_same_number_of_parameters(name: str) -> None:
    net = a.NETS[name]
    built = torch_peer.sequential(net.layers, net.image)
    assert sum(each.numel() for each in built.parameters()) == a.parameters(net.layers, net.image)
