"""What each epoch achieved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gpunet.errors import CheckpointError, StateError

Record = dict[str, Any]

_ORDER = ("epoch", "step", "lr", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
_REQUIRED = ("epoch", "train_loss")


class History:
    """One record an epoch, in order.

    A record has ``epoch`` (from 1), ``step`` (optimizer steps since the start), ``lr``, ``train_loss``, and as far as
    they were measured ``train_accuracy``, ``validation_loss`` and ``validation_accuracy`` (shares from 0 to 1). The
    training figures are running means over the epoch, of a net that still changes, augmentation and dropout included.
    No record holds a time, so equal runs have equal histories.

    ``history["train_loss"]`` is the list over the epochs, ``history.last`` the latest record.
    """

    def __init__(self, records: Sequence[Mapping[str, Any]] = ()) -> None:
        self.records: list[Record] = [dict(record) for record in records]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __getitem__(self, key: str) -> list[Any]:
        if self.records and key not in self.records[-1]:
            raise StateError(f"history: {key!r} was not measured; there are {', '.join(self.records[-1])}.")
        return [record[key] for record in self.records]

    def append(self, record: Mapping[str, Any]) -> None:
        """Add the record of one more epoch."""
        self.records.append(dict(record))

    @property
    def last(self) -> Record:
        """The latest record.

        Raises:
            StateError: no epoch has ended yet.
        """
        if not self.records:
            raise StateError("history: no epoch has ended yet.")
        return self.records[-1]

    def to_json_lines(self) -> str:
        """One line of JSON for each record: the content of ``metrics.jsonl``."""
        return "".join(f"{json.dumps(_ordered(record))}\n" for record in self.records)

    @classmethod
    def from_json_lines(cls, text: str, source: Any) -> History:
        """From the content of a ``metrics.jsonl``.

        Raises:
            CheckpointError: naming ``source`` and the line that is no record of an epoch.
        """
        records = []
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if not isinstance(record, dict) or not all(_is_number(record.get(key)) for key in _REQUIRED):
                raise CheckpointError(f"{source}: line {number} is no record of an epoch: {line[:60]!r}.")
            wrong = [key for key in _ORDER if key in record and not _is_number(record[key])]
            if wrong:
                raise CheckpointError(f"{source}: line {number}: {wrong[0]} is {record[wrong[0]]!r}, wanted a number.")
            records.append(record)
        return cls(records)

    def __repr__(self) -> str:
        return f"History({len(self.records)} epochs{f', last: {self.records[-1]}' if self.records else ''})"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(record: Record) -> Record:
    """The same, known keys first: a record that was read from a checkpoint has another order than a new one."""
    return {key: record[key] for key in (*_ORDER, *sorted(record.keys() - set(_ORDER))) if key in record}
