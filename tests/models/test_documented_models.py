"""The table of docs/models.md: every model, with as many parameters as it has."""

import re
from pathlib import Path

import numpy as np

from gpunet import initializers, models
from gpunet.models import initial

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def test_the_table_is_right(monkeypatch):
    for module in (initializers, initial):  # a billion random numbers are not needed to be counted
        monkeypatch.setattr(module, "normal", lambda shape, std: np.zeros(shape, np.float32))
    monkeypatch.setattr(initializers, "uniform", lambda shape, bound: np.zeros(shape, np.float32))
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(models.names())
    for name, count in rows:
        parameters = models.create(name).parameters()
        assert f"{sum(parameter.value.size for parameter in parameters):,}" == count, name
