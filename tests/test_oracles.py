"""An absent oracle skips with its reason, and fails where a skip would look like a pass."""

import math

import oracles
import pytest


def test_a_present_module_is_returned() -> None:
    assert oracles.require("math") is math


def test_an_absent_module_skips_and_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPUNET_REQUIRE_ORACLES", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no_such_oracle is not installed.*\[oracles\]"):
        oracles.require("no_such_oracle")


def test_an_absent_module_fails_where_oracles_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUNET_REQUIRE_ORACLES", "1")
    with pytest.raises(pytest.fail.Exception, match="forbids skipping"):
        oracles.require("no_such_oracle")
