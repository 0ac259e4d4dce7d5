"""What a kernel may cost at most, as a file that is read, compared and, when asked, written anew."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEADER = """\
# What each kernel may cost, over all generations, window sizes and block sizes that the library launches it with:
# `python -m benchmarks.static_kernels` fails when one costs more. Written by its --update-budgets, which shows what
# changes; `reason`, and budgets beyond [limits], are written by hand and kept.
#   registers           of a thread, at most; rounded up to 8, the unit in which a GPU gives them
#   shared_bytes        of a block, at most
#   occupancy           share of the warps a multiprocessor could hold that are resident, at least
#   sectors_over_ideal  32-byte sectors that a warp touches, to those that its bytes would fill, at most
#   traffic_over_floor  bytes that warps ask of the first-level cache, to the distinct bytes among them, at most
# The last two are counted by the tracer of the emulator, on the small arrays of benchmarks/kernel_workloads.py.
"""

# Figures that must not be larger than the budget; occupancy alone must not be smaller.
_AT_MOST = ("registers", "shared_bytes", "stack_bytes", "spill_bytes", "sectors_over_ideal", "traffic_over_floor")
FIGURES = (*_AT_MOST, "occupancy")
_TRACED = ("sectors_over_ideal", "traffic_over_floor")
_KEPT = ("stack_bytes", "spill_bytes")  # never raised by an update: local memory is allowed by hand or not at all
REGISTER_STEP = 8


class BudgetError(Exception):
    """The file cannot be used; the message says where and why."""


def _rounded_up(value: float) -> float:
    """To two significant digits: another g++ under the tracer may count a little more."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return round(math.ceil(value / unit - 1e-9) * unit, 9)


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        kernel: as "pooling.max_pool2d".
        dtype: "float32" or "float64".
        name: one of `FIGURES`.
        value: the number.
        where: what it was measured on, as "sm_90, 3x3/2".
    """

    kernel: str
    dtype: str
    name: str
    value: float
    where: str

    def exceeds(self, budget: float) -> bool:
        """Whether this is worse than ``budget``."""
        return self.value < budget if self.name == "occupancy" else self.value > budget

    @property
    def budget(self) -> float:
        """The budget that an update gives it."""
        if self.name == "registers":
            return math.ceil(self.value / REGISTER_STEP) * REGISTER_STEP
        if self.name == "occupancy":
            return math.floor(self.value * 100) / 100
        if self.name in _TRACED:
            return _rounded_up(self.value)
        return self.value


@dataclass
class Budgets:
    """The file's content.

    Attributes:
        limits: figure to what no kernel may exceed without a reason.
        kernels: kernel to dtype to figure to budget.
        reasons: kernel to why it exceeds a limit.
    """

    limits: dict[str, float]
    kernels: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def limit(self, figure: Figure) -> float | None:
        """What holds for a figure: the kernel's own budget, else the limit of all."""
        own = self.kernels.get(figure.kernel, {}).get(figure.dtype, {})
        return own.get(figure.name, self.limits.get(figure.name))

    def faults(self, figures: Iterable[Figure]) -> list[str]:
        """One line for each kernel, dtype and figure that is over its budget or has none; and for budgets that are
        themselves beyond the limits without a reason."""
        over: dict[tuple[str, str, str], list[Figure]] = {}
        missing: dict[tuple[str, str], set[str]] = {}
        for figure in figures:
            budget = self.limit(figure)
            if budget is None:
                missing.setdefault((figure.kernel, figure.dtype), set()).add(figure.name)
            elif figure.exceeds(budget):
                over.setdefault((figure.kernel, figure.dtype, figure.name), []).append(figure)
        found = [self._excess(several) for several in over.values()]
        for (kernel, dtype), names in missing.items():
            found.append(f"{kernel} ({dtype}) has no budget of {', '.join(sorted(names))}: run with --update-budgets")
        return found + self._unreasoned()

    def _excess(self, figures: Sequence[Figure]) -> str:
        worst = figures[0]
        for figure in figures[1:]:
            worst = figure if figure.exceeds(worst.value) else worst
        others = f" and {len(figures) - 1} more" if len(figures) > 1 else ""
        budget = self.limit(worst)
        assert budget is not None
        return (
            f"{worst.kernel} ({worst.dtype}, {worst.where}{others}): {worst.name} is {shown(worst.value)}, "
            f"budget {shown(budget)}"
        )

    def _unreasoned(self) -> list[str]:
        return [
            f"{kernel} ({dtype}): its budget of {name}, {shown(own[name])}, is beyond the limit {shown(limit)}; "
            "give a reason in the file"
            for kernel, dtypes in self.kernels.items()
            if not self.reasons.get(kernel)
            for dtype, own in dtypes.items()
            for name, limit in self.limits.items()
            if name in own and Figure(kernel, dtype, name, own[name], "").exceeds(limit)
        ]

    def stale(self, kernels: Iterable[str]) -> list[str]:
        """Kernels that have a budget and do not exist."""
        return sorted(self.kernels.keys() - set(kernels))

    def updated(self, figures: Iterable[Figure], existing: Iterable[str]) -> Budgets:
        """Budgets that just hold ``figures``; what was not measured keeps its budget, and so does local memory.

        Args:
            figures: of some or all kernels, on every generation.
            existing: names of all kernels; budgets of others are forgotten.
        """
        worst: dict[tuple[str, str, str], Figure] = {}
        for figure in figures:
            key = (figure.kernel, figure.dtype, figure.name)
            if figure.name not in _KEPT and (key not in worst or figure.exceeds(worst[key].value)):
                worst[key] = figure
        left = set(existing)
        kernels = {
            kernel: {dtype: dict(own) for dtype, own in dtypes.items()}
            for kernel, dtypes in self.kernels.items()
            if kernel in left
        }
        for (kernel, dtype, name), figure in worst.items():
            kernels.setdefault(kernel, {}).setdefault(dtype, {})[name] = figure.budget
        reasons = {kernel: reason for kernel, reason in self.reasons.items() if kernel in left}
        return Budgets(dict(self.limits), kernels, reasons)

    def text(self) -> str:
        """The file."""
        lines = [HEADER, "[limits]", *_assignments(self.limits)]
        for kernel in sorted(self.kernels):
            if kernel in self.reasons:
                lines += ["", f"[{kernel}]", f"reason = {_quoted(self.reasons[kernel])}"]
            for dtype in sorted(self.kernels[kernel]):
                lines += ["", f"[{kernel}.{dtype}]", *_assignments(self.kernels[kernel][dtype])]
        return "\n".join(lines) + "\n"


def read(path: Path) -> Budgets:
    """The budgets in a file.

    Raises:
        BudgetError: it is not there, is no TOML, or has a key or value that means nothing.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BudgetError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BudgetError(f"{path} is no TOML: {error}") from None
    if "limits" not in content:
        raise BudgetError(f"{path} has no [limits]")
    budgets = Budgets(_numbers(path, "limits", content.pop("limits")))
    for file, kernels in content.items():
        for name, entry in _table(path, file, kernels).items():
            kernel = f"{file}.{name}"
            own = dict(_table(path, kernel, entry))
            reason = own.pop("reason", None)
            if reason is not None:
                budgets.reasons[kernel] = str(reason)
            budgets.kernels[kernel] = {
                dtype: _numbers(path, f"{kernel}.{dtype}", values) for dtype, values in own.items()
            }
    return budgets


def _table(path: Path, name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BudgetError(f"{path}: {name} must be a table, got {value!r}")
    return value


def _numbers(path: Path, name: str, value: Any) -> dict[str, float]:
    table = dict(_table(path, name, value))
    for key, number in table.items():
        if key not in FIGURES:
            raise BudgetError(f"{path}: [{name}] has {key!r}, which is none of {', '.join(FIGURES)}")
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise BudgetError(f"{path}: [{name}] {key} must be a number, got {number!r}")
    return table


def _assignments(values: Mapping[str, float]) -> list[str]:
    return [f"{name} = {shown(values[name])}" for name in FIGURES if name in values]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def shown(value: float) -> str:
    """A number as people write it."""
    return str(value) if isinstance(value, int) else f"{value:.4g}"
