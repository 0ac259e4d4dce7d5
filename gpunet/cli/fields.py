"""Kinds of settings: what a key of a settings file may hold."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gpunet.errors import DataError


@dataclass(frozen=True, slots=True)
class Field:
    """One key.

    Attributes:
        kind: "text", "integer", "number", "flag", "numbers", "integers", "size" or "table" (anything).
        default: value of an absent key; None leaves it absent.
        minimum, maximum: of numbers.
        above: numbers must be above ``minimum``, not equal to it.
        choices: the only values that a text may have.
    """

    kind: str
    default: Any = None
    minimum: float = -math.inf
    maximum: float = math.inf
    above: bool = False
    choices: tuple[str, ...] = ()

    def checked(self, value: Any, where: str) -> Any:
        """``value`` in the type of this field.

        Raises:
            DataError: beginning with ``where``: it is of another kind or out of range.
        """
        if not self._fits(value):
            nearest = nearest_to(value, self.choices) if self.choices and isinstance(value, str) else ""
            raise DataError(f"{where}: got {value!r}, wanted {self.wanted}.{nearest}")
        if self.kind == "number":
            return float(value)
        if self.kind == "numbers":
            return [float(item) for item in value]
        if self.kind == "table":
            return dict(value)
        return value

    @property
    def wanted(self) -> str:
        """What the key takes, for messages."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        text = {
            "text": "a text",
            "flag": "true or false",
            "integer": "an integer",
            "number": "a number",
            "numbers": "a list of numbers",
            "integers": "a list of integers",
            "size": "an integer or [rows, columns]",
            "table": "a table",
        }[self.kind]
        if self.minimum > -math.inf:
            text += f" {'above' if self.above else 'of at least'} {self.minimum:g}"
        if self.maximum < math.inf:
            text += f"{' and' if self.minimum > -math.inf else ''} at most {self.maximum:g}"
        return text

    def _fits(self, value: Any) -> bool:
        match self.kind:
            case "text":
                return isinstance(value, str) and (not self.choices or value in self.choices)
            case "flag":
                return isinstance(value, bool)
            case "integer":
                return self._in_range(value, whole=True)
            case "number":
                return self._in_range(value, whole=False)
            case "numbers" | "integers":
                whole = self.kind == "integers"
                return isinstance(value, list) and all(self._in_range(item, whole) for item in value)
            case "size":
                sizes = value if isinstance(value, list) and len(value) == 2 else [value]
                return all(self._in_range(item, whole=True) for item in sizes)
            case _:
                return isinstance(value, Mapping)

    def _in_range(self, value: Any, whole: bool) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not math.isfinite(value):
            return False
        return self.minimum <= value <= self.maximum and not (self.above and value == self.minimum)


def nearest_to(word: object, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` if one of the known words is like ``word``, else an empty text."""
    nearest = difflib.get_close_matches(str(word), list(known), n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""


def checked_table(values: Mapping[str, Any], fields: Mapping[str, Field], where: str) -> dict[str, Any]:
    """The values of a table, each checked; absent keys stay absent.

    Args:
        values: as read from TOML.
        fields: the keys that there are.
        where: the file, and the table in it, for messages.

    Raises:
        DataError: naming file and key: an unknown key, with the nearest known one, or a value that does not fit.
    """
    for key in values:
        if key not in fields:
            raise DataError(
                f"{where}: there is no key {key!r}.{nearest_to(key, fields)} Known here: {', '.join(fields)}."
            )
    return {key: fields[key].checked(value, f"{where}: {key}") for key, value in values.items()}


def with_defaults(values: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    """``values`` with the defaults of the absent keys, in the order of ``fields``."""
    full = {key: values.get(key, field.default) for key, field in fields.items()}
    return {key: value for key, value in full.items() if value is not None}
