"""The architecture as rules on the sources: who may import whom, and how long a file may be."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from source_imports import Import, Sources, first_cycle

ROOT = Path(__file__).resolve().parents[1]

# From the top down. A part (file or folder directly below gpunet) imports from lower rows, and from its own row as long
# as no circle arises. "gpunet" is the package's own __init__, with the public names.
ROWS = (
    {"__main__"},
    {"cli"},
    {"gpunet"},
    {"training", "interop", "verify", "report", "emulator", "doctor"},
    {"models", "functional"},
    {"layers", "losses", "optimizers", "schedules", "initializers"},
    {"backends"},
    {
        "data",
        "geometry",
        "random",
        "state",
        "metrics",
        "errors",
        "resources",
        "installation",
        "_version",
        "weights_file",
    },
)
RANK = {part: len(ROWS) - number for number, row in enumerate(ROWS) for part in row}

CORE = {"numpy", "tqdm", "safetensors", "threadpoolctl"}  # installed with gpunet
OPTIONAL = {"matplotlib", "PIL", "pooch", "platformdirs", "tensorboardX"}  # extras: imported where they are used
RESTRICTED = {"cupy": "gpunet.backends.select", "onnx": "gpunet.interop"}  # one place each
PICKLES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}  # loading one runs what a stranger wrote
BETWEEN_OWN_PROCESSES = "gpunet.backends.numpy.sharing"  # in memory, to helpers that this process has started

MAXIMUM_LINES = 400


def part_of(module: str) -> str:
    names = module.split(".")
    return names[1] if len(names) > 1 else names[0]


def within(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


def inner(imports: list[Import]) -> list[Import]:
    return [found for found in imports if within(found.imported, "gpunet")]


def upward(imports: list[Import]) -> list[str]:
    """Imports that point up."""
    return [
        f"{found.importer}:{found.line} imports {found.imported}"
        for found in inner(imports)
        if RANK[part_of(found.imported)] > RANK[part_of(found.importer)]
    ]


def circle_of_parts(imports: list[Import]) -> list[str] | None:
    edges: dict[str, set[str]] = defaultdict(set)
    for found in inner(imports):
        source, target = part_of(found.importer), part_of(found.imported)
        if source != target:
            edges[source].add(target)
    return first_cycle(edges)


def circle_of_modules(imports: list[Import]) -> list[str] | None:
    """A circle of modules that import each other while they are being imported."""
    edges: dict[str, set[str]] = defaultdict(set)
    for found in inner(imports):
        if found.at_import and found.imported != found.importer:
            edges[found.importer].add(found.imported)
    return first_cycle(edges)


def foreign(imports: list[Import]) -> list[str]:
    """Imports of other projects that are forbidden where they stand."""
    wrong = []
    for found in imports:
        name = found.imported.split(".")[0]
        if name in PICKLES:
            allowed = found.importer == BETWEEN_OWN_PROCESSES
        elif name == "gpunet" or name in CORE or name in sys.stdlib_module_names:
            allowed = True
        elif name in RESTRICTED:
            allowed = within(found.importer, RESTRICTED[name]) and not found.at_import
        else:
            allowed = name in OPTIONAL and not found.at_import
        if not allowed:
            wrong.append(f"{found.importer}:{found.line} imports {found.imported}")
    return wrong


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources(ROOT / "gpunet")


@pytest.fixture(scope="module")
def imports(sources: Sources) -> list[Import]:
    return sources.imports()


def test_every_part_has_its_row(sources: Sources) -> None:
    parts = {part_of(module) for module in sources.files}
    assert parts <= RANK.keys(), f"say in ROWS where {sorted(parts - RANK.keys())} stands"


def test_imports_point_down(imports: list[Import]) -> None:
    assert len(inner(imports)) > 50, "the sources were not found"
    assert upward(imports) == []


def test_no_circle_of_parts_nor_of_modules(imports: list[Import]) -> None:
    assert circle_of_parts(imports) is None
    assert circle_of_modules(imports) is None


def test_other_projects_are_imported_where_they_may_be(imports: list[Import]) -> None:
    assert foreign(imports) == []


def test_nothing_is_ever_unpickled(sources: Sources) -> None:
    for path in sources.files.values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (
                isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False"
            ), f"{path}:{node.value.lineno} allows pickles"


def test_only_the_kernel_library_reads_the_kernels(sources: Sources) -> None:
    allowed = {"gpunet.resources", "gpunet.backends.cupy.kernel_library"}
    readers = {
        module
        for module, path in sources.files.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value == "kernels"
    }
    assert readers <= allowed


def test_no_file_is_too_long(sources: Sources) -> None:
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in sources.files.items()}
    assert {module: length for module, length in lengths.items() if length > MAXIMUM_LINES} == {}


def test_oracles_are_required_only_by_files_that_bear_the_name() -> None:
    """The marker `oracle`, and with it the selection of `make oracles`, follows from the file's name."""
    others = set((ROOT / "tests").rglob("test_*.py")) - {Path(__file__), ROOT / "tests" / "test_oracles.py"}
    users = [path for path in others if "oracles.require(" in path.read_text(encoding="utf-8")]
    assert [path.name for path in users if not path.stem.endswith("_oracle")] == []


# The rules themselves, each against a planted fault.


def planted(tmp_path: Path, files: dict[str, str]) -> list[Import]:
    for name, text in {"__init__.py": "", **files}.items():
        path = tmp_path / "gpunet" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Sources(tmp_path / "gpunet").imports()


@pytest.mark.parametrize(
    "statement",
    [
        "from gpunet.training import trainer",
        "from gpunet import training",
        "from ..training.trainer import Trainer",
        "import gpunet.training.trainer",
        "import gpunet",
        "from gpunet import Conv2d",
        "def late():\n    from gpunet.training import trainer",
        "if TYPE_CHECKING:\n    from gpunet.training import trainer",
        "import importlib\nimportlib.import_module('gpunet.training')",
    ],
)
def test_a_planted_upward_import_is_seen(tmp_path: Path, statement: str) -> None:
    files = {"layers/__init__.py": "", "training/__init__.py": "", "training/trainer.py": ""}
    assert upward(planted(tmp_path, {**files, "layers/conv.py": "from gpunet.errors import ShapeError"})) == []
    assert len(upward(planted(tmp_path, {**files, "layers/conv.py": statement}))) == 1


def test_planted_circles_are_seen(tmp_path: Path) -> None:
    parts = {"losses.py": "def f():\n    import gpunet.layers", "layers/__init__.py": "import gpunet.losses"}
    imports = planted(tmp_path / "parts", parts)
    assert circle_of_parts(imports) == ["layers", "losses", "layers"]
    assert circle_of_modules(imports) is None
    modules = {
        "layers/__init__.py": "",
        "layers/a.py": "from . import b",
        "layers/b.py": "from gpunet.layers.a import x",
    }
    imports = planted(tmp_path / "modules", modules)
    assert circle_of_parts(imports) is None
    assert circle_of_modules(imports) == ["gpunet.layers.a", "gpunet.layers.b", "gpunet.layers.a"]


@pytest.mark.parametrize(
    ("file", "statement", "allowed"),
    [
        ("layers/conv.py", "import numpy as np", True),
        ("layers/conv.py", "import scipy.special", False),
        ("layers/conv.py", "def f():\n    import torch", False),
        ("layers/conv.py", "def f():\n    import cupy", False),
        ("backends/select.py", "def f():\n    import cupy", True),
        ("backends/select.py", "import cupy", False),
        ("interop/onnx.py", "def f():\n    import onnx", True),
        ("training/onnx.py", "def f():\n    import onnx", False),
        ("training/curves.py", "import matplotlib.pyplot", False),
        ("training/curves.py", "def f():\n    import matplotlib.pyplot", True),
        ("training/checkpoint.py", "import pickle", False),
    ],
)
def test_a_planted_foreign_import_is_judged(tmp_path: Path, file: str, statement: str, allowed: bool) -> None:
    assert (foreign(planted(tmp_path, {file: statement})) == []) == allowed
