"""A table of a net's layers, measured by sending an empty batch through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpunet.layers.observation import Event

if TYPE_CHECKING:
    from gpunet.layers.module import Module

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One line of the table.

    Attributes:
        name: path in the net.
        kind: class of the layer.
        output_shape: without the batch.
        parameters: how many numbers it learns.
        operations: floating-point operations (FLOPs) of one forward pass over one sample; a multiply-add counts as 2.
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int
    operations: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The table and its sums; ``str`` shows it.

    Attributes:
        layers: the layers that have no children, in the order in which they computed.
        parameters: numbers that the net learns; shared ones count once.
        operations: floating-point operations (FLOPs) of one forward pass over one sample; a multiply-add counts as 2.
        activations: numbers that leave the layers for one sample.
    """

    layers: tuple[LayerSummary, ...]
    input_shapes: tuple[Shape, ...]
    parameters: int
    operations: int
    activations: int

    def __str__(self) -> str:
        return self.table()

    def table(self, *columns: tuple[str, ...]) -> str:
        """The table, with more columns at its right.

        Args:
            columns: each a head, a cell for each layer, and one for the sums.
        """
        head = ("layer", "output shape", "parameters", "FLOPs")
        rows = [
            (f"{line.name} {line.kind}".strip(), str(line.output_shape), f"{line.parameters:,}", f"{line.operations:,}")
            for line in self.layers
        ]
        rows.append(("total", "", f"{self.parameters:,}", f"{self.operations:,}"))
        beside = zip(*columns, strict=True) if columns else [()] * (len(rows) + 1)
        cells = [(*row, *more) for row, more in zip([head, *rows], beside, strict=True)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

        def line(row: tuple[str, ...]) -> str:
            aligned = (
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            return "  ".join(aligned)

        ruler = line(tuple("-" * width for width in widths))
        return "\n".join([line(cells[0]), ruler, *map(line, cells[1:-1]), ruler, line(cells[-1])])


def summarize(net: Module, *input_shapes: Shape) -> Summary:
    """See `Module.summary`."""
    lines: list[LayerSummary] = []

    def observe(event: Event) -> None:
        if event.direction != "forward" or event.stage != "after" or any(True for _ in event.module.children()):
            return
        output_shape = tuple(event.outputs[0].shape[1:])
        lines.append(
            LayerSummary(
                name=event.name,
                kind=type(event.module).__name__,
                output_shape=output_shape,
                parameters=sum(_size(parameter.shape) for parameter in event.module.parameters()),
                operations=event.module.operations(tuple(event.inputs[0].shape[1:]), output_shape),
            )
        )

    dtype = net.dtype or np.dtype("float32")
    empty = [net.backend.asarray(np.empty((0, *shape), dtype)) for shape in input_shapes]
    with net.observe(observe):
        net.forward(*empty)
    return Summary(
        layers=tuple(lines),
        input_shapes=tuple(tuple(shape) for shape in input_shapes),
        parameters=sum(_size(parameter.shape) for parameter in net.parameters()),
        operations=sum(line.operations for line in lines),
        activations=sum(_size(line.output_shape) for line in lines),
    )


def _size(shape: Shape) -> int:
    return int(np.prod(shape, dtype=np.int64))
