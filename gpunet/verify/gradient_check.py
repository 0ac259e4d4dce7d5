"""Is a gradient right? Directional differences in float64 tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunet.errors import DataError, ShapeError
from gpunet.layers.module import Module, Shape
from gpunet.random import Stream
from gpunet.state import Array
from gpunet.verify.differentiable import Differentiable, DifferentiableLoss, DifferentiableModule

# Relative to the size of what is moved. Large steps have less rounding, small ones are less likely to cross a kink.
STEPS = (1e-4, 1e-3, 1e-5, 1e-6, 1e-7)
_SMALL_SLOPE = 1e-4  # of the output's own size: below it differences hold few digits, and errors are relative to it


@dataclass(frozen=True, slots=True)
class GradientComparison:
    """The worst direction of one array.

    Attributes:
        name: "input" (or "input 0", ...), a parameter's path, or "predictions".
        shape: of the array.
        error: of the slope, relative to the largest of both slopes and of the gradient's own size.
        analytic: slope in this direction by the gradient that backward gave.
        numeric: the same by differences.
        missing: backward gave no gradient at all.
    """

    name: str
    shape: Shape
    error: float
    analytic: float
    numeric: float
    missing: bool = False


@dataclass(frozen=True, slots=True)
class GradientCheck:
    """What `gradient_check` found; ``str`` shows it as a table.

    Attributes:
        label: what was checked.
        comparisons: one for each input and each parameter.
        tolerance: largest relative error allowed.
    """

    label: str
    comparisons: tuple[GradientComparison, ...]
    tolerance: float

    @property
    def errors(self) -> dict[str, float]:
        """Relative errors by name."""
        return {comparison.name: comparison.error for comparison in self.comparisons}

    @property
    def worst(self) -> GradientComparison:
        """The comparison with the largest error."""
        return max(self.comparisons, key=lambda comparison: comparison.error)

    @property
    def passed(self) -> bool:
        """Whether all errors are within the tolerance."""
        return self.worst.error <= self.tolerance

    def __str__(self) -> str:
        head = ("array", "shape", "backward", "differences", "relative error")
        rows = [
            (c.name, str(c.shape), "none" if c.missing else f"{c.analytic:.9e}", f"{c.numeric:.9e}", f"{c.error:.1e}")
            for c in self.comparisons
        ]
        widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in [head, *rows]
        ]
        verdict = "right" if self.passed else "WRONG"
        return "\n".join([f"gradients of {self.label}: {verdict} (tolerance {self.tolerance:g})", *lines])


class GradientCheckError(AssertionError):
    """A gradient is wrong, or a layer breaks a rule that gradients rely on.

    Attributes:
        result: all comparisons, or None if none could be made.
    """

    def __init__(self, message: str, result: GradientCheck | None = None) -> None:
        super().__init__(message)
        self.result = result


def gradient_check(
    layer: Module | Callable[..., Any],
    *inputs: Array,
    training: bool = True,
    tolerance: float = 1e-6,
    directions: int = 3,
    seed: int = 0,
    steps: Sequence[float] = STEPS,
) -> GradientCheck:
    """Compare the gradients of a layer, net or loss with differences of its forward pass.

    Everything runs on a copy in float64; the layer is not changed. For each input and each parameter the slope of a
    random combination of the outputs is measured in a few random directions (central differences, twice the step
    taken in to cancel the next term), so the cost is a few forward passes for each array, however large it is. Batch
    statistics, running statistics and dropout masks are the same in every pass. That gradients add up over two
    backward passes, and that neither pass writes into what it is given, is checked as well.

    A kink disturbs it: where a difference reaches across one (ReLU near 0, a max-pooling window with two nearly equal
    elements), neither slope is wrong, and they differ all the same. Smaller and smaller steps are tried, so this
    happens only on a kink itself. Give inputs from a continuous distribution, such as normal numbers, not zeros,
    integers or equal elements.

    Args:
        layer: a layer, container or net, also of one's own; or a loss, called as ``loss(predictions, targets)``.
        inputs: what goes in, any float dtype; for a loss predictions and targets.
        training: check the training pass; False: inference, with fixed statistics and no dropout.
        tolerance: largest relative error allowed.
        directions: random directions for each array.
        seed: of the directions.
        steps: sizes of the differences, relative to the root mean square of the array; the best one counts.

    Returns:
        the errors by name; ``print`` it for a table.

    Raises:
        GradientCheckError: an error is above the tolerance, or a rule is broken. It is an AssertionError.
        ShapeError, DataError: the inputs do not fit, or nothing comes out that could be checked.
    """
    function: Differentiable
    if isinstance(layer, Module):
        function = DifferentiableModule(layer, inputs, training)
    else:
        function = DifferentiableLoss(layer, inputs)
    outputs = _checked_outputs(function)
    if isinstance(layer, Module):
        streams = (Stream(seed, "gradient check: outputs", step=index) for index in range(len(outputs)))
        # In [0.5, 1.5] with random signs: no output element is left out, and none counts for much less than another.
        grads = tuple(_direction(function, y.shape, stream) for y, stream in zip(outputs, streams, strict=True))
    else:
        grads = tuple(function.backend.xp.ones_like(y) for y in outputs)
    found = _checked_gradients(function, grads)
    measure = _Measure(function, outputs, grads, steps, tolerance / 100)
    comparisons = []
    for name, value in function.values.items():
        along = (
            _direction(function, value.shape, Stream(seed, f"gradient check: {name}", step=index)) * _size(value)
            for index in range(directions)
        )
        comparisons.append(
            max((measure.compare(name, value, found[name], direction) for direction in along), key=lambda c: c.error)
        )
    result = GradientCheck(function.label, tuple(comparisons), tolerance)
    if not result.passed:
        raise GradientCheckError(_complaint(result), result)
    return result


class _Measure:
    """Slopes of the sum of outputs times ``grads``.

    Args:
        good_enough: with an error below it no further step is tried.
    """

    def __init__(
        self,
        function: Differentiable,
        outputs: tuple[Array, ...],
        grads: tuple[Array, ...],
        steps: Sequence[float],
        good_enough: float,
    ) -> None:
        self.function, self.grads, self.steps, self.good_enough = function, grads, steps, good_enough
        squares = sum(float(((grad * y) ** 2).sum()) for grad, y in zip(grads, outputs, strict=True))
        self.smallest_slope = _SMALL_SLOPE * math.sqrt(squares)

    def compare(self, name: str, value: Array, gradient: Array | None, direction: Array) -> GradientComparison:
        """The comparison at the step that serves best."""
        products = 0.0 * direction if gradient is None else gradient * direction
        analytic = float(products.sum())
        own_size = math.sqrt(float((products * products).sum()))
        best: GradientComparison | None = None
        for step in self.steps:
            near, far = (self._slope(name, value, direction, width) for width in (step, 2 * step))
            numeric = (4 * near - far) / 3  # Richardson: the error of order step**2 cancels
            reference = max(abs(numeric), abs(analytic), own_size, self.smallest_slope)
            error = abs(numeric - analytic) / reference if reference else 0.0
            if math.isnan(error):
                error = math.inf
            if best is None or error < best.error:
                best = GradientComparison(name, tuple(value.shape), error, analytic, numeric, gradient is None)
            if best.error <= self.good_enough:
                break
        assert best is not None
        return best

    def _slope(self, name: str, value: Array, direction: Array, width: float) -> float:
        above = self.function.outputs({name: value + width * direction})
        below = self.function.outputs({name: value - width * direction})
        # Differences first: the sum of each side alone would lose more digits.
        parts = (float((grad * (high - low)).sum()) for grad, high, low in zip(self.grads, above, below, strict=True))
        return sum(parts) / (2 * width)


def _direction(function: Differentiable, shape: Shape, stream: Stream) -> Array:
    unit = stream.uniform(tuple(shape), -1.0, 1.0)
    return function.backend.asarray(unit + np.where(unit < 0, -0.5, 0.5))


def _size(value: Array) -> float:
    """Root mean square, or 1 for zeros."""
    return math.sqrt(float((value * value).sum()) / max(1, value.size)) or 1.0


def _checked_outputs(function: Differentiable) -> tuple[Array, ...]:
    xp = function.backend.xp
    before = {name: value.copy() for name, value in function.values.items()}
    outputs = function.outputs({})
    for index, y in enumerate(outputs):
        if y.size == 0:
            raise ShapeError(f"gradient_check of {function.label}: output {index} of shape {y.shape} is empty.")
        if y.dtype != np.float64:
            raise DataError(
                f"gradient_check of {function.label}: output {index} is {y.dtype} for float64 inputs, which is too "
                f"coarse for differences. Use the inputs' dtype for the arrays that the layer makes."
            )
    _require_unchanged(function, before, "forward")
    again = function.outputs({})
    if not all(bool(xp.array_equal(y, z, equal_nan=True)) for y, z in zip(outputs, again, strict=True)):
        raise GradientCheckError(
            f"{function.label}: two forward passes over the same input differ, so differences say nothing. Draw "
            f"random numbers from self.next_stream(), and keep what changes from pass to pass in a Buffer."
        )
    return outputs


def _checked_gradients(function: Differentiable, grads: tuple[Array, ...]) -> dict[str, Array | None]:
    xp = function.backend.xp
    before = {name: value.copy() for name, value in function.values.items()}
    grads_before = tuple(grad.copy() for grad in grads)
    found = function.gradients(grads)
    _require_unchanged(function, before, "backward")
    if not all(bool(xp.array_equal(grad, copy)) for grad, copy in zip(grads, grads_before, strict=True)):
        raise GradientCheckError(
            f"{function.label}: backward writes into the gradient that it is given, which other branches of a net may "
            f"still need. Compute into a new array."
        )
    twice = function.gradients(grads, passes=2)
    for name in sorted(function.parameters):
        gradient, again = found[name], twice[name]
        if gradient is not None and not bool(xp.allclose(again, 2 * gradient, rtol=1e-9, atol=1e-12, equal_nan=True)):
            raise GradientCheckError(
                f"{function.label}: the gradient of {name!r} does not add up over two backward passes. "
                f"Use parameter.add_grad(...) instead of setting parameter.grad."
            )
    return found


def _require_unchanged(function: Differentiable, before: dict[str, Array], when: str) -> None:
    for name, value in function.values.items():
        if not bool(function.backend.xp.array_equal(value, before[name], equal_nan=True)):
            raise GradientCheckError(f"{function.label}: {when} writes into {name!r}. Compute into a new array.")


def _complaint(result: GradientCheck) -> str:
    worst = result.worst
    wrong = [c.name for c in result.comparisons if not c.error <= result.tolerance]
    said = "gave none (is add_grad missing?)" if worst.missing else f"gave a slope of {worst.analytic:.9g}"
    others = f" Wrong are: {', '.join(wrong)}." if len(wrong) > 1 else ""
    return (
        f"{result.label}: the gradient of {worst.name!r} is wrong: backward {said}, differences say "
        f"{worst.numeric:.9g}; relative error {worst.error:.1e}, allowed {result.tolerance:g}.{others}"
    )
