"""The reader of shared objects, on one that this interpreter has and on files that are none."""

import sys
from pathlib import Path

import pytest

from gpunet.emulator.elf import read_dynamic_symbols
from gpunet.errors import BackendError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads a shared object of Linux")


def compiled_module() -> Path:
    """NumPy's core, which is always compiled."""
    import numpy as np

    return next((Path(np.__file__).parent / "_core").glob("_multiarray_umath*.so"))


@LINUX
def test_a_compiled_module_of_python() -> None:
    found = read_dynamic_symbols(compiled_module())
    assert "PyInit__multiarray_umath" in found.defined
    assert "PyErr_SetString" in found.undefined
    assert found.defined.isdisjoint(found.undefined)
    assert any(name.startswith("libc.so") for name in found.needed)


@pytest.mark.parametrize("content", [b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(100), b"\x7fELF\x02\x01", b"\0"])
def test_another_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "library.so"
    path.write_bytes(content)
    with pytest.raises(BackendError, match=r"library\.so: no shared object for 64-bit Linux"):
        read_dynamic_symbols(path)
