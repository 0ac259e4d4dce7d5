"""Compiling every kernel before it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpunet.backends.cupy import windows
from gpunet.backends.numpy import NumpyBackend
from gpunet.doctor import Compiled, warm_up
from gpunet.doctor.warmup import common_windows
from gpunet.errors import BackendError
from gpunet.geometry import Window


class Library:
    """Compiles nothing; one file is refused."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, tuple[Any, ...]]] = []

    def compile(self, file: str, dtype: str, constants: dict[str, int] | None = None) -> None:
        self.asked.append((file, dtype, tuple((constants or {}).items())))
        if (file, dtype) == ("dropout", "float64"):
            raise BackendError("dropout.cu does not compile\nline 3: error")


class Warmed(NumpyBackend):
    """NumPy's primitives beside a library of kernels."""

    def __init__(self) -> None:
        self.library = Library()
        self.pooled: list[Window] = []

    def max_pool2d(self, x: Any, window: Window) -> Any:
        self.pooled.append(window)
        return super().max_pool2d(x, window)


def test_all_that_a_training_needs_is_compiled() -> None:
    backend = Warmed()
    ticks = iter(range(1000))
    results = list(warm_up(backend, lambda: float(next(ticks))))
    kernels = {path.stem for path in (Path(__file__).parents[2] / "kernels").glob("*.cu")}
    common = [tuple(windows.constants(window).items()) for window in common_windows()]
    assert set(backend.library.asked) == {
        *((file, dtype, ()) for file in kernels for dtype in ("float32", "float64")),
        *((file, "float32", constants) for file in ("convolution", "im2col") for constants in common),
    }
    assert {each.seconds for each in results} == {1.0}
    assert [(each.file, each.error) for each in results if each.error] == [
        ("dropout", "dropout.cu does not compile line 3: error")
    ]
    assert next(each.kernels for each in results if each.file == "reductions") == 2
    assert [str(each) for each in results[-2:]] == ["CuPy's own for lenet", "CuPy's own for resnet20"]
    assert Window.create(2, 2) in backend.pooled
    assert Window.create(3, 2, 1) in backend.pooled
    assert Window.create(3, 1, 1) not in backend.pooled, "its padding changes no kernel"


def test_the_windows_of_usual_networks_are_common() -> None:
    found = {(window.kernel[0], window.stride[0]) for window in common_windows()}
    assert found >= {(3, 1), (5, 1), (2, 2), (3, 2), (7, 2)}
    assert all(windows.constants(window) for window in common_windows())
    assert windows.constants(Window.create(12, 1)) == windows.constants(Window.create(3, 5)) == {}


def test_what_was_compiled_by_name() -> None:
    assert str(Compiled("dropout", "float32", 1, 0.5, "")) == "dropout.cu"
    assert (
        str(Compiled("pooling", "float32", 9, 0.5, "", "3x3 stride 2 padding 1")) == "pooling.cu 3x3 stride 2 padding 1"
    )
