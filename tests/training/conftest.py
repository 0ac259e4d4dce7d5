"""The tests of this folder write thousands of small files; only those that are about the disk wait for it."""

import os

import pytest


@pytest.fixture(autouse=True)
def disk_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
