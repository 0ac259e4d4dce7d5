"""Who can take part: names, variants, and in which environment each is found."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import python_of
from benchmarks.workers import FOLDER, can_import

ENVIRONMENTS = ".venv-peers"


@dataclass(frozen=True)
class Entrant:
    """One line of the tables.

    Attributes:
        name: as it is asked for.
        family: the environment it runs in, a folder below `ENVIRONMENTS`; "gpunet" is this one.
        module: its file in ``peers``.
        variant: what the module is told.
        title: as tables call it.
        imports: what must be installed.
    """

    name: str
    family: str
    module: str
    variant: str
    title: str
    imports: tuple[str, ...]


def _torch(name: str, variant: str, title: str) -> Entrant:
    return Entrant(name, "torch", "torch_peer", variant, f"PyTorch, {title}", ("torch", "numpy"))


ENTRANTS = {
    entrant.name: entrant
    for entrant in (
        Entrant("gpunet-numpy", "gpunet", "gpunet_peer", "numpy", "gpunet, NumPy", ("gpunet",)),
        Entrant("gpunet-cupy", "gpunet", "gpunet_peer", "cupy", "gpunet, CuPy", ("gpunet", "cupy")),
        _torch("torch", "", "channels first"),
        _torch("torch-cl", "channels_last", "channels last"),
        _torch("torch-compiled", "compiled", "channels first, compiled"),
        _torch("torch-cl-compiled", "channels_last compiled", "channels last, compiled"),
        Entrant("tensorflow", "tensorflow", "tensorflow_peer", "", "TensorFlow", ("tensorflow",)),
        Entrant("tensorflow-xla", "tensorflow", "tensorflow_peer", "xla", "TensorFlow, XLA", ("tensorflow",)),
        Entrant("jax", "jax", "jax_peer", "", "JAX, channels first", ("jax",)),
        Entrant("jax-cl", "jax", "jax_peer", "channels_last", "JAX, channels last", ("jax",)),
        Entrant("chainer", "chainer", "chainer_peer", "", "Chainer", ("chainer",)),
        Entrant("im2col", "gpunet", "im2col_peer", "", "NumPy as tutorials write it", ("numpy",)),
    )
}
FAMILIES = tuple(dict.fromkeys(entrant.family for entrant in ENTRANTS.values()))
TORCH_LAYOUTS = ("torch", "torch-cl")

_HOW_TO_GET = {
    "gpunet-cupy": "pip install 'gpunet[cuda13x]' (or cuda12x), and a GPU",
    "torch": "make bench-peers PEERS=torch",
    "tensorflow": "make bench-peers PEERS=tensorflow",
    "jax": "make bench-peers PEERS=jax",
    "chainer": "make bench-peers PEERS=chainer",
    "gpunet": "pip install gpunet",
}


def how_to_get(entrant: Entrant) -> str:
    """The command that would install it."""
    return _HOW_TO_GET.get(entrant.name) or _HOW_TO_GET[entrant.family]


@dataclass(frozen=True)
class Field:
    """Who takes part, by which interpreter; and who is not installed, and what to do about it."""

    pythons: dict[str, Path]
    absent: dict[str, str]


def available(names: tuple[str, ...], pythons: Mapping[str, Path], roots: tuple[Path, ...] = ()) -> Field:
    """Look for the environment of each contender.

    Args:
        names: who is wanted.
        pythons: family to an interpreter that the user named.
        roots: folders that may hold `ENVIRONMENTS`; by default the checkout's and the current one.
    """
    found, absent = {}, {}
    folders = roots or (FOLDER.parent, Path.cwd())
    known: dict[tuple[Path, tuple[str, ...]], bool] = {}
    for name in names:
        entrant = ENTRANTS[name]
        for python in _candidates(entrant, pythons, folders):
            key = (python, entrant.imports)
            if key not in known:
                known[key] = can_import(python, entrant.imports)
            if known[key]:
                found[name] = python
                break
        else:
            absent[name] = f"not installed: {how_to_get(entrant)}"
    return Field(found, absent)


def _candidates(entrant: Entrant, pythons: Mapping[str, Path], folders: tuple[Path, ...]) -> list[Path]:
    if entrant.family in pythons:
        return [pythons[entrant.family]]
    own = Path(sys.executable)
    if entrant.family == "gpunet":
        return [own]
    return [*(python_of(folder / ENVIRONMENTS / entrant.family) for folder in folders), own]
