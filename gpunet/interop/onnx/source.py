"""What an imported graph remembers of its file, for writing it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunet.interop.onnx.node import Binding


@dataclass(frozen=True)
class Reference:
    """Where one input of a node comes from.

    Attributes:
        kind: "value", another value of the graph; "parameter", what the node's module holds; "constant"; or "absent".
        name: in the file.
        content: of the constant.
        binding: of the parameter.
    """

    kind: str
    name: str = ""
    content: np.ndarray | None = None
    binding: Binding | None = None


@dataclass(frozen=True)
class NodeSource:
    """A node as it stands in the file.

    Attributes:
        proto: a NodeProto; None for a constant that is an output of the graph.
        inputs: one for each input.
    """

    proto: Any
    inputs: tuple[Reference, ...]


@dataclass(frozen=True)
class GraphSource:
    """The file.

    Attributes:
        opset: version of ONNX's operators.
        ir_version: of the format.
    """

    opset: int
    ir_version: int
