"""What a user may set on a CuPy backend: ``net.backend.options``."""

from __future__ import annotations

import os

from gpunet.errors import BackendError

SCATTERS = ("gather", "atomic")
DEFAULT_WORKSPACE_MB = 256


class Options:
    """How the primitives of one backend compute; changes hold from the next call on.

    Attributes:
        scatter: how gradients of overlapping windows are added. "gather" (default) gives the same bits in every run;
            "atomic" adds in the order in which threads arrive, so that the last bits differ from run to run.
        workspace_bytes: upper limit of the memory that a convolution takes beside its arguments and its result. A batch
            is cut into chunks that fit; if not even one image does, kernels that need none compute. The environment
            variable GPUNET_WORKSPACE_MB, a number of 2**20 bytes, sets it at the start; the default is 256.

    Raises:
        BackendError: the environment variable, or a value that is set, makes no sense.
    """

    def __init__(self) -> None:
        self._scatter = "gather"
        self._workspace_bytes = _workspace_of_environment()

    @property
    def scatter(self) -> str:
        """Either "gather" or "atomic"."""
        return self._scatter

    @scatter.setter
    def scatter(self, value: str) -> None:
        if value not in SCATTERS:
            raise BackendError(f"scatter must be one of {', '.join(SCATTERS)}, got {value!r}.")
        self._scatter = value

    @property
    def workspace_bytes(self) -> int:
        """Limit in bytes."""
        return self._workspace_bytes

    @workspace_bytes.setter
    def workspace_bytes(self, value: int) -> None:
        if type(value) is not int or value < 0:
            raise BackendError(f"workspace_bytes must be an integer of at least 0, got {value!r}.")
        self._workspace_bytes = value


def _workspace_of_environment() -> int:
    text = os.environ.get("GPUNET_WORKSPACE_MB", "").strip() or str(DEFAULT_WORKSPACE_MB)
    if not text.isdecimal():
        raise BackendError(
            f"the environment variable GPUNET_WORKSPACE_MB must be a whole number of MB, got {text!r}. "
            f"Try: export GPUNET_WORKSPACE_MB={DEFAULT_WORKSPACE_MB}"
        )
    return int(text) << 20
