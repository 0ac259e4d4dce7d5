"""The errors that gpunet raises on purpose.

Each message names the layer or file, says what it got and what it wanted, and proposes what to try.
"""


class GpunetError(Exception):
    """Base of the five below, for callers that want to catch them all."""

    layer: str | None = None  # set once by Module.forward/backward, so that only the innermost layer is named


class ShapeError(GpunetError, ValueError):
    """Sizes that do not fit together."""


class DataError(GpunetError, ValueError):
    """A value, dtype, label, file or dataset that cannot be used."""


class CheckpointError(GpunetError, ValueError):
    """A weights file or run directory that is damaged, foreign or does not fit the net."""


class StateError(GpunetError, RuntimeError):
    """A call at the wrong time, such as a second backward after one forward."""


class BackendError(GpunetError, RuntimeError):
    """A backend that is absent or broken, or arrays of two backends in one call."""
