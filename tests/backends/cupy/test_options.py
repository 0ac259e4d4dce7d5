"""What a user may set."""

from __future__ import annotations

from typing import Any

import pytest

from gpunet.backends.cupy.options import Options
from gpunet.errors import BackendError


def test_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPUNET_WORKSPACE_MB", raising=False)
    options = Options()
    assert (options.scatter, options.workspace_bytes) == ("gather", 256 * 2**20)


@pytest.mark.parametrize(("text", "megabytes"), [("7", 7), ("0", 0), (" 12 ", 12), ("", 256)])
def test_the_environment_sets_the_workspace(monkeypatch: pytest.MonkeyPatch, text: str, megabytes: int) -> None:
    monkeypatch.setenv("GPUNET_WORKSPACE_MB", text)
    assert Options().workspace_bytes == megabytes * 2**20


@pytest.mark.parametrize("text", ["-1", "1.5", "many", "1e3"])
def test_another_word_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GPUNET_WORKSPACE_MB", text)
    with pytest.raises(BackendError, match=rf"GPUNET_WORKSPACE_MB must be a whole number of MB, got '{text}'"):
        Options()


@pytest.mark.parametrize("value", [-1, 1.5, "1", None, True])
def test_a_workspace_is_a_number_of_bytes(value: Any) -> None:
    with pytest.raises(BackendError, match=r"workspace_bytes must be an integer of at least 0"):
        Options().workspace_bytes = value


@pytest.mark.parametrize("value", ["scatter", "", None])
def test_an_unknown_scatter_lists_the_known_ones(value: Any) -> None:
    with pytest.raises(BackendError, match=r"scatter must be one of gather, atomic"):
        Options().scatter = value


def test_what_is_set_is_kept() -> None:
    options = Options()
    options.scatter, options.workspace_bytes = "atomic", 0
    assert (options.scatter, options.workspace_bytes) == ("atomic", 0)
