"""Which nodes of a file are needed, in an order in which they can be computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from gpunet.errors import DataError


def needed_in_order(nodes: Iterable[Any], given: Sequence[str], outputs: Sequence[str], label: str) -> list[Any]:
    """The nodes that the outputs depend on, each after those whose values it uses.

    Args:
        nodes: NodeProtos.
        given: names of inputs and initializers.
        outputs: names of what is wanted.
        label: of the file.

    Raises:
        DataError: a value is made twice or by nobody, or nodes wait for each other in a circle.
    """
    nodes = list(nodes)
    makers = {name: node for node in nodes for name in node.output if name}
    counts = Counter(name for node in nodes for name in node.output if name)
    for name in [*(name for name, count in counts.items() if count > 1), *(name for name in given if name in makers)]:
        raise DataError(f"{label}: the value {name!r} is made more than once.")
    known, result = set(given), []
    state: dict[int, str] = {}
    for output in outputs:
        stack = [(output, "the graph's output")]
        while stack:
            name, user = stack[-1]
            if name in known:
                stack.pop()
                continue
            node = makers.get(name)
            if node is None:
                raise DataError(f"{label}: {user} uses {name!r}, which neither a node nor an input makes.")
            missing = [used for used in node.input if used and used not in known]
            if not missing:
                known.update(made for made in node.output if made)
                result.append(node)
                state[id(node)] = "done"
                stack.pop()
                continue
            if state.get(id(node)) == "open" and any(
                used in makers and state.get(id(makers[used])) == "open" for used in missing
            ):
                raise DataError(f"{label}: {_called(node)} waits for its own output: the graph has a circle.")
            state[id(node)] = "open"
            stack.extend((used, _called(node)) for used in missing)
    return result


def _called(node: Any) -> str:
    return f"ONNX node {node.op_type} {node.name or next(iter(node.output), '')!r}"
