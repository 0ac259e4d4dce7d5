"""PyTorch and gpunet read each other's weights files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import oracles
import pytest
from tiny_training import small_net

import gpunet as gn

torch = oracles.require("torch")


def torch_net() -> object:
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.2),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 3),
    )


def test_pytorch_reads_what_gpunet_writes(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    net, other = small_net(), torch_net()
    gn.save_weights(net, tmp_path / "net.safetensors")
    other.load_state_dict(load_file(tmp_path / "net.safetensors"))
    assert all(np.array_equal(other.state_dict()[name].numpy(), array) for name, array in net.state_dict().items())


def test_gpunet_reads_what_pytorch_writes(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    net, other = small_net(), torch_net()
    save_file(other.state_dict(), tmp_path / "net.safetensors")
    gn.load_weights(net, tmp_path / "net.safetensors")
    assert all(np.array_equal(other.state_dict()[name].numpy(), array) for name, array in net.state_dict().items())


@pytest.mark.parametrize("name", ["net.pt", "my net's.pth", "$HOME `net`.pt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_file_of_pytorch_is_refused_with_the_line_that_converts_it(
    tmp_path: Path, zipped: bool, name: str
) -> None:
    path = tmp_path / name
    other = torch_net()
    torch.save(other.state_dict(), path, _use_new_zipfile_serialization=zipped)
    net = small_net()
    with pytest.raises(gn.CheckpointError, match="never unpickles") as caught:
        gn.load_weights(net, path)
    line = str(caught.value).partition("Convert it where PyTorch is installed: ")[2]
    assert line.startswith("python -c ")
    path_of_this_python = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(line, shell=True, check=True, timeout=120, env={**os.environ, "PATH": path_of_this_python})
    gn.load_weights(net, path.with_suffix(".safetensors"))
    assert all(np.array_equal(other.state_dict()[name].numpy(), array) for name, array in net.state_dict().items())
