"""What a kernel file declares: kernels with their parameters, structures with their fields.

A GPU believes whatever bytes it is given, so the host checks each argument against the kernel's own declaration. It is
read from the source text, which leaves one place where it is written down. The text follows the style of ``kernels/``:
every kernel is ``extern "C" __global__ void name(...)``, and structures hold numbers, pointers and arrays of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gpunet.errors import BackendError

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^()]*\)\s*)?(\w+)\s*\(([^()]*)\)\s*\{'
)
_STRUCTURE = re.compile(r"\bstruct\s+(\w+)\s*\{(.*?)\n\};", re.DOTALL)
_FIELD_LINE = re.compile(r"^\s*((?:const\s+)?[a-z_][\w ]*?[\s*]+)((?:\w+(?:\[\w+\])?)(?:\s*,\s*\w+(?:\[\w+\])?)*)\s*;")
_FIELD_NAME = re.compile(r"(\w+)(?:\[(\w+)\])?")
_CONSTANT = re.compile(r"constexpr\s+int\s+(\w+)\s*=\s*(\d+)\s*;")
_QUALIFIERS = {"const", "__restrict__", "volatile"}


@dataclass(frozen=True)
class Declaration:
    """One parameter of a kernel or one field of a structure.

    Attributes:
        name: as it is written.
        type_name: the type without qualifiers and asterisks, such as "real" or "unsigned char".
        pointers: number of asterisks.
        count: length of an array field; None for a single value.
    """

    name: str
    type_name: str
    pointers: int = 0
    count: int | None = None


@dataclass(frozen=True)
class Source:
    """The declarations of one kernel file together with the header before it.

    Attributes:
        kernels: name to parameters.
        structures: name to fields.
    """

    kernels: Mapping[str, tuple[Declaration, ...]]
    structures: Mapping[str, tuple[Declaration, ...]]


def parse(text: str) -> Source:
    """Read the declarations of a kernel file.

    Raises:
        BackendError: a parameter or an array's length cannot be understood.
    """
    code = _COMMENT.sub(" ", text)
    constants = {name: int(value) for name, value in _CONSTANT.findall(code)}
    structures = {name: fields for name, body in _STRUCTURE.findall(code) if (fields := _fields(body, constants))}
    kernels = {
        name: tuple(_declaration(part) for part in parameters.split(",") if part.strip())
        for name, parameters in _KERNEL.findall(code)
    }
    return Source(kernels, structures)


def _declaration(text: str) -> Declaration:
    """``const real* __restrict__ x`` as a declaration."""
    words = [word for word in text.replace("*", " * ").split() if word not in _QUALIFIERS]
    pointers = words.count("*")
    names = [word for word in words if word != "*"]
    if len(names) < 2 or not all(name.isidentifier() for name in names):
        raise BackendError(f"kernel parameter {text.strip()!r} cannot be read: write it as 'type name'.")
    return Declaration(names[-1], " ".join(names[:-1]), pointers)


def _fields(body: str, constants: Mapping[str, int]) -> tuple[Declaration, ...]:
    """The data of a structure; its methods and static members are passed over."""
    fields: list[Declaration] = []
    for line in body.splitlines():
        match = _FIELD_LINE.match(line)
        if match is None or "(" in line or re.match(r"\s*(static|typedef|using|return)\b", line):
            continue
        type_text, names = match.groups()
        shared = _declaration(f"{type_text} _")
        for name, length in _FIELD_NAME.findall(names):
            count = None
            if length:
                count = int(length) if length.isdigit() else constants.get(length)
                if count is None:
                    raise BackendError(f"length {length!r} of field {name!r} is no number nor a constexpr int.")
            fields.append(Declaration(name, shared.type_name, shared.pointers, count))
    return tuple(fields)
