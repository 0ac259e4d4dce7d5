"""Which symbols a shared object needs and has: enough of ELF (64 bits, little-endian) for x86-64 Linux."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from gpunet.errors import BackendError

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_DYNAMIC = struct.Struct("<qQ")

_DYNAMIC_SYMBOLS, _DYNAMIC_SECTION = 11, 6  # SHT_DYNSYM, SHT_DYNAMIC
_NEEDED = 1  # DT_NEEDED
_UNDEFINED = 0  # SHN_UNDEF
_LOCAL = 0  # STB_LOCAL


@dataclass(frozen=True)
class DynamicSymbols:
    """What the dynamic linker reads of a shared object.

    needed: names of the libraries it asks for. undefined, defined: names of symbols, without their versions.
    """

    needed: tuple[str, ...]
    undefined: frozenset[str]
    defined: frozenset[str]


def read_dynamic_symbols(path: Path) -> DynamicSymbols:
    """The symbols of a shared object.

    Raises:
        BackendError: the file is no shared object of this kind.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            return _read(content)
        except (struct.error, ValueError) as error:
            raise BackendError(f"{path}: no shared object for 64-bit Linux ({error})") from None


def _read(content: mmap.mmap) -> DynamicSymbols:
    header = _HEADER.unpack_from(content, 0)
    if header[0][:6] != b"\x7fELF\x02\x01":
        raise ValueError("it does not begin as one")
    offset, size, count = header[6], header[11], header[12]
    sections = [_SECTION.unpack_from(content, offset + size * number) for number in range(count)]
    needed: list[str] = []
    undefined: set[str] = set()
    defined: set[str] = set()
    for section in sections:
        _, kind, _, _, begin, length, link = section[:7]
        if kind == _DYNAMIC_SYMBOLS:
            names = sections[link][4]
            for name, info, _, index, _, _ in _SYMBOL.iter_unpack(content[begin : begin + length]):
                if info >> 4 != _LOCAL:
                    (undefined if index == _UNDEFINED else defined).add(_text(content, names + name))
        elif kind == _DYNAMIC_SECTION:
            names = sections[link][4]
            entries = _DYNAMIC.iter_unpack(content[begin : begin + length])
            needed += [_text(content, names + value) for tag, value in entries if tag == _NEEDED]
    return DynamicSymbols(tuple(needed), frozenset(undefined), frozenset(defined))


def _text(content: mmap.mmap, offset: int) -> str:
    return content[offset : content.find(b"\0", offset)].decode()
