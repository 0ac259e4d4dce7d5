"""Measure gpunet: whole training steps beside other frameworks, every primitive against the machine, cost by size.

  training  LeNet, VGG, ResNet-20 and ResNet-18, gpunet beside PyTorch, TensorFlow, JAX, Chainer and plain NumPy
  kernels   every primitive, forward and backward, as a share of what this machine copies and multiplies at best
  scaling   cost and memory by batch, image, channels and depth; how long a start takes
  all       the runs whose results stand in benchmarks/results (default; half an hour and more)

`gpunet bench training --help` shows the options of one. Frameworks take part if they are installed; for those that are
not, the command that installs them is shown. Each run leaves a table (.md), all numbers (.json) and, with matplotlib, a
plot (.png): in benchmarks/results of a checkout, and in ./gpunet-bench where gpunet is installed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from gpunet.resources import folder

HELP = "measure it on this machine, beside other frameworks"
EXAMPLE = "gpunet bench training --nets lenet vgg --threads 1"

_FILES = ("bench_training", "bench_kernels", "bench_scaling")
BENCHMARKS = {**{file.removeprefix("bench_"): file for file in _FILES}, "all": "everything"}
_PACKAGE = "benchmarks"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this command; each benchmark has its own, which it reads itself."""
    parser.add_argument("benchmark", nargs="?", choices=list(BENCHMARKS), default="all", help="default: all")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="OPTION ...", help="of that benchmark")


def run(arguments: argparse.Namespace) -> int:
    """Hand over to the benchmark."""
    status: int = load(BENCHMARKS[arguments.benchmark]).main(arguments.words)
    return status


def load(name: str) -> ModuleType:
    """A module of the benchmarks.

    They stand beside the package in a checkout and inside it once installed. Either way they are imported as
    ``benchmarks``, as their own processes import them, which may not have gpunet.
    """
    place = folder(_PACKAGE)
    loaded = sys.modules.get(_PACKAGE)
    if loaded is None or place not in map(Path, loaded.__path__):
        location = place / "__init__.py"
        spec = importlib.util.spec_from_file_location(_PACKAGE, location, submodule_search_locations=[str(place)])
        assert spec is not None
        assert spec.loader is not None
        sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[_PACKAGE])
    return importlib.import_module(f"{_PACKAGE}.{name}")
