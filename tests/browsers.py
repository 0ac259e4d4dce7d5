"""A real browser for the tests of pages, where there is one."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

from gpunet.installation import install_command

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def program() -> str | None:
    """The path of Chromium or Chrome, or None."""
    given = os.environ.get("GPUNET_BROWSER")
    if given:
        return given if Path(given).is_file() else None
    return next((found for found in map(shutil.which, PROGRAMS) if found is not None), None)


def missing() -> str | None:
    """Why no page can be opened here, or None."""
    if importlib.util.find_spec("playwright") is None:
        return f"no driver for a browser: playwright is not installed. Install it with: {install_command('browser')}"
    if program() is None:
        return f"no browser: none of {', '.join(PROGRAMS)} is installed. On Debian and Ubuntu: apt install chromium"
    return None


def required() -> pytest.MarkDecorator:
    """A mark that skips without a browser, and says why.

    With GPUNET_REQUIRE_BROWSER=1, as `make browser` sets it, nothing skips, so that what is absent fails.
    """
    reason = missing()
    absent = reason is not None and os.environ.get("GPUNET_REQUIRE_BROWSER") != "1"
    return pytest.mark.skipif(absent, reason=reason or "")
