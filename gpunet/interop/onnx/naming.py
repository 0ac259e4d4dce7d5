"""Names of the modules of an imported graph."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from gpunet.interop.onnx.node import Node


def module_name(node: Node, taken: AbstractSet[str]) -> str:
    """A name that is not taken: that which the weights have in the file, else the node's.

    A node with the weights ``layer1.0.conv1.weight`` and ``layer1.0.conv1.bias`` is called ``layer1.0.conv1``, so that
    the keys of the state dict are the names of the file.
    """
    wanted = _of_weights(node) or node.name.strip("/") or node.op.lower()
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def _of_weights(node: Node) -> str:
    prefixes = set()
    for index, binding in node.bindings.items():
        value = node.inputs[index]
        assert value is not None
        prefix, dot, last = value.name.rpartition(".")
        if not (dot and last == binding.attribute.rpartition(".")[2]):
            return ""
        prefixes.add(prefix)
    return prefixes.pop() if len(prefixes) == 1 else ""
