"""Settings as TOML: read by the standard library, written here, since it only reads."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpunet.errors import DataError
from gpunet.training.atomic_file import write_atomically

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The tables and values of a TOML file.

    Raises:
        DataError: it is missing, unreadable or no TOML; the line is named.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise DataError(f"{path}: could not be read: {error.strerror or error}.") from error
    except UnicodeDecodeError:
        raise DataError(f"{path}: is no text in UTF-8, wanted a TOML file.") from None
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path}: is no TOML: {error}.") from None


def write_toml(path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    """Write ``values`` as TOML, whole or not at all.

    Args:
        path: of the file.
        values: strings, booleans, integers, floats, lists, and mappings, which become tables. A key whose
            value is None is left out: TOML has no such value.

    Raises:
        CheckpointError: it could not be written; an older file is unchanged.
    """
    write_atomically(path, to_toml(values).encode())


def to_toml(values: Mapping[str, Any]) -> str:
    """``values`` as the text of a TOML file; see `write_toml`."""
    return "\n".join(_table(values, ())) + "\n"


def _table(values: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    values = {key: value for key, value in values.items() if value is not None}
    plain = [f"{_key(key)} = {_value(value)}" for key, value in values.items() if not isinstance(value, Mapping)]
    lines = [f"[{'.'.join(map(_key, path))}]", *plain] if path else plain
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += ["", *_table(value, (*path, key))]
    return lines


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    # JSON's escapes are TOML's, but for the one control character that JSON lets pass.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, str | os.PathLike):
        return _text(os.fspath(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):  # in a list
        return f"{{{', '.join(f'{_key(k)} = {_value(v)}' for k, v in value.items() if v is not None)}}}"
    raise DataError(f"TOML cannot hold {value!r}: use text, numbers, booleans, lists and tables.")
