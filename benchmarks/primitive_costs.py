"""What one call of a backend's primitive must move and compute at least, whatever algorithm does it.

Bytes: every array that goes in is read once and every one that comes out is written once; an optimizer step writes what
it changes. Operations: additions, multiplications and comparisons of the definition, a convolution's as a direct sum.
Winograd's algorithm needs fewer, and may so exceed the rate of a matrix product.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gpunet.backends import Backend
from gpunet.geometry import Window

# Not primitives: where arrays live.
PLACE = {"asarray", "to_numpy", "owns", "synchronize"}
PRIMITIVES = tuple(sorted(Backend.__abstractmethods__ - PLACE))
# Sums over windows that overlap: where a backend may choose how it adds, both ways are measured.
SCATTERING = ("conv2d_backward_input", "col2im", "max_pool2d_backward", "avg_pool2d_backward")


@dataclass(frozen=True)
class Call:
    """One call of a primitive.

    Attributes:
        name: of the primitive.
        arguments: by their names in the contract.
        result: what it returned.
    """

    name: str
    arguments: Mapping[str, Any]
    result: Any

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for calls that cost the same: shapes, dtypes, order in memory and settings."""
        return (self.name, *(_key(value) for value in self.arguments.values()))

    @property
    def bytes(self) -> int:
        """See the module."""
        changed = _CHANGED.get(self.name, ())
        read = sum(array.nbytes for array in arrays(self.arguments.values()))
        written = sum(array.nbytes for name in changed for array in arrays([self.arguments[name]]))
        return read + written + sum(array.nbytes for array in arrays([self.result]))

    @property
    def operations(self) -> int:
        """See the module."""
        return _operations(self.name, self.arguments, self.result)

    @property
    def detail(self) -> str:
        """Shapes and window as people write them: "64x32x32 to 64x32x32, 3x3"."""
        words = [self._shapes()]
        window = self.arguments.get("window")
        words += [_window(window)] if isinstance(window, Window) else []
        words += [name for name in ("residual", "relu") if self._asks_for(name)]
        return ", ".join(words)

    def _asks_for(self, extra: str) -> bool:
        value = self.arguments.get(extra)
        return value is not None and value is not False

    def _shapes(self) -> str:
        given = self.arguments
        if self.name.startswith("conv2d"):
            images = given["x_shape"] if "x_shape" in given else given["x"].shape
            weight = given["weight_shape"] if "weight_shape" in given else given["weight"].shape
            return f"{_times(images[1:])} to {weight[0]}"
        first = next(iter(given.values()))
        if isinstance(first, list | tuple):
            return f"{sum(array.size for array in arrays(first)):,} numbers"
        made = [array for array in arrays([self.result]) if array.ndim > 1][:1]
        shapes = dict.fromkeys(_times(array.shape[1:]) for array in (first, *made))
        return " to ".join(shapes)


def bound(name: str, positional: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by their names in the contract, defaults included."""
    call = inspect.signature(getattr(Backend, name)).bind(None, *positional, **named)
    call.apply_defaults()
    return {key: value for key, value in call.arguments.items() if key != "self"}


def arrays(values: Any) -> Iterator[Any]:
    """All arrays among values and within their sequences."""
    for value in values:
        if hasattr(value, "nbytes") and hasattr(value, "strides"):
            yield value
        elif isinstance(value, list | tuple):
            yield from arrays(value)


def _key(value: Any) -> Any:
    if hasattr(value, "strides"):
        order = sorted(range(value.ndim), key=lambda axis: -value.strides[axis])
        return tuple(value.shape), str(value.dtype), tuple(order)
    if isinstance(value, list | tuple):
        return tuple(_key(each) for each in value)
    return repr(value)


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _window(window: Window) -> str:
    text = "x".join(map(str, window.kernel))
    return text if window.stride == (1, 1) else f"{text}/{window.stride[0]}"


_CHANGED = {
    "sgd_step": ("values", "momentum_buffers"),
    "adam_step": ("values", "exp_avgs", "exp_avg_sqs"),
}
# Operations for each element of the argument named.
_EACH = {
    "im2col": (0, "x"),  # it moves only
    "col2im": (1, "columns"),
    "max_pool2d_backward": (1, "grad_y"),
    "batch_norm": (6, "x"),  # mean 1; variance 3; scale and shift 2
    "batch_norm_backward": (9, "x"),  # normalise 2; two sums 3; combine 4
    "batch_norm_inference": (2, "x"),
    "softmax_cross_entropy": (5, "logits"),  # maximum, difference, exponential, sum, scale
    "relu": (1, "x"),
    "relu_backward": (1, "grad_y"),
    "bias_relu": (2, "x"),
    "bias_relu_backward": (2, "grad_y"),
    "dropout": (2, "x"),
    "dropout_backward": (2, "grad_y"),
    "erf": (1, "x"),
    "sum_of_squares": (2, "arrays"),
    "sgd_step": (6, "values"),
    "adam_step": (14, "values"),
}


def _operations(name: str, given: Mapping[str, Any], result: Any) -> int:
    if name in _EACH:
        factor, argument = _EACH[name]
        return factor * sum(array.size for array in arrays([given[argument]]))
    outputs = next(arrays([given.get("grad_y", result)])).size
    if name.startswith("conv2d"):
        shape = given["weight_shape"] if "weight_shape" in given else given["weight"].shape
        return 2 * outputs * math.prod(shape[1:])
    return outputs * math.prod(given["window"].kernel)  # pooling
