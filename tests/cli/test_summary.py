from __future__ import annotations

import re

import pytest

from gpunet.cli import main
from gpunet.models import create


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["summary", *words]) == 0
    return capsys.readouterr().out


def mebibytes(text: str, row: str) -> float:
    found = re.search(rf"  {row} +([\d,.]+) MiB", text)
    assert found, text
    return float(found[1].replace(",", ""))


def test_lenet_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "lenet", "--batch-size", "100")
    assert text.startswith("lenet on images of 1 x 28 x 28\n")
    assert "61,706" in text
    assert mebibytes(text, "parameters and buffers") == pytest.approx(61706 * 4 / 2**20, abs=0.06)
    assert mebibytes(text, "gradients") == mebibytes(text, "remembered by sgd")
    rows = (
        "parameters and buffers",
        "gradients",
        "remembered by sgd",
        "kept for the backward pass",
        "gradients on their way",
    )
    assert mebibytes(text, "total") == pytest.approx(sum(mebibytes(text, row) for row in rows), abs=0.3)
    assert "(an estimate)" in text


def test_the_memory_follows_batch_and_optimizer(capsys: pytest.CaptureFixture[str]) -> None:
    small = shown(capsys, "lenet", "--batch-size", "100")
    large = shown(capsys, "lenet", "--batch-size", "1000", "--optimizer", "adam")
    kept = "kept for the backward pass"
    assert mebibytes(large, kept) == pytest.approx(10 * mebibytes(small, kept), abs=0.6)
    assert mebibytes(large, "remembered by adam") == pytest.approx(2 * mebibytes(large, "gradients"), abs=0.11)


def test_shape_and_classes(capsys: pytest.CaptureFixture[str]) -> None:
    assert "lenet on images of 3 x 32 x 32" in shown(capsys, "lenet", "--data", "cifar10")
    text = shown(
        capsys, "seed_network", "--image-size", "10x14", "--channels", "2", "--classes", "7", "--set", "channels=5"
    )
    assert "seed_network on images of 2 x 10 x 14" in text
    net = create("seed_network", in_channels=2, image_size=(10, 14), num_classes=7, channels=5)
    assert f"{sum(parameter.value.size for parameter in net.parameters()):,}" in text


def test_options_that_do_not_fit_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in [
        (["lenet", "--set", "depth=3"], "has no setting 'depth'"),
        (["lenet", "--image-size", "4"], "does not fit"),
        (["seed_network", "--set", "channels=many"], "channels"),
    ]:
        assert main(["summary", *words]) == 1
        captured = capsys.readouterr()
        assert said in captured.err
        assert len(captured.err.splitlines()) == 1


def test_a_model_is_shown_for_what_it_was_made_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert "resnet20 on images of 3 x 32 x 32" in shown(capsys, "resnet20", "--batch-size", "1")
    text = shown(capsys, "resnet18", "--image-size", "32")
    assert "resnet18 on images of 3 x 32 x 32" in text
    assert "11,689,512" in text  # as published, with 1000 classes


def test_models_that_make_images(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "unet", "--set", "width=4", "--batch-size", "1")
    assert "unet on images of 3 x 128 x 128" in text
    assert "(2, 128, 128)" in text
    assert "denoising_autoencoder on images of 3 x 32 x 32" in shown(
        capsys, "denoising_autoencoder", "--data", "cifar10"
    )
    assert "(5, 28, 28)" in shown(capsys, "unet", "--set", "width=2", "--data", "digits", "--classes", "5")
    assert main(["summary", "denoising_autoencoder", "--classes", "3"]) == 1
    assert "tells no classes apart. Leave out --classes." in capsys.readouterr().err
