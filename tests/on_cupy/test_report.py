"""A report whose net computes on CuPy says what NumPy's says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cupy_device import require_cupy
from html_page import check_page
from numpy.testing import assert_allclose
from tiny_training import small_net, stripes
from tolerances import FLOAT32_LAYER, FLOAT32_LAYER_GRADIENT

import gpunet as gn
from gpunet.backends import Backend
from gpunet.report import grad_cam, layer_statistics, make_report
from gpunet.training.layer_times import measure_layer_times

pytestmark = pytest.mark.gpu
require_cupy()

IMAGES = gn.random.Stream(0, "images").normal((12, 1, 6, 6)).astype("float32")
LABELS = np.arange(12) % 3
LOSS = gn.CrossEntropyLoss()


def nets(cupy: Backend) -> tuple[gn.Module, gn.Module]:
    """The same net twice, its running statistics not those of the beginning."""
    here, there = small_net(), small_net()
    here.forward(here.backend.asarray(IMAGES), training=True)
    there.load_state_dict(here.state_dict())
    return here, there.to(cupy)


def test_grad_cam(cupy: Backend) -> None:
    here, there = nets(cupy)
    wanted, found = (grad_cam(net, net.backend.asarray(IMAGES), LABELS) for net in (here, there))
    assert (found.layer, found.classes.tolist()) == (wanted.layer, LABELS.tolist())
    assert isinstance(found.maps, np.ndarray)
    assert wanted.maps.max() > 0
    assert_allclose(found.maps, wanted.maps, atol=FLOAT32_LAYER_GRADIENT * wanted.maps.max())


def test_layer_statistics(cupy: Backend) -> None:
    wanted, found = (
        layer_statistics(net, LOSS, net.backend.asarray(IMAGES), net.backend.asarray(LABELS), 5) for net in nets(cupy)
    )
    for one, other in zip(wanted, found, strict=True):
        assert (one.label, one.output_shape, one.units, one.dead) == (
            other.label, other.output_shape, other.units, other.dead,
        )  # fmt: skip
        for name in ("mean", "std", "largest", "zeros", "gradient", "relative_gradient", "weight", "weight_gradient"):
            here, there = getattr(one, name), getattr(other, name)
            assert (here is None) == (there is None)
            if here is not None:
                assert there == pytest.approx(here, rel=FLOAT32_LAYER_GRADIENT, abs=FLOAT32_LAYER), (one.label, name)


def test_layer_times(cupy: Backend) -> None:
    _, net = nets(cupy)
    times = measure_layer_times(net, LOSS, net.backend.asarray(IMAGES), net.backend.asarray(LABELS), 1)
    assert times.backend == "cupy"
    assert [row.name for row in times.rows if row.leaf] == [str(number) for number in range(6)]
    assert all(row.forward > 0 for row in times.rows if row.leaf)


def test_a_whole_report(cupy: Backend, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra [plot], is not installed")
    _, net = nets(cupy)
    written = make_report(net, LOSS, stripes(15), tmp_path, batch_size=5)
    assert "images on cupy, layer by layer" in check_page(written.read_text(encoding="utf-8")).text()
