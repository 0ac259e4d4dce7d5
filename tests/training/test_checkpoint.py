from __future__ import annotations

import errno
import json
import os
import pickle
import resource
import stat
import struct
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from tiny_training import small_net, stripes, trainer

import gpunet as gn
from gpunet.training import atomic_file
from gpunet.training.atomic_file import remove_leftovers, write_atomically
from gpunet.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from gpunet.training.safetensors_file import write_arrays
from gpunet.weights_file import FORMAT, read_arrays


def same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    return list(one) == list(two) and all(np.array_equal(one[name], two[name]) for name in one)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    gn.save_weights(small_net(seed=1), path)
    return path


# Round trips


def test_weights_and_buffers_come_back(saved: Path) -> None:
    net = small_net(seed=2)
    assert not same(net.state_dict(), small_net(seed=1).state_dict())
    gn.load_weights(net, saved)
    assert same(net.state_dict(), small_net(seed=1).state_dict())


def test_float64_goes_through_unchanged(tmp_path: Path) -> None:
    net = small_net().astype("float64")
    gn.save_weights(net, tmp_path / "net.safetensors")
    other = small_net(seed=2).astype("float64")
    gn.load_weights(other, tmp_path / "net.safetensors")
    assert same(net.state_dict(), other.state_dict())


def test_equal_contents_give_equal_bytes(tmp_path: Path) -> None:
    # The format's own metadata is a hash map of random order: many files would not agree by chance.
    state = {f"key {index}": index / 7 for index in range(20)}
    arrays = {f"layer.{index}": np.full((2, 3), index, np.float32) for index in range(12)}
    written = set()
    for order in (1, -1):
        for number in range(8):
            path = tmp_path / f"{order}-{number}"
            write_checkpoint(
                path, Checkpoint(dict(list(arrays.items())[::order]), state=dict(list(state.items())[::order]))
            )
            written.add(path.read_bytes())
    assert len(written) == 1


def test_all_shapes_and_orders_of_memory(tmp_path: Path) -> None:
    arrays = {
        "scalar": np.array(3, np.int64),
        "empty": np.empty((0, 4), np.float32),
        "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "strided": np.arange(10, dtype=np.float64)[::3],
        "flags": np.array([True, False]),
    }
    write_arrays(tmp_path / "file", arrays, {"said": [1, None, "ü"]})
    read, value = read_arrays(tmp_path / "file")
    assert value == {"said": [1, None, "ü"]}
    assert all(np.array_equal(read[name], array) and read[name].dtype == array.dtype for name, array in arrays.items())
    read["flags"][0] = False  # a copy of its own, not the file


def test_floats_of_the_state_keep_every_bit(tmp_path: Path) -> None:
    numbers = [0.1, 1e-308, 5e-324, 1 / 3, -0.0, 2.0**-1074]
    write_checkpoint(tmp_path / "file", Checkpoint({}, state={"numbers": numbers}))
    read = read_checkpoint(tmp_path / "file").state["numbers"]
    assert [struct.pack("d", value) for value in read] == [struct.pack("d", value) for value in numbers]


def test_weights_of_a_run_can_be_loaded_alone(tmp_path: Path) -> None:
    one = trainer(run_dir=tmp_path)
    one.fit(stripes(), 1)
    for name in ("last", "best"):
        net = small_net(seed=7)
        gn.load_weights(net, tmp_path / f"{name}.safetensors")
        assert same(net.state_dict(), one.net.state_dict())


def test_strict_may_be_waived(saved: Path) -> None:
    longer = gn.Sequential(*small_net(seed=2), gn.Linear(3, 3))
    with pytest.raises(gn.CheckpointError, match=r"net\.safetensors: .*missing: 6\.weight"):
        gn.load_weights(longer, saved)
    gn.load_weights(longer, saved, strict=False)
    assert np.array_equal(longer.state_dict()["0.weight"], small_net(seed=1).state_dict()["0.weight"])


def test_a_layer_cannot_take_the_optimizers_names(tmp_path: Path) -> None:
    net = gn.Sequential({"optimizer/x": gn.Linear(2, 2)})
    with pytest.raises(gn.CheckpointError, match="rename that layer"):
        gn.save_weights(net, tmp_path / "net.safetensors")


# Damaged and foreign files


def refused(path: Path, message: str) -> None:
    net = small_net(seed=3)
    before = net.state_dict()
    with pytest.raises(gn.CheckpointError, match=message) as caught:
        gn.load_weights(net, path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert same(net.state_dict(), before)


def test_every_truncation_is_refused(saved: Path) -> None:
    content = saved.read_bytes()
    for length in [*range(40), *range(40, len(content), 97), len(content) - 1]:
        saved.write_bytes(content[:length])
        refused(saved, "is empty" if length == 0 else "truncated|damaged")


def test_a_flipped_byte_anywhere_never_gives_other_weights(saved: Path) -> None:
    content, accepted = saved.read_bytes(), 0
    for place in [*range(60), *range(60, len(content), 53), len(content) - 1]:
        saved.write_bytes(content[:place] + bytes([content[place] ^ 0x20]) + content[place + 1 :])
        net, refusal = small_net(seed=3), ""
        try:
            gn.load_weights(net, saved)
        except gn.CheckpointError as error:
            refusal = str(error)
        # Without a refusal, the flip was in the name of the metadata, without which the file is PyTorch's.
        accepted += not refusal
        assert saved.name in refusal or not refusal
        assert same(net.state_dict(), small_net(seed=3 if refusal else 1).state_dict())
    assert accepted < 10


def test_bytes_after_the_end_are_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"more")
    refused(saved, "truncated or damaged")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04" + bytes(60), "zip archive.*never unpickles.*safetensors.torch.save_file"),
        (pickle.dumps({"0.weight": 1}), "Python pickle.*never unpickles"),
        (b"\x93NUMPY" + bytes(60), "a NumPy file, not a safetensors file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(60), "HDF5"),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), "a picture"),
        (b"just some text, long enough to be looked at", "no safetensors file"),
        (bytes(range(256)) * 3, "no safetensors file"),
        (struct.pack("<Q", 10**6) + b'{"a":1', "its header alone wants 1000008"),
    ],
)
def test_foreign_files_are_called_what_they_are(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    refused(path, message)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    path = tmp_path / "bomb.pt"
    path.write_bytes(pickle.dumps(Bomb()))
    refused(path, "never unpickles")
    assert not (tmp_path / "exploded").exists()


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    refused(tmp_path / "absent.safetensors", "there is no such file")
    refused(tmp_path, "could not be read: Is a directory")


def test_numbers_that_numpy_does_not_have(tmp_path: Path) -> None:
    header = json.dumps({"0.weight": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}).encode()
    path = tmp_path / "half.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    refused(path, "Convert them to float32")


def rewritten(path: Path, text: str) -> None:
    """Replace gpunet's own metadata in a file whose arrays stay."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["gpunet"] = text
    encoded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + content[8 + length :])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": 1}', '"text"'])
def test_metadata_that_is_not_ours(saved: Path, text: str) -> None:
    rewritten(saved, text)
    refused(saved, "is damaged")


def test_metadata_without_what_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    for value in ({}, {"format": 1}, {"format": "1", "state": {}}):
        write_arrays(path, small_net().state_dict(), value)
        refused(path, "does not say what it holds")


def test_a_newer_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    write_arrays(path, small_net().state_dict(), {"format": FORMAT + 1, "state": {}})
    refused(path, f"has format {FORMAT + 1}, of a newer gpunet; this one reads up to {FORMAT}. Upgrade")


# The disk


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ["open", "write", "fsync", "rename"])
def test_a_full_disk_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    old = saved.read_bytes()
    real_open = Path.open

    class Full:
        def __init__(self, file: object) -> None:
            self.file = file

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()  # type: ignore[attr-defined]

        def write(self, content: bytes) -> None:
            self.file.write(content[: len(content) // 2])  # type: ignore[attr-defined]
            no_space()

    if where == "open":
        monkeypatch.setattr(Path, "open", no_space)
    elif where == "write":
        monkeypatch.setattr(Path, "open", lambda self, mode: Full(real_open(self, mode)))
    elif where == "fsync":
        monkeypatch.setattr(os, "fsync", no_space)
    else:
        monkeypatch.setattr(Path, "replace", no_space)
    with pytest.raises(gn.CheckpointError, match=r"net\.safetensors: could not be written: No space left on device"):
        gn.save_weights(small_net(seed=2), saved)
    monkeypatch.undo()
    assert saved.read_bytes() == old
    assert [path.name for path in saved.parent.iterdir()] == ["net.safetensors"]


def test_a_full_disk_when_the_folder_is_flushed_leaves_a_whole_file(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_for_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            no_space()

    monkeypatch.setattr(os, "fsync", fails_for_folders)
    with pytest.raises(gn.CheckpointError, match="No space left"):
        gn.save_weights(small_net(seed=2), saved)
    net = small_net(seed=3)
    gn.load_weights(net, saved)
    assert same(net.state_dict(), small_net(seed=2).state_dict())


def test_a_limit_that_the_kernel_sets_leaves_the_old_file(saved: Path) -> None:
    old = saved.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(old) // 2, hard))
    try:
        with pytest.raises(gn.CheckpointError, match="File too large"):
            gn.save_weights(small_net(seed=2), saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert saved.read_bytes() == old
    assert [path.name for path in saved.parent.iterdir()] == ["net.safetensors"]


def test_a_full_disk_within_a_training_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer(run_dir=tmp_path / "whole").fit(stripes(), 2)
    real, count = atomic_file.write_atomically, 0
    for failing in range(1, 9):
        folder = tmp_path / str(failing)
        count = 0

        def fails_once(descriptor: int) -> None:
            nonlocal count
            count += 1
            if count == failing:  # noqa: B023 - called within this turn of the loop
                no_space()

        monkeypatch.setattr(os, "fsync", fails_once)
        with pytest.raises(gn.CheckpointError, match="No space left on device"):
            trainer(run_dir=folder).fit(stripes(), 2)
        trainer(run_dir=folder).fit(stripes(), 2, resume=True)
        for name in ("last.safetensors", "best.safetensors", "metrics.jsonl"):
            assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert real is atomic_file.write_atomically


def test_the_file_is_flushed_before_it_is_renamed_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = []
    real_replace = Path.replace

    def flushed(descriptor: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")

    def renamed(self: Path, target: Path) -> Path:
        events.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", renamed)
    write_atomically(tmp_path / "file", b"content")
    assert events == ["file", "rename", "folder"]


def test_an_interrupted_write_leaves_nothing(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = saved.read_bytes()

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        gn.save_weights(small_net(seed=2), saved)
    assert saved.read_bytes() == old
    assert len(list(saved.parent.iterdir())) == 1


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "file")
    write_atomically(tmp_path / "link", b"content")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "file").read_bytes() == b"content"


def test_leftovers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".last.safetensors.77.partial", "last.safetensors", ".hidden", "notes.partial"):
        (tmp_path / name).write_bytes(b"half")
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "last.safetensors", "notes.partial"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(gn.CheckpointError, match="No such file or directory"):
        gn.save_weights(small_net(), tmp_path / "absent" / "net.safetensors")
