"""A small trained net and what a report says of it, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_training import small_net, stripes, trainer

import gpunet as gn
from gpunet.data import Dataset
from gpunet.report.contents import Contents, collect
from gpunet.report.drawn import Drawn, draw_all

# Names that a folder of images may bear: each would break a page or a picture that trusts them.
HOSTILE = ("<script>alert('x')</script>", '"><img src=x onerror=alert(1)> & $\\frac{1$', "名前 " + "long " * 30)


@pytest.fixture(scope="session")
def trained() -> gn.Trainer:
    """A trainer that has learned the stripes for three epochs."""
    result = trainer(small_net(dropout=0.0))
    result.fit(stripes(), 3, validation=stripes(15, seed=1))
    return result


@pytest.fixture(scope="session")
def test_images() -> Dataset:
    """Half of them with a wrong label, so that there are mistakes; their classes bear hostile names."""
    images = stripes(24, seed=1)
    labels = images.labels.copy()
    labels[::2] = (labels[::2] + 1) % 3
    train = stripes()
    return Dataset(images.images, labels, HOSTILE, "stripes", train.mean, train.std)


@pytest.fixture(scope="session")
def contents(trained: gn.Trainer, test_images: Dataset) -> Contents:
    """All parts, with something in each."""
    return collect(
        trained.net,
        trained.loss,
        test_images,
        history=trained.history,
        title="stripes & <b>spots</b>",
        facts=[("run", "a <i>run</i>")],
        batch_size=8,
        mistakes=5,
    )


@pytest.fixture(scope="session")
def drawn(contents: Contents) -> dict[str, Drawn]:
    """The pictures of ``contents``."""
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra [plot], is not installed")
    return draw_all(contents)


@pytest.fixture(autouse=True)
def disk_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of small files need not reach the disk."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def page_folder(tmp_path: Path) -> Path:
    """Where a report is written."""
    return tmp_path / "report"
