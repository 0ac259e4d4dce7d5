"""In which order the nodes of a `Graph` compute, which ones together, and when a value is no longer needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from gpunet.errors import StateError


def ordered(inputs: Sequence[str], nodes: Sequence[Any], outputs: Sequence[str]) -> tuple[Any, ...]:
    """The nodes so that each comes after those whose values it uses; else in the order given.

    Raises:
        StateError: a name is made twice or by nobody, or nodes wait for each other in a circle.
    """
    _check_names(inputs, nodes)
    known, result, waiting = set(inputs), [], list(nodes)
    made = known.union(*(node.outputs for node in nodes))
    for user, name in [*((node.name, name) for node in nodes for name in needs(node)), *(("", n) for n in outputs)]:
        if name not in made:
            raise StateError(
                f"Graph: {f'node {user!r} uses' if user else 'the output is'} {name!r}, which nobody makes. "
                f"Name an input of the graph or an output of a node."
            )
    while waiting:
        later = []
        for node in waiting:
            if all(name in known for name in needs(node)):
                known.update(node.outputs)
                result.append(node)
            else:
                later.append(node)
        if len(later) == len(waiting):
            circle = ", ".join(repr(node.name) for node in later[:8])
            raise StateError(f"Graph: nodes wait for each other's values in a circle; among them are {circle}.")
        waiting = later
    return tuple(result)


def needs(node: Any) -> tuple[str, ...]:
    """Names of all values that a node uses."""
    return (*node.inputs, *getattr(node, "settings", ()), *getattr(node, "shapes_of", ()))


def _check_names(inputs: Sequence[str], nodes: Sequence[Any]) -> None:
    values = Counter([*inputs, *(name for node in nodes for name in node.outputs if name)])
    modules = Counter(node.name for node in nodes if hasattr(node, "module"))
    for what, counts in (("value", values), ("node", modules)):
        for name, count in counts.items():
            if count > 1:
                raise StateError(f"Graph: {count} {what}s are called {name!r}. Give each a name of its own.")
            if not name:
                raise StateError(f"Graph: a {what} has an empty name.")


def groups(nodes: Sequence[Any], outputs: Sequence[str]) -> tuple[tuple[Any, ...], ...]:
    """The nodes in order, those together that are one after another with nothing else between them.

    In such a group every node but the last makes one value, which the next one alone uses.
    """
    uses = Counter([*(name for node in nodes for name in needs(node)), *outputs])
    users = {name: node for node in nodes for name in needs(node)}
    result: list[tuple[Any, ...]] = []
    taken: set[int] = set()
    for node in nodes:
        if id(node) in taken:
            continue
        group = [node]
        while _is_link(group[-1]) and uses[group[-1].outputs[0]] == 1:
            following = users.get(group[-1].outputs[0])
            if following is None or not _is_link(following):
                break
            group.append(following)
        taken.update(map(id, group))
        result.append(tuple(group))
    return tuple(result)


def _is_link(node: Any) -> bool:
    return (
        hasattr(node, "module")
        and not node.settings
        and len(node.inputs) == len(node.outputs) == 1
        and bool(node.outputs[0])
    )


def last_uses(steps: Sequence[Sequence[Any]], outputs: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """For each group, the names of the values that nobody uses after it."""
    last: dict[str, int] = {}
    for index, group in enumerate(steps):
        last |= dict.fromkeys((name for node in group for name in needs(node)), index)
    result: list[list[str]] = [[] for _ in steps]
    for name, index in last.items():
        if name not in outputs:
            result[index].append(name)
    return tuple(map(tuple, result))
