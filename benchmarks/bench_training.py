"""Time a whole training step, and its parts: forward with loss, backward, optimizer.

    python benchmarks/bench_training.py --models lenet resnet20 --batch-size 64 --output results.json

Timings depend on the machine and on what else it does: compare the ratios within one run, not the seconds of two.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from timing import interleaved, machine, spread

import gpunet as gn

IMAGE_SHAPES = {"lenet": (1, 28, 28), "vgg_cifar": (3, 32, 32), "resnet20": (3, 32, 32)}


def steps(model: str, batch_size: int) -> dict[str, Callable[[], Any]]:
    """The parts of one training step of a net on random images, each callable on its own."""
    channels, *image_size = IMAGE_SHAPES[model]
    net = gn.models.create(model, num_classes=10, in_channels=channels, seed=0)
    optimizer = gn.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    loss = gn.CrossEntropyLoss()
    generator = np.random.default_rng(0)
    images = generator.standard_normal((batch_size, channels, *image_size), dtype=np.float32)
    labels = generator.integers(0, 10, batch_size)
    grads: list[Any] = []

    def forward() -> None:
        optimizer.zero_grad()
        _, grad = loss(net.forward(images, training=True), labels)
        grads[:] = [grad]

    def backward() -> None:
        net.backward(grads[0])

    # In this order: each part uses what the one before it left.
    return {f"{model} forward": forward, f"{model} backward": backward, f"{model} optimizer": optimizer.step}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(IMAGE_SHAPES), default=list(IMAGE_SHAPES))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=10, help="timed steps of each net (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="write machine, versions and all samples to this JSON file")
    arguments = parser.parse_args()

    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, numpy {np.__version__}, batch {arguments.batch_size}")
    samples: dict[str, list[float]] = {}
    for model in arguments.models:
        samples |= interleaved(steps(model, arguments.batch_size), arguments.repeats)

    print(f"{'milliseconds':22}{'median':>9}{'quartiles':>18}")
    for name, seconds in samples.items():
        ms = {key: 1e3 * value for key, value in spread(seconds).items()}
        print(f"{name:22}{ms['median']:9.2f}{ms['lower']:9.2f}{ms['upper']:9.2f}")
    for model in arguments.models:
        step = sum(spread(samples[f"{model} {part}"])["median"] for part in ("forward", "backward", "optimizer"))
        print(f"{model}: {arguments.batch_size / step:,.0f} images/s")
    if arguments.output:
        record = {"machine": about, "batch_size": arguments.batch_size, "seconds": samples}
        arguments.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"written: {arguments.output}")


if __name__ == "__main__":
    main()
