"""After a warm-up the first steps of training compile nothing: neither gpunet's kernels nor CuPy's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy

import gpunet as gn
from gpunet.backends.cupy import kernel_library
from gpunet.doctor import warm_up
from gpunet.doctor.warmup import common_windows

pytestmark = pytest.mark.gpu
backend: Any = require_cupy()


@pytest.fixture(scope="module")
def warmed() -> list[Any]:
    return list(warm_up(backend))


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources that are compiled from now on in this process, by CuPy for whomever."""
    compiler = backend.xp.cuda.compiler
    sources: list[str] = []

    def listening(source: str, *arguments: Any, **settings: Any) -> Any:
        sources.append(source)
        return compile_using_nvrtc(source, *arguments, **settings)

    compile_using_nvrtc = compiler.compile_using_nvrtc
    monkeypatch.setattr(compiler, "compile_using_nvrtc", listening)
    monkeypatch.setenv("CUPY_CACHE_IN_MEMORY", "1")  # what is asked for is compiled, though a file may have it
    return sources


def test_every_kernel_compiles(warmed: list[Any]) -> None:
    general = [each for each in warmed if each.file and not each.made_for]
    assert len(general) == len(kernel_library.files()) * len(kernel_library.DTYPES) > 10
    assert len([each for each in warmed if each.file == "convolution" and each.made_for]) == len(common_windows())
    assert [each for each in warmed if each.error] == []
    assert all((each.kernels > 0 or not each.file) and each.seconds >= 0 for each in warmed)


@pytest.mark.parametrize(("model", "shape"), [("lenet", (1, 28, 28)), ("resnet20", (3, 32, 32))])
@pytest.mark.usefixtures("warmed")
def test_a_first_step_compiles_nothing(model: str, shape: tuple[int, ...], compiled: list[str]) -> None:
    net = gn.models.create(model).to(backend)
    images, labels = np.ones((4, *shape), np.uint8), np.array([1, 0, 3, 2])
    data = gn.data.Dataset(images, labels, tuple("abcdefghij"))
    trainer = gn.Trainer(net, gn.SGD(net.parameters(), lr=0.1, momentum=0.9), gn.CrossEntropyLoss(), batch_size=2)
    trainer.fit(data, 1, validation=data)
    assert compiled == []


def test_what_is_new_is_seen(compiled: list[str]) -> None:
    """The listener listens."""
    x = backend.xp.zeros(3, "int64")
    backend.xp.ElementwiseKernel("int64 x", "int64 y", "y = 17 * x + 4", "never_seen_before")(x)
    backend.library.compile("elementwise", "float32", {"NEVER_SEEN_BEFORE": 1})
    assert ["never_seen_before" in source for source in compiled] == [True, False]
    assert "error_function" in compiled[1]
