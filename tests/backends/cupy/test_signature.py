"""Reading what kernel files declare."""

from __future__ import annotations

import re

import pytest

from gpunet.backends.cupy.kernel_library import declarations, files, source_text
from gpunet.backends.cupy.signature import Declaration, parse
from gpunet.errors import BackendError

TEXT = """
constexpr int MANY = 24;
struct Pair {
  int first, second;  // int third;
  double weights[3];
  const real* values[MANY];
  static constexpr bool known = true;
  __device__ int sum() const { return first + second; }
};
struct Empty {
  __device__ int operator()(int x) const { return x; }
};
/* extern "C" __global__ void no_kernel(int size) {} */
extern "C" __global__ void __launch_bounds__(256) scale(const real* __restrict__ x,  // read
                                                        real* __restrict__ y, unsigned char* marks,
                                                        Pair pair, index_t size, real* const* table) {
}
extern "C" __global__ void nothing() {}
"""


def test_parameters_are_read_with_their_types() -> None:
    assert parse(TEXT).kernels == {
        "scale": (
            Declaration("x", "real", 1),
            Declaration("y", "real", 1),
            Declaration("marks", "unsigned char", 1),
            Declaration("pair", "Pair"),
            Declaration("size", "index_t"),
            Declaration("table", "real", 2),
        ),
        "nothing": (),
    }


def test_fields_are_read_and_methods_passed_over() -> None:
    assert parse(TEXT).structures == {
        "Pair": (
            Declaration("first", "int"),
            Declaration("second", "int"),
            Declaration("weights", "double", 0, 3),
            Declaration("values", "real", 1, 24),
        )
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extern "C" __global__ void f(int) {', r"kernel parameter 'int' cannot be read"),
        ('extern "C" __global__ void f(int x[3]) {', r"'int x\[3\]' cannot be read"),
        ("struct S {\n  int many[UNKNOWN];\n};", r"length 'UNKNOWN' of field 'many'"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        parse(text)


def test_there_are_kernel_files() -> None:
    assert {"convolution", "im2col"} <= set(files())


@pytest.mark.parametrize("file", files())
def test_every_kernel_of_every_file_is_read(file: str) -> None:
    text = re.sub(r"//[^\n]*", "", source_text(file))
    kernels = declarations(file).kernels
    assert set(re.findall(r"__global__\s+void\s+(?:__launch_bounds__\(\w+\)\s*)?(\w+)", text)) == set(kernels)
    assert kernels


@pytest.mark.parametrize("file", files())
def test_a_kernel_file_says_what_it_does_and_includes_nothing(file: str) -> None:
    header, own = source_text(file).split(f'#line 1 "{file}.cu"\n')
    assert header.startswith('#line 1 "common.cuh"\n')
    assert re.match(r"(//.*\n){5}", own), "open with what a thread does, the layout, and the rules for edges and NaN"
    assert "#include" not in own + header
    assert max(map(len, own.splitlines())) <= 120


def test_an_unknown_file_lists_the_known_ones() -> None:
    with pytest.raises(BackendError, match=r"no kernel file 'fft': choose one of .*convolution, .*im2col"):
        source_text("fft")
