"""What `compare` found, as numbers and as a table."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gpunet.verify.differences import Difference

_NAMED = 4  # layers that one line names


@dataclass(frozen=True, slots=True)
class PassComparison:
    """One layer's forward or backward: the array of it that is worst.

    Attributes:
        array: "output", the "input" whose gradient it is, a parameter's name, or "to NAME": what a container gives to
            a layer in it.
        between: how far the second backend is from the first, both given the same.
        reference: how far each backend is from float64 that was given the same.
        shares: the largest error of each backend's elements, in units of what rounding may make of that element.
        carried: how far the second backend is from the first where each goes on with its own results, so that what
            was rounded before the layer counts too; not judged.
    """

    array: str
    between: Difference
    reference: tuple[Difference, Difference]
    shares: tuple[float, float]
    carried: Difference

    @property
    def ok(self) -> bool:
        """Whether rounding explains both backends' errors."""
        return max(self.shares) <= 1


@dataclass(frozen=True, slots=True)
class LayerComparison:
    """One layer.

    Attributes:
        name: its path; empty for the net itself.
        kind: its class.
        forward, backward: None where it took no part.
    """

    name: str
    kind: str
    forward: PassComparison | None
    backward: PassComparison | None

    @property
    def passes(self) -> list[tuple[str, PassComparison]]:
        """("forward" or "backward", what was found)."""
        both = (("forward", self.forward), ("backward", self.backward))
        return [(direction, found) for direction, found in both if found is not None]

    @property
    def ok(self) -> bool:
        """Whether rounding explains all of its errors."""
        return all(found.ok for _, found in self.passes)

    @property
    def differs(self) -> bool:
        """Whether anything differs at all, even by rounding."""
        return any(
            difference.absolute > 0 for _, found in self.passes for difference in (found.between, *found.reference)
        )


@dataclass(frozen=True, slots=True)
class WholeNet:
    """The net's results where each backend goes on with its own.

    Attributes:
        outputs, gradients: how far the second backend is from the first; of the gradients, the parameter whose
            difference is largest next to its scale.
        parameter: that parameter's path, or empty without any.
        reference: how far each backend's outputs are from float64.
    """

    outputs: Difference
    gradients: Difference
    parameter: str
    reference: tuple[Difference, Difference]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` found; ``str`` shows it as a table.

    Attributes:
        label: the net.
        backends: names of the two.
        dtype: that both computed in.
        batch: how many samples.
        rows: the layers, in the order in which they computed. Containers are left out where they only pass on.
        whole: the net's results.
    """

    label: str
    backends: tuple[str, str]
    dtype: str
    batch: int
    rows: tuple[LayerComparison, ...]
    whole: WholeNet

    @property
    def ok(self) -> bool:
        """Whether rounding explains all differences."""
        return not self.failures

    @property
    def failures(self) -> list[LayerComparison]:
        """The layers with an error that rounding does not explain, in order."""
        return [row for row in self.rows if not row.ok]

    @property
    def verdict(self) -> str:
        """The result in one line; it names the layers that are wrong, the first ones if there are many."""
        if self.ok:
            return f"all {len(self.rows)} layers agree within their expected rounding"
        count = len(self.failures)
        named = [self._complaint(row) for row in self.failures[:_NAMED]]
        if count > _NAMED:
            named.append(f"and {count - _NAMED} more")
        exceed = "layers exceeds its" if count == 1 else "layers exceed their"
        return f"{count} of {len(self.rows)} {exceed} expected rounding: {'; '.join(named)}"

    def _complaint(self, row: LayerComparison) -> str:
        parts = []
        for direction, found in row.passes:
            if not found.ok:
                worst = self.backends[found.shares.index(max(found.shares))]
                array = found.array if direction == "forward" else f"gradient of {found.array}"
                infinite = math.isinf(max(found.shares))
                times = "none is expected" if infinite else f"{_figure(max(found.shares))} times that"
                parts.append(f"{direction} ({array} of {worst}, {times})")
        return f"{row.kind} '{row.name}' {' and '.join(parts)}"

    def __str__(self) -> str:
        first, second = self.backends
        head = ("layer", "kind", "pass", "array", "largest", "relative", "ulps", first, second, "share", "carried", "")
        cells = [head, *(self._cells(row, *found) for row in self.rows for found in row.passes)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
        ruler = "  ".join("-" * width for width in widths[:-1])
        lines = [_line(row, widths) for row in cells]
        return "\n".join([self._title(), "", lines[0], ruler, *lines[1:], ruler, *self._summary()])

    def _cells(self, row: LayerComparison, direction: str, found: PassComparison) -> tuple[str, ...]:
        between = found.between
        return (
            row.name or "(net)",
            row.kind,
            direction,
            found.array,
            _figure(between.absolute),
            _figure(between.relative),
            _figure(between.ulps),
            *(_figure(difference.ulps) for difference in found.reference),
            _figure(max(found.shares)),
            _figure(found.carried.relative),
            "" if found.ok else "<-- exceeds",
        )

    def _title(self) -> str:
        first, second = self.backends
        samples = "sample" if self.batch == 1 else "samples"
        return "\n".join(
            [
                f"{self.label}: {first} and {second}, {self.dtype}, {self.batch} {samples}",
                f"largest, relative (to the layer's scale), ulps: {second} from {first}, given the same input",
                f"{first}, {second}: ulps of each from float64, given the same; share: of the rounding expected there",
                "carried: relative difference where each backend goes on with its own results, which may turn a ReLU",
                "  or the choice of a maximum; not judged",
            ]
        )

    def _summary(self) -> list[str]:
        whole, (first, second) = self.whole, self.backends
        outputs, (first_off, second_off) = whole.outputs, whole.reference
        text = (
            f"whole net: outputs of {second} are numpy.allclose to those of {first} with rtol=0 and "
            f"atol={_figure(outputs.absolute)},\n"
            f"  {_figure(outputs.relative)} of their scale ({_figure(outputs.ulps)} ulps); from float64, {first} is "
            f"{_figure(first_off.relative)} and {second} {_figure(second_off.relative)} of it"
        )
        if whole.parameter:
            text += (
                f"\n  gradients differ most in {whole.parameter}: atol={_figure(whole.gradients.absolute)}, "
                f"{_figure(whole.gradients.relative)} of their scale"
            )
        return [text, self.verdict]


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    """Names to the left, figures to the right."""
    cells = [
        cell.ljust(width) if column < 4 or column == len(row) - 1 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _figure(value: float) -> str:
    """Two significant digits."""
    if value == 0 or math.isinf(value):
        return "0" if value == 0 else "inf"
    if 0.01 <= value < 1000:
        return f"{value:.2g}" if value < 100 else f"{value:.0f}"
    return f"{value:.1e}"
