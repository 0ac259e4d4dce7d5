"""States that PyTorch made, as tensors: of any number kind, with gradients, with and without batch norms' counters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracles
import pytest

import gpunet as gn

torch = oracles.require("torch")


def theirs() -> torch.nn.Module:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.PReLU(2))
    with torch.no_grad():
        net(torch.randn(4, 1, 5, 5))  # which counts a batch
    return net


def ours() -> gn.Sequential:
    return gn.Sequential(gn.Conv2d(1, 2, 3), gn.BatchNorm2d(2), gn.PReLU(2))


def assert_equal(net: gn.Module, state: dict[str, torch.Tensor]) -> None:
    assert list(net.state_dict()) == list(state)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, state[name].float().numpy(), err_msg=name)


def test_a_state_as_it_is() -> None:
    net, other = ours(), theirs()
    net.load_state_dict(other.state_dict())
    assert_equal(net, other.state_dict())
    assert net[1].num_batches_tracked.value == 1
    with torch.no_grad():  # what is loaded is a copy
        other[0].weight.zero_()
    assert net[0].weight.value.any()


def test_parameters_that_want_gradients() -> None:
    net, other = ours(), theirs()
    net.load_state_dict({**other.state_dict(), **dict(other.named_parameters())})
    assert_equal(net, other.state_dict())


@pytest.mark.parametrize("kind", ["float64", "float16", "bfloat16"])
def test_other_kinds_of_numbers(kind: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = {
        name: tensor.to(getattr(torch, kind)) if tensor.is_floating_point() else tensor
        for name, tensor in theirs().state_dict().items()
    }
    net = ours()
    net.load_state_dict(state)
    assert_equal(net, state)
    save_file(state, tmp_path / "net.safetensors")
    from_file = ours()
    from_file.load_state_dict(tmp_path / "net.safetensors")
    assert_equal(from_file, state)
    assert from_file.dtype == np.float32


def test_without_the_counter_as_before_it_existed() -> None:
    net, other = ours(), theirs()
    net.load_state_dict({name: value for name, value in other.state_dict().items() if "num_batches" not in name})
    np.testing.assert_array_equal(net[1].running_var.value, other[1].running_var.numpy())
    assert net[1].num_batches_tracked.value == 0


def test_what_cannot_be_read_is_named() -> None:
    state = theirs().state_dict()
    state["0.bias"] = torch.empty(2, device="meta")
    state["1.weight"] = state["1.weight"].to_sparse()
    with pytest.raises(gn.CheckpointError, match=r"not real numbers: 0\.bias: Tensor, .*1\.weight: Tensor, "):
        ours().load_state_dict(state)
