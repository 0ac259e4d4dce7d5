import gzip
import hashlib
import re
import struct
from pathlib import Path

import pytest

from gpunet.data.catalog import CIFAR_10, CIFAR_100, FASHION_MNIST, MNIST, PUBLISHED

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
# When Zalando compressed the files, in seconds since 1970, as the gzip headers of the published files say.
COMPRESSED_AT = {"train": 1504176606, "t10k": 1504176627}


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
@pytest.mark.parametrize("remote", FASHION_MNIST.files, ids=lambda remote: remote.filename)
def test_the_hashes_of_fashion_mnist_are_those_of_the_real_bytes(remote):
    """Debian takes name and time out of the gzip headers; with both put back, the published bytes are there again."""
    content = (DEBIAN / remote.filename).read_bytes()
    assert content[:4] == b"\x1f\x8b\x08\x00"
    stamp = struct.pack("<I", COMPRESSED_AT[remote.filename.split("-", maxsplit=1)[0]])
    name = remote.filename.removesuffix(".gz").encode() + b"\0"
    published = b"\x1f\x8b\x08\x08" + stamp + content[8:10] + name + content[10:]
    assert hashlib.sha256(published).hexdigest() == remote.sha256
    assert len(gzip.decompress(published)) > 10_000


@pytest.mark.parametrize("dataset", PUBLISHED.values(), ids=PUBLISHED)
def test_entries_are_complete(dataset):
    assert PUBLISHED[dataset.name] is dataset
    assert dataset.folders[0] == dataset.name
    assert len(dataset.class_names) == len(set(dataset.class_names)) == (100 if dataset is CIFAR_100 else 10)
    for remote in dataset.files:
        assert re.fullmatch(r"[0-9a-f]{64}", remote.sha256)
        assert remote.urls
        for url in remote.urls:
            assert re.match(r"https?://", url)
            assert url.endswith(f"/{remote.filename}")
    assert len({remote.sha256 for remote in dataset.files}) == len(dataset.files)


def test_what_has_no_second_source_comes_over_https():
    for dataset in (CIFAR_10, CIFAR_100, MNIST):
        assert all(url.startswith("https://") for remote in dataset.files for url in remote.urls)


def test_classes_of_cifar_are_in_the_published_order():
    assert CIFAR_10.class_names[3] == "cat"
    assert list(CIFAR_100.class_names) == sorted(CIFAR_100.class_names)
