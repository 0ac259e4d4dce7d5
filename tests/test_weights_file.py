"""Safetensors files that other programs wrote, and files that are none."""

from __future__ import annotations

import json
import shlex
import struct
from pathlib import Path

import numpy as np
import pytest

import gpunet as gn
from gpunet.weights_file import conversion_command, read_arrays, read_weights


def written(path: Path, tensors: dict[str, tuple[str, list[int], bytes]]) -> Path:
    """A safetensors file made by hand from name: (kind, shape, content)."""
    header, content = {}, b""
    for name, (kind, shape, data) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(content), len(content) + len(data)]}
        content += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)
    return path


def test_bfloat16_is_the_upper_half_of_float32(tmp_path: Path) -> None:
    # 1.0, -2.0, the next above 1, the smallest number, infinity and a NaN; behind an array of another kind.
    halves = np.array([0x3F80, 0xC000, 0x3F81, 0x0001, 0x7F80, 0x7FC0], "<u2")
    path = written(
        tmp_path / "net.safetensors",
        {"first": ("I64", [1], struct.pack("<q", 7)), "halves": ("BF16", [2, 3], halves.tobytes())},
    )
    arrays, value = read_arrays(path)
    assert value is None
    assert arrays["first"].tolist() == [7]
    assert arrays["halves"].dtype == np.float32
    wanted = [[1.0, -2.0, 1 + 2.0**-7], [2.0**-133, np.inf, np.nan]]
    np.testing.assert_array_equal(arrays["halves"], np.array(wanted, np.float32))


def test_one_number_and_none(tmp_path: Path) -> None:
    path = written(tmp_path / "net", {"one": ("BF16", [], b"\x80\x3f"), "none": ("BF16", [0, 3], b"")})
    arrays = read_weights(path)
    assert arrays["one"].shape == ()
    assert arrays["one"] == 1
    assert arrays["none"].shape == (0, 3)


def test_weights_of_a_checkpoint_are_without_the_optimizers(tmp_path: Path) -> None:
    net = gn.Linear(2, 2)
    gn.save_weights(net, tmp_path / "net.safetensors")
    assert list(read_weights(tmp_path / "net.safetensors")) == ["bias", "weight"]


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".PTH", ".ckpt", ".bin"])
def test_a_file_of_pytorch_is_known_by_its_name_too(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_bytes(b"./\0\0 as tar archives of the oldest versions begin")
    with pytest.raises(gn.CheckpointError, match=r"by its name one of torch\.save; gpunet never unpickles") as caught:
        gn.Linear(2, 2).load_state_dict(path)
    assert conversion_command(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_safetensors_file_may_be_called_as_it_likes(tmp_path: Path) -> None:
    net, path = gn.Linear(2, 2), tmp_path / "net.pt"
    gn.save_weights(net, path)
    other = gn.Linear(2, 2)
    other.load_state_dict(path)
    np.testing.assert_array_equal(other.weight.value, net.weight.value)


@pytest.mark.parametrize(
    "name", ["net.pt", "two words.pth", "it's.pt", 'a "quoted" $name.pt', "back\\slash.pt", "`x`.pt"]
)
def test_the_converting_command_survives_a_shell(name: str) -> None:
    python, option, code = shlex.split(conversion_command(name))
    assert (python, option) == ("python", "-c")
    calls = compile(code, "command", "exec")
    assert {name, str(Path(name).with_suffix(".safetensors"))} <= set(calls.co_consts)


def test_the_command_of_a_plain_name_is_easy_to_read() -> None:
    assert conversion_command("resnet18.pth") == (
        'python -c "import torch, safetensors.torch; safetensors.torch.save_file('
        "torch.load('resnet18.pth', map_location='cpu', weights_only=True), 'resnet18.safetensors')\""
    )
