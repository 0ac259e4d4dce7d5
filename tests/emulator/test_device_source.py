"""What is rewritten in a source, what must not compile, and that lines keep their numbers."""

import pytest
from device_programs import Workshop

DYNAMIC = "(*({0}(*)[])::gpunet_emulator::current().dynamic_shared)"


@pytest.mark.parametrize(
    ("declaration", "kind", "name"),
    [
        ("extern __shared__ float tile[];", "float", "tile"),
        ("extern  __shared__\tunsigned char  memory [ ];", "unsigned char", "memory"),
        ("extern __shared__ __align__(16) double d[];", "double", "d"),
        ("extern __shared__ alignas(sizeof(double)) char c[];", "char", "c"),
        ("extern __shared__ T values[];", "T", "values"),
        ("extern __shared__ std::pair<int, T> pairs[];", "std::pair<int, T>", "pairs"),
        ("extern __shared__ volatile int *pointers[];", "volatile int *", "pointers"),
    ],
)
def test_dynamic_shared_memory_in_a_function(workshop: Workshop, declaration: str, kind: str, name: str) -> None:
    rewritten = workshop.rewrite(f"void f() {{ {declaration} g(); }}")
    assert "extern" not in rewritten
    inside = rewritten.removeprefix("void f() { ").removesuffix(" g(); }")
    squeezed = "".join(inside.split())
    assert squeezed == "".join(f"{kind} (&{name})[] = {DYNAMIC.format(kind)};".split())


def test_dynamic_shared_memory_outside_of_functions(workshop: Workshop) -> None:
    rewritten = workshop.rewrite('extern "C" {\nnamespace a {\nextern __shared__ int memory[];\nint x;\n}\n}\n')
    lines = rewritten.splitlines()
    assert f"#define memory {DYNAMIC.format('int')}" in lines
    assert lines[lines.index("#line 3") + 2] == "int x;"


@pytest.mark.parametrize(
    "source",
    [
        "// extern __shared__ float a[];\n",
        "/* extern __shared__ float a[]; */",
        'const char* s = "extern __shared__ float a[];";',
        'auto s = R"x(extern __shared__ "float" a[];)x";',
        "extern __shared_memory float a[];",
        "int n = 1'000'000; char c = '\"'; char d = '\\'';",
        "extern float a[];",
        "#define F(x) extern_ __shared__ x",
        "unterminated /* comment",
        'unterminated "string',
        "",
    ],
)
def test_everything_else_stays(workshop: Workshop, source: str) -> None:
    assert workshop.rewrite(source) == source


def test_static_shared(workshop: Workshop) -> None:
    assert workshop.rewrite("void f() { static __shared__ int a[2]; }").split() == (
        "void f() { __shared__ int a[2]; }".split()
    )


def test_a_compiler_error_names_the_line_of_the_source(workshop: Workshop) -> None:
    source = """
extern __shared__ float first[];
__global__ void k() {
  extern __shared__
  float
  second[];
  no_such_function(first, second);
}
"""
    done, _ = workshop.try_to_compile(source, "mine.cu")
    assert done.returncode != 0
    assert "mine.cu:6" in done.stderr


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("tex2D<float>(0, 1.0f, 2.0f);", "a texture (tex2D) is not emulated"),
        ("*y = __fadd_rz(*y, 1.0f);", "rounding other than to nearest is not emulated"),
        ("*y = __fdiv_ru(*y, 1.0f);", "rounding other than to nearest is not emulated"),
        ("*y = __cvta_generic_to_shared(y);", "an address for inline PTX"),
        ("threadIdx.x = 3;", "read-only"),
        ("atomicSub(y, 1.0f);", "no matching function"),
        ("atomicMax(y, 1.0f);", "no matching function"),
        ("struct Big { double a[3]; } b; __shfl_sync(~0u, b, 0);", "a shuffle moves at most 8 bytes"),
    ],
)
def test_what_is_not_emulated_does_not_compile(workshop: Workshop, statement: str, message: str) -> None:
    source = f'extern "C" __global__ void k(float* y) {{\n  {statement}\n}}'
    done, _ = workshop.try_to_compile(source, "mine.cu")
    assert done.returncode != 0
    assert message in done.stderr
    assert "mine.cu:2" in done.stderr


def test_clusters_are_not_emulated(workshop: Workshop) -> None:
    done, _ = workshop.try_to_compile('extern "C" __cluster_dims__(2) __global__ void k(float* y) { *y = 1; }')
    assert done.returncode != 0
    assert "thread block clusters" in done.stderr
