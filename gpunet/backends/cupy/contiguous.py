"""Arrays as kernels read them: one contiguous run of elements in logical order."""

from __future__ import annotations

from typing import Any

from gpunet.state import Array


def contiguous(array: Array, dtype: Any = None) -> Array:
    """``array`` itself if it is C-contiguous and of ``dtype``, else a copy that is.

    Unlike ``xp.ascontiguousarray`` it leaves arrays without axes as they are, and says by identity whether it copied.
    """
    return array.astype(array.dtype if dtype is None else dtype, order="C", copy=False)
