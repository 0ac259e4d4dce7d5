"""Whole trainings on CuPy: what they learn, repeat, keep and continue, and where they differ from NumPy's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cupy_device import require_cupy
from numpy.testing import assert_allclose, assert_array_equal
from tiny_training import small_net, stripes, trainer
from tolerances import LOCKSTEP_GRADIENT_FLOAT32

import gpunet as gn
from gpunet.backends import Backend

pytestmark = pytest.mark.gpu
require_cupy()


def test_it_learns_what_numpy_learns(cupy: Backend) -> None:
    there, here = trainer(small_net().to(cupy)), trainer(small_net())
    histories = [one.fit(stripes(96), 4, validation=stripes(30, seed=1)) for one in (there, here)]
    assert histories[0].last["validation_accuracy"] == 1.0
    for name in ("train_loss", "validation_loss"):
        assert_allclose(histories[0][name], histories[1][name], rtol=LOCKSTEP_GRADIENT_FLOAT32)
    images = stripes(30, seed=2).images
    assert_array_equal(there.predict(images).argmax(axis=1), here.predict(images).argmax(axis=1))


def test_two_runs_are_equal_bit_for_bit(cupy: Backend, tmp_path: Path) -> None:
    for name in ("first", "second"):
        trainer(small_net().to(cupy), run_dir=tmp_path / name).fit(stripes(), 2)
    weights = [(tmp_path / name / "last.safetensors").read_bytes() for name in ("first", "second")]
    assert weights[0] == weights[1]


def test_a_run_goes_on_as_if_it_had_never_stopped(cupy: Backend, tmp_path: Path) -> None:
    trainer(small_net().to(cupy), run_dir=tmp_path / "whole").fit(stripes(), 3)
    trainer(small_net().to(cupy), run_dir=tmp_path / "parts").fit(stripes(), 1)
    trainer(small_net(seed=9).to(cupy), run_dir=tmp_path / "parts").fit(stripes(), 3, resume=True)
    weights = [(tmp_path / name / "last.safetensors").read_bytes() for name in ("whole", "parts")]
    assert weights[0] == weights[1]


def test_a_loss_that_explodes_is_found_by_layer(cupy: Backend) -> None:
    net = small_net(dropout=0.0).to(cupy)
    net[5].weight.value[0, 0] = np.inf  # type: ignore[attr-defined]
    with pytest.raises(gn.DataError, match=r"not finite in epoch 1, batch 1 of it\. '5\.weight' is not finite"):
        trainer(net, check_every=1).fit(stripes(), 1)


def test_the_explicit_loop(cupy: Backend) -> None:
    net = small_net(dropout=0.0).to(cupy)
    optimizer, loss = gn.SGD(net.parameters(), lr=0.1, momentum=0.9), gn.CrossEntropyLoss()
    loader = gn.DataLoader(stripes(96), batch_size=16, shuffle=True, seed=0, backend=net.backend)
    values = []
    for _ in range(4):
        for images, labels in loader:
            assert cupy.owns(images)
            assert cupy.owns(labels)
            optimizer.zero_grad()
            value, grad = loss(net.forward(images, training=True), labels)
            net.backward(grad)
            optimizer.step()
            values.append(float(value))
    assert np.mean(values[-6:]) < 0.3 * np.mean(values[:6])


@pytest.mark.parametrize("name", ["lenet", "resnet20", "vgg_cifar"])
def test_models_agree(cupy: Backend, name: str) -> None:
    with gn.random.seeded(1):
        net = gn.models.create(name, in_channels=3 if name != "lenet" else 1, num_classes=10)
    shape = (2, 1, 28, 28) if name == "lenet" else (2, 3, 32, 32)
    x = gn.random.Stream(0, "images").normal(shape).astype("float32")
    wanted = net(x)
    assert_allclose(cupy.to_numpy(net.to(cupy)(cupy.asarray(x))), wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())
