from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpunet import DataError
from gpunet.training.toml_file import read_toml, to_toml, write_toml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), TEXTS)
VALUES = st.recursive(
    st.one_of(SCALARS, st.lists(SCALARS, max_size=3)), lambda inner: st.dictionaries(TEXTS, inner, max_size=3)
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_written_is_read(values: dict[str, Any]) -> None:
    text = to_toml(values)
    read = tomllib.loads(text)
    assert read == values
    assert to_toml(read) == text


def test_the_form() -> None:
    values = {
        "name": 'a "b" \\ \x7f',
        "flag": True,
        "absent": None,
        "path": Path("runs/x"),
        "pair": (1, 2.5),
        "table": {"key with space": 1e-05, "inner": {"deep": []}},
        "groups": [{"lr": 0.1, "absent": None}],
    }
    assert to_toml(values).splitlines() == [
        'name = "a \\"b\\" \\\\ \\u007f"',
        "flag = true",
        'path = "runs/x"',
        "pair = [1, 2.5]",
        "groups = [{lr = 0.1}]",
        "",
        "[table]",
        '"key with space" = 1e-05',
        "",
        "[table.inner]",
        "deep = []",
    ]


def test_what_toml_cannot_hold() -> None:
    with pytest.raises(DataError, match="TOML cannot hold"):
        to_toml({"key": object()})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    write_toml(tmp_path / "good.toml", {"a": 1})
    assert read_toml(tmp_path / "good.toml") == {"a": 1}
    (tmp_path / "broken.toml").write_text("a = 1\nb = \n")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    for name, message in [
        ("absent.toml", "there is no such file"),
        ("broken.toml", r"is no TOML: .*line 2"),
        ("bytes.toml", "no text in UTF-8"),
        (".", "could not be read: Is a directory"),
    ]:
        with pytest.raises(DataError, match=message):
            read_toml(tmp_path / name)
