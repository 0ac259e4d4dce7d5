"""Imported by every Python that runs under ``gpunet emulate``, before the program; acts as soon as CuPy is imported.

Under a check: CuPy takes device memory in blocks and hands out parts of them, rounded up, so an access behind an
array's end would hit the block's next part. Its pools are switched off, and each array is an allocation of its own, of
exactly its size.

Always: the generators behind ``cupy.random.default_rng`` start device code that was compiled for a GPU, and look at no
error. The runtime refuses that code, but only CuPy's next call could raise; so their constructors raise instead.

Nothing in the program changes, and a sitecustomize of the user's own still runs.
"""

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  (little is imported this early)


class _Watch:
    """Finds ``cupy`` as the interpreter would, and prepares it once it is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "cupy":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                if os.environ.get("GPUNET_EMULATOR_CHECK"):
                    _switch_pools_off(module)
                _refuse_generators(module)

            setattr(spec.loader, "exec_module", exec_module)  # noqa: B010  (for mypy, a method is no variable)
        return spec


def _switch_pools_off(cupy: ModuleType) -> None:
    cupy.cuda.set_allocator(None)
    cupy.cuda.set_pinned_memory_allocator(None)
    os.environ["GPUNET_EMULATOR_EXACT"] = str(os.getpid())


def _refuse_generators(cupy: ModuleType) -> None:
    for name in ("XORWOW", "MRG32k3a", "Philox4x3210"):

        def refuse(*_: object, generator: str = name, **__: object) -> None:
            raise NotImplementedError(
                f"gpunet emulate: cupy.random.{generator}, on which cupy.random.default_rng stands, is device code "
                "compiled for a GPU, which the CPU device cannot run. Use cupy.random.RandomState, or cupy.random.rand "
                "and the like"
            )

        setattr(getattr(cupy.random, name), "__init__", refuse)  # noqa: B010  (for mypy, a class is no variable)


def _run_the_users_own() -> None:
    others = [folder for folder in sys.path if os.path.abspath(folder) != _HERE]  # noqa: PTH100
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


sys.meta_path.insert(0, _Watch())
_run_the_users_own()
