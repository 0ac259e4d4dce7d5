"""All the tables of benchmarks/results/, one run after the other: what `make bench` repeats on another machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks import bench_kernels, bench_scaling, bench_training, results

_LAYOUTS = ("--contenders", "gpunet-numpy", "gpunet-cupy", "torch", "torch-cl")

# Name of the result files to the benchmark and its options.
RUNS = {
    "training": (bench_training, ("--threads", "1", "2")),
    "training-batches": (bench_training, ("--batch-sizes", "1", "8", "64", "512", *_LAYOUTS)),
    "training-resnet18": (bench_training, ("--nets", "resnet18", "--batch-sizes", "8", "--rounds", "3", *_LAYOUTS)),
    "kernels": (bench_kernels, ("--threads", "1", "2")),
    "scaling": (bench_scaling, ()),
}
EXAMPLE = "gpunet bench all --only training kernels"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command.

    Returns:
        0; or 1 if one of the runs could not measure anything.
    """
    parser = argparse.ArgumentParser(prog="gpunet bench all", description=__doc__, epilog=f"example:\n  {EXAMPLE}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False)  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS), help="default: all of them")
    parser.add_argument("--folder", type=Path, default=None, help="of the results (default: benchmarks/results in a "
                        "checkout, gpunet-bench elsewhere)")  # fmt: skip
    options = parser.parse_args(arguments)
    status = 0
    for name in options.only:
        module, words = RUNS[name]
        path = results.default_path(name) if options.folder is None else options.folder / f"{name}.json"
        print(f"\n# {name}: gpunet bench {module.NAME} {' '.join(words)}".rstrip(), flush=True)
        status = max(status, module.main([*words, "--output", str(path)]))
    return status
