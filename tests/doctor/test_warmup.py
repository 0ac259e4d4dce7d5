"""Compiling every kernel before it is needed."""

from __future__ import annotations

from pathlib import Path

from gpunet.doctor import warm_up
from gpunet.errors import BackendError


class Library:
    """Compiles nothing; one file is refused."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def compile(self, file: str, dtype: str) -> None:
        self.asked.append((file, dtype))
        if (file, dtype) == ("dropout", "float64"):
            raise BackendError("dropout.cu does not compile\nline 3: error")


def test_every_kernel_is_compiled_for_every_dtype() -> None:
    library = Library()
    ticks = iter(range(1000))
    results = list(warm_up(library, lambda: float(next(ticks))))
    kernels = {path.stem for path in (Path(__file__).parents[2] / "kernels").glob("*.cu")}
    assert set(library.asked) == {(file, dtype) for file in kernels for dtype in ("float32", "float64")}
    assert len(results) == len(library.asked)
    assert {each.seconds for each in results} == {1.0}
    assert [(each.file, each.error) for each in results if each.error] == [
        ("dropout", "dropout.cu does not compile line 3: error")
    ]
    assert next(each.kernels for each in results if each.file == "reductions") == 2
