"""ONNX's published cases, run through our importer: what passes, what is refused and why, what is wrong.

``python tests/onnx_cases.py`` prints the table per operator, ``python tests/onnx_cases.py Conv`` the cases of one.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import gpunet as gn
from gpunet.errors import GpunetError
from gpunet.interop.onnx.importing import load
from gpunet.interop.onnx.registry import OPERATORS

FOLDERS = ("pytorch-converted", "pytorch-operator", "simple")


@dataclass(frozen=True)
class PublishedCase:
    """A model with inputs and the outputs that it must give.

    Attributes:
        name: as ONNX calls it.
        operator: of its one node, or what its name says of the function whose body it is.
        model: a ModelProto.
        inputs, outputs: arrays.
        rtol, atol: allowed by ONNX.
    """

    name: str
    operator: str
    model: Any
    inputs: list[Any]
    outputs: list[Any]
    rtol: float
    atol: float


@dataclass(frozen=True)
class Result:
    """What became of a case: "passed", "refused" or "wrong", and why."""

    outcome: str
    reason: str = ""


@cache
def node_cases() -> tuple[PublishedCase, ...]:
    """The vectors that ONNX makes for each operator, and for the bodies of those that are functions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        found = collect_testcases(None)
    cases, owners = [], {}
    for case in found:
        nodes = case.model.graph.node
        name = case.name.removeprefix("test_")
        if "_expanded" not in name:
            owners[name] = nodes[0].op_type if len(nodes) == 1 else "several"
        owner = owners.get(name.partition("_expanded")[0], "several")
        for inputs, outputs in case.data_sets:
            given, wanted = map(_plain, inputs), map(_plain, outputs)
            cases.append(PublishedCase(name, owner, case.model, list(given), list(wanted), case.rtol, case.atol))
    return tuple(cases)


@cache
def file_cases() -> tuple[PublishedCase, ...]:
    """The models that PyTorch wrote and a few simple ones, which come as files."""
    import onnx
    from onnx import numpy_helper

    root = Path(onnx.__file__).parent / "backend" / "test" / "data"
    cases = []
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*/model.onnx")):
            model = onnx.load(path)
            arrays: dict[str, list[Any]] = {"input": [], "output": []}
            for kind, found in arrays.items():
                data = path.parent / "test_data_set_0"
                for number in range(len(list(data.glob(f"{kind}_*.pb")))):
                    tensor = onnx.TensorProto()
                    tensor.ParseFromString((data / f"{kind}_{number}.pb").read_bytes())
                    found.append(numpy_helper.to_array(tensor))
            name = f"{folder}/{path.parent.name.removeprefix('test_')}"
            cases.append(PublishedCase(name, folder, model, arrays["input"], arrays["output"], 1e-3, 1e-7))
    return tuple(cases)


def with_constants(model: Any, inputs: list[Any], flows: Any) -> tuple[Any, list[np.ndarray]]:
    """The model with some inputs made initializers, as weights and settings stand in a file.

    Args:
        flows: whether an input, by its number and array, stays one.
    """
    import onnx
    from onnx import numpy_helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.ir_version = max(4, copy.ir_version)  # before, an initializer had to be an input as well
    names = [info.name for info in copy.graph.input]
    given = {tensor.name for tensor in copy.graph.initializer}
    data = [name for name in names if name not in given]
    kept = []
    for number, (name, array) in enumerate(zip(data, inputs, strict=False)):
        if flows(number, array):
            kept.append(array)
        else:
            copy.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    rest = [info for info in copy.graph.input if info.name not in {t.name for t in copy.graph.initializer}]
    del copy.graph.input[:]
    copy.graph.input.extend(rest)
    return copy, kept


def _plain(value: Any) -> Any:
    """Scalars as arrays, and half precision, in which a net of ours does not compute, as float32."""
    array = np.asarray(value) if isinstance(value, np.generic | np.ndarray) else value
    is_half = isinstance(array, np.ndarray) and array.dtype.name in {"float16", "bfloat16"}
    return array.astype(np.float32) if is_half else array


def _floats(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.ndim > 0


def imported(case: PublishedCase) -> tuple[gn.Module, list[np.ndarray]]:
    """The case as a net and the inputs that it takes.

    All floating inputs flow through the net; where that is refused, as for weights, the first alone does. Others are
    settings, such as shapes and axes: they become constants.
    """
    try:
        model, inputs = with_constants(case.model, case.inputs, lambda _, array: _floats(array))
        return load(model), inputs
    except GpunetError:
        model, inputs = with_constants(case.model, case.inputs, lambda number, array: number == 0 and _floats(array))
        return load(model), inputs


def unsuitable(case: PublishedCase) -> str:
    """Why a case is none for a net that trains, or nothing."""
    if not all(isinstance(array, np.ndarray) for array in [*case.inputs, *case.outputs]):
        return "sequences, optional values or text"
    if case.inputs and not any(_floats(array) for array in case.inputs):
        return f"takes {', '.join(sorted({str(array.dtype) for array in case.inputs}))}, no floating arrays"
    if all(array.dtype.kind != "f" for array in case.outputs):
        return f"makes {', '.join(sorted({str(array.dtype) for array in case.outputs}))}, no floating numbers"
    if case.operator == "Dropout" and case.name.startswith("training") and "zero_ratio" not in case.name:
        return "a random mask in training: other numbers than ours"
    return ""


def run(case: PublishedCase) -> Result:
    """Import the case, compute it, and compare."""
    reason = unsuitable(case)
    try:
        if reason:
            load(case.model)
            return Result("refused", reason)
        net, inputs = imported(case)
        outputs = net.forward(*inputs, training=case.name.startswith("training"))
    except GpunetError as error:
        return Result("refused", reason or str(error))
    return compared(case, outputs if isinstance(outputs, tuple) else (outputs,))


def compared(case: PublishedCase, outputs: tuple[Any, ...]) -> Result:
    """Values, shapes and types of the outputs."""
    for got, wanted in zip(outputs, case.outputs, strict=True):
        array = np.asarray(got)
        if array.shape != wanted.shape or array.dtype != wanted.dtype:
            return Result("wrong", f"{array.dtype} {array.shape} instead of {wanted.dtype} {wanted.shape}")
        half = "float16" in case.name
        if not np.allclose(array, wanted, rtol=1e-2 if half else case.rtol, atol=max(case.atol, 1e-6), equal_nan=True):
            return Result("wrong", f"differs by {np.abs(array - wanted).max():.3g}")
    return Result("passed")


def cases_of_known_operators() -> Iterator[PublishedCase]:
    """Those of the operators that can be imported, and all that come as files."""
    for case in node_cases():
        if case.operator in OPERATORS:
            yield case
    yield from file_cases()


def table(results: dict[str, list[tuple[PublishedCase, Result]]]) -> str:
    """Counts per operator, and the reasons for refusals."""
    lines = [f"{'operator':28} {'passed':>6} {'refused':>7} {'wrong':>5}  reasons of refusals"]
    totals: Counter[str] = Counter()
    for operator in sorted(results):
        counts = Counter(result.outcome for _, result in results[operator])
        totals.update(counts)
        reasons = Counter(short(result.reason) for _, result in results[operator] if result.outcome == "refused")
        text = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        lines.append(f"{operator:28} {counts['passed']:6} {counts['refused']:7} {counts['wrong']:5}  {text}".rstrip())
    lines.append(f"{'total':28} {totals['passed']:6} {totals['refused']:7} {totals['wrong']:5}")
    return "\n".join(lines)


def short(reason: str) -> str:
    """A reason without the names in front of it."""
    return reason.rpartition("): ")[2][:90]


def main(wanted: list[str]) -> None:
    results = defaultdict(list)
    for case in cases_of_known_operators():
        if not wanted or case.operator in wanted or case.name in wanted:
            results[case.operator].append((case, run(case)))
    for rows in results.values():
        for case, result in rows:
            if result.outcome == "wrong" or wanted:
                print(f"{result.outcome:8} {case.operator} {case.name}: {result.reason}")
    print(table(results))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(sys.argv[1:])
