"""The documentation keeps its word: examples run, commands parse, links lead somewhere, public names are explained."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
import shlex
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import markdown
import pytest

import gpunet

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = {path.relative_to(ROOT).as_posix(): path for path in markdown.documents(ROOT)}
NOT_RUN = "not run:"


def read(name: str) -> str:
    return DOCUMENTS[name].read_text(encoding="utf-8")


def test_the_documents_are_there() -> None:
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md"} <= DOCUMENTS.keys()


# Examples


def shape_of(output: str) -> list[str]:
    """Output without its figures, which differ from machine to machine, and without the width of its spaces."""
    return [
        re.sub(r"\s+", " ", re.sub(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "#", line)).strip() for line in output.splitlines()
    ]


def run_examples(name: str, text: str) -> int:
    """Run the Python blocks of a document in one namespace; how many ran.

    A block after ``<!-- not run: reason -->`` is left out. A ``text`` block after ``<!-- output -->`` is compared with
    what the Python block before it printed, figures aside.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    ran, printed = 0, ""
    for block in markdown.blocks(text):
        if block.language == "python" and not block.comment.startswith(NOT_RUN):
            # Blank lines before the code make a traceback name the line of the document.
            code = compile("\n" * (block.line - 1) + block.text, name, "exec")
            with contextlib.redirect_stdout(io.StringIO()) as stdout:
                exec(code, namespace)
            printed = stdout.getvalue()
            ran += 1
        elif block.language == "text" and block.comment == "output":
            assert shape_of(block.text) == shape_of(printed), f"{name}:{block.line}: the example prints\n{printed}"
    return ran


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(tmp_path)
    yield
    os.chdir(before)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in DOCUMENTS if "```python" in read(name)])
def test_examples_run(name: str, elsewhere: None) -> None:
    assert run_examples(name, read(name)) > 0


def test_a_block_that_is_not_run_has_a_reason() -> None:
    for name in DOCUMENTS:
        for block in markdown.blocks(read(name)):
            if block.comment.startswith(NOT_RUN):
                assert len(block.comment.removeprefix(NOT_RUN).split()) >= 2, f"{name}:{block.line}: say why"


def test_a_wrong_example_is_seen() -> None:
    with pytest.raises(AssertionError, match=r"wrong\.md:6"):
        run_examples("wrong.md", "```python\nprint('loss', 0.5)\n```\n<!-- output -->\n```text\nlost 0.5\n```\n")
    with pytest.raises(NameError, match="absent"):
        run_examples("wrong.md", "```python\nabsent\n```\n")
    right = "```python\nx = 1\n```\n```python\nprint('loss', x)\n```\n<!-- output -->\n```text\nloss  0.25\n```\n"
    assert run_examples("right.md", right) == 2


# Commands


def check_gpunet(words: list[str]) -> None:
    """Parse a gpunet command line; wrong usage raises SystemExit."""
    from gpunet.cli import build_parser

    build_parser().parse_args(words[1:])


def check_make(words: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for word in words[1:]:
        assert "=" in word or word in targets, f"the Makefile has no target {word}"


def check_python(words: list[str]) -> None:
    """Scripts and folders of this repository that a command names exist."""
    for word in words[1:]:
        if re.match(r"(tests|benchmarks|gpunet|kernels|recipes)/", word):
            assert (ROOT / word.partition("::")[0]).exists(), f"{word} does not exist"


def check_pip(words: list[str]) -> None:
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    for extras in re.findall(r"(?:gpunet|\.)\[([\w,-]+)\]", " ".join(words)):
        for extra in extras.split(","):
            assert f'"{extra}"' in setup, f"there is no extra {extra}"


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "gpunet": check_gpunet,
    "make": check_make,
    "pip": check_pip,
    "python": check_python,
    "python3": check_python,
}


def check_command(command: str) -> bool:
    """Whether a command is one that can be checked, having checked it."""
    words = shlex.split(command.partition(" #")[0])
    while words and re.fullmatch(r"\w+=\S*", words[0]):
        del words[0]  # a variable set for this command
    if not words or words[0] not in CHECKS:
        return False
    CHECKS[words[0]](words)
    return True


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_parse(name: str) -> None:
    for block in markdown.blocks(read(name)):
        for command in markdown.commands(block):
            try:
                check_command(command)
            except (AssertionError, SystemExit) as error:
                pytest.fail(f"{name}:{block.line}: `{command}` is wrong: {error}")


@pytest.mark.parametrize("command", ["gpunet trian", "make tset", "pip install gpunet[polt]", "python tests/absent.py"])
def test_a_wrong_command_is_seen(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((AssertionError, SystemExit)):
        check_command(command)


# Links


def broken_links(name: str, text: str) -> list[str]:
    """Relative links that lead nowhere."""
    broken = []
    for link in markdown.links(text):
        if re.match(r"[a-z]+:", link):
            continue  # the outside is not ours to check
        path, _, fragment = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        document = text if not path else target.read_text(encoding="utf-8") if fragment and target.exists() else ""
        if not target.exists() or (fragment and fragment not in markdown.anchors(document)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    assert broken_links(name, read(name)) == []


def test_a_broken_link_is_seen() -> None:
    text = "# Here\n[a](absent.md) [b](#here) [c](#there) ![d](absent.png) [e](README.md) [f](https://example.org)\n"
    assert broken_links("README.md", text) == ["absent.md", "#there", "absent.png"]


# Docstrings

METHODS = (types.FunctionType, property, classmethod, staticmethod)


def undocumented(name: str, thing: Any) -> Iterator[str]:
    """The public thing, or members of it, that have no docstring."""
    if isinstance(thing, str):
        return  # a version
    # A dataclass without a docstring is given its signature as one.
    own = (
        "" if isinstance(thing, type) and str(thing.__doc__).startswith(f"{thing.__name__}(") else inspect.getdoc(thing)
    )
    if not own:
        yield name
    if isinstance(thing, type):
        members = [key for key, value in vars(thing).items() if isinstance(value, METHODS) and not key.startswith("_")]
        # A method may be explained by the base that asks for it: getdoc looks there too.
        yield from (f"{name}.{key}" for key in members if not inspect.getdoc(getattr(thing, key)))
    elif isinstance(thing, types.ModuleType):
        for key in getattr(thing, "__all__", [key for key in vars(thing) if not key.startswith("_")]):
            member = getattr(thing, key)
            if getattr(member, "__module__", "").startswith(thing.__name__):
                yield from undocumented(f"{name}.{key}", member)


def test_public_names_have_docstrings() -> None:
    assert len(gpunet.__all__) > 50
    assert [found for name in gpunet.__all__ for found in undocumented(name, getattr(gpunet, name))] == []


def test_a_missing_docstring_is_seen() -> None:
    class Documented:
        """Said."""

        def method(self) -> None: ...

        @property
        def value(self) -> int:
            """Said."""
            return 0

    class Silent:
        pass

    assert list(undocumented("Documented", Documented)) == ["Documented.method"]
    assert list(undocumented("Silent", Silent)) == ["Silent"]


# The contract's names that exist so far, group by group: a rename is a change of the product.
CONTRACT = """
Conv2d ConvTranspose2d Linear MaxPool2d AvgPool2d AdaptiveAvgPool2d GlobalMaxPool2d BatchNorm1d BatchNorm2d GroupNorm
LayerNorm LocalResponseNorm Dropout ReLU LeakyReLU PReLU ELU GELU SiLU Hardswish Sigmoid Tanh Softmax LogSoftmax Flatten
Upsample
Module Sequential Add Concat Identity Graph GraphNode
CrossEntropyLoss MSELoss BCEWithLogitsLoss HuberLoss
SGD Adam AdamW RMSprop clip_grad_norm
StepLR MultiStepLR CosineAnnealingLR OneCycleLR LinearLR SequentialLR
Trainer History DataLoader data models functional gradient_check compare save_weights load_weights
onnx
ShapeError DataError CheckpointError StateError BackendError
""".split()


@pytest.mark.parametrize("name", CONTRACT)
def test_the_contracts_names_are_public(name: str) -> None:
    assert name in gpunet.__all__
    assert hasattr(gpunet, name)
