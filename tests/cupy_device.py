"""The CuPy backend for tests that need a device: a GPU, or `gpunet emulate`."""

from __future__ import annotations

import os

import pytest

from gpunet.backends import Backend, select
from gpunet.errors import BackendError


def require_cupy() -> Backend:
    """The CuPy backend. Without a device the calling module skips; with GPUNET_REQUIRE_CUPY=1 it fails instead."""
    try:
        return select("cupy")
    except BackendError as error:
        if os.environ.get("GPUNET_REQUIRE_CUPY") == "1":
            raise
        pytest.skip(f"needs CuPy with a device: gpunet emulate, or a GPU ({error})", allow_module_level=True)
