from __future__ import annotations

import json
import re

import pytest

from gpunet.cli import main
from gpunet.cli.memory_size import memory_size
from gpunet.models import create
from gpunet.training.memory import estimate_memory


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
    assert "FLOPs: of one forward pass over one image; a multiply-add counts as 2" in text
    assert "memory of one training step with 100 images, on NumPy with one thread:" in text
    assert mebibytes(text, "parameters and buffers") == pytest.approx(61706 * 4 / 2**20, abs=0.06)
    assert mebibytes(text, "gradients") == mebibytes(text, "remembered by sgd")
    assert mebibytes(text, "images and labels") == pytest.approx(100 * (784 * 4 + 8) / 2**20, abs=0.06)
    assert mebibytes(text, "peak of the step") > mebibytes(text, "kept for the backward pass")
    # The first convolution, its rectifier and its pooling keep 6 x 14 x 14 numbers and where in its window each was.
    found = re.search(r"^conv1 Conv2d +\(6, 28, 28\) +156 +\S+ +(\S+) MiB$", text, re.MULTILINE)
    assert found, text
    assert float(found[1]) == pytest.approx(100 * 6 * 14 * 14 * 5 / 2**20, abs=0.06)


def test_the_memory_follows_batch_and_optimizer(capsys: pytest.CaptureFixture[str]) -> None:
    small = shown(capsys, "lenet", "--batch-size", "100")
    large = shown(capsys, "lenet", "--batch", "1000", "--optimizer", "adam")
    kept = "kept for the backward pass"
    assert mebibytes(large, kept) == pytest.approx(10 * mebibytes(small, kept), abs=0.6)
    assert mebibytes(large, "remembered by adam") == pytest.approx(2 * mebibytes(large, "gradients"), abs=0.11)


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop"])
def test_every_optimizer(capsys: pytest.CaptureFixture[str], optimizer: str) -> None:
    assert mebibytes(shown(capsys, "lenet", "--optimizer", optimizer), f"remembered by {optimizer}") > 0


def test_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(shown(capsys, "lenet", "--batch", "32", "--memory", "20MB", "--json"))
    assert told["model"] == "lenet"
    assert told["input_shape"] == [1, 28, 28]
    assert told["parameters"] == sum(layer["parameters"] for layer in told["layers"]) == 61706
    assert told["flops"] == sum(layer["flops"] for layer in told["layers"])
    assert told["flops_of"].endswith("a multiply-add counts as 2")
    conv = told["layers"][0]
    assert conv == {
        "name": "conv1", "kind": "Conv2d", "output_shape": [6, 28, 28], "parameters": 156,
        "flops": 28 * 28 * 6 * (2 * 25 + 1), "kept_bytes": conv["kept_bytes"],
    }  # fmt: skip
    step = told["training_step"]
    assert step["batch_size"] == 32
    assert step["threads"] == 1
    assert step["kept_bytes"] == sum(layer["kept_bytes"] for layer in told["layers"])
    assert step["parameters_bytes"] == step["gradients_bytes"] == step["optimizer_bytes"] == 4 * 61706
    assert step["batch_bytes"] == 32 * (784 * 4 + 8)
    net = create("lenet")
    assert step["peak_bytes"] == pytest.approx(estimate_memory(net, (1, 28, 28), 32).peak, rel=0.01)  # Python's own
    largest = told["largest_batch"]
    assert largest["memory_bytes"] == 20_000_000
    assert largest["batch_size"] > 100
    assert 19_000_000 < largest["peak_bytes"] <= 20_000_000


def test_the_largest_batch(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "seed_network", "--memory", "30MiB")
    found = re.search(r"largest batch in 30.0 MiB: (\d+) images, with a peak of ([\d.]+) MiB", text)
    assert found, text
    assert int(found[1]) > 64
    assert 28 < float(found[2]) <= 30


def test_too_little_memory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "lenet", "--memory", "1kB"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(
        r"gpunet summary: error: a training step with 2 images needs [\d,]+ bytes, more than the 1,000 .*\n",
        captured.err,
    )


@pytest.mark.parametrize("text", ["", "8XB", "0GB", "-1GB", "GB", "1e9"])
def test_what_is_no_amount_of_memory(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert main(["summary", "lenet", f"--memory={text}"]) == 2
    assert f"wanted an amount of memory such as 8GB, 7.5GiB or 500MB, got {text!r}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [("8GB", 8 * 10**9), ("8gib", 8 * 2**30), ("1.5 MiB", 3 * 2**19), ("500M", 5 * 10**8), ("2TB", 2 * 10**12),
     ("12345", 12345), ("64k", 64_000), ("7B", 7)],
)  # fmt: skip
def test_amounts_of_memory(text: str, nbytes: int) -> None:
    assert memory_size(text) == nbytes


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
