"""The memory of a device: what an allocation that fails means for a net."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gpunet.errors import BackendError


@contextmanager
def failures_explained(xp: Any) -> Iterator[None]:
    """Turn CuPy's out-of-memory error into one that says how much was asked, how much is free and what to lower.

    Args:
        xp: the cupy module.

    Raises:
        BackendError: the device is out of memory.
    """
    try:
        yield
    except xp.cuda.memory.OutOfMemoryError as error:
        asked = re.search(r"allocating ([\d,]+) bytes", str(error))
        pool = xp.get_default_memory_pool()
        free = xp.cuda.runtime.memGetInfo()[0] + pool.free_bytes()
        if pool.get_limit():
            free = min(free, pool.get_limit() - pool.used_bytes())
        raise BackendError(
            f"the device is out of memory: asked for {asked.group(1) if asked else 'some'} bytes, {free:,} are free. "
            "Lower the batch size, or the workspace of convolutions (GPUNET_WORKSPACE_MB), or end other programs on it."
        ) from error
