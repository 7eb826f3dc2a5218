r"""Cases as text: TOML in which bytes are strings with `\\`, `\n` and `\xNN` escapes.

    why = "The second member's parent is a link that the first one made."
    part = [
        { kind = "symlink", name = "door", linkname = "../outside" },
        { kind = "file", name = "door/note", data = "x" },
    ]

Fields with canonical values are left out. Long repetitions are arrays: `["a/", { of = "n", times = 99 }]`.
`loads(dumps(case)) == case` for every case that can be encoded.
"""

from __future__ import annotations

import functools
import itertools
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from ..errors import UserError
from . import expecting
from .case import WORLD_FIELDS, Case, Placed, Schedule, World, WorldField
from .encode import check
from .escapes import bytes_pieces, escape, toml, unescape
from .expecting import ExpectReader
from .layers import GZIP_ONLY, READ_KINDS, ZEROS, Layer
from .reading import FaultError, Place, kind_of, nearest
from .recipe import TYPEFLAGS, End, Long, Member, Part, Pax, Raw, Recipe, RecipeError, Record, Slot, SparseBlock

__all__ = ["CaseError", "about", "dump_pieces", "dumps", "escape", "loads", "unescape"]

WIDTH = 110
"""Columns of an inline part; when one is wider, all parts are written as tables."""

_PAX = ("pax", "pax-global", "pax-solaris")
_LONG = ("long-name", "long-link")
_CLASSES: dict[str, type[Part]] = {
    **dict.fromkeys(TYPEFLAGS, Member),
    **dict.fromkeys(_PAX, Pax),
    **dict.fromkeys(_LONG, Long),
    "end": End,
    "raw": Raw,
}
_WORDS = ("id", "title", "why", "source", "flags", "covers")
_NUMBERS = (
    "mode uid gid size mtime chksum devmajor devminor atime ctime offset isextended realsize".split()  # noqa: SIM905  # the order of the header
)
_PLAIN = ("kind", "format")
"""Fields of a part whose strings are words, not bytes."""


class CaseError(UserError):
    """A text that is no case: `filename`, `line` (1 is the first, 0 unknown), `where` in it, and what is wrong."""

    def __init__(self, filename: str, line: int, where: str, detail: str) -> None:
        super().__init__(where, detail)
        self.filename, self.line = filename, line

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        where = f" {self.where}:" if self.where else ""
        return f"{self.filename}{line}:{where} {self.detail}"


# -- writing ----------------------------------------------------------------------------------------------------


def _slot(slot: Slot) -> str:
    fields = [
        f"{name} = {toml(value)}" for name in ("offset", "length") if (value := getattr(slot, name)) is not None
    ]
    return "{ " + ", ".join(fields) + " }" if fields else "{}"


def _record(record: Record) -> str:
    if record.length is None and record.end is None:
        return f"[{toml(record.key)}, {toml(record.value)}]"
    more = [f"{name} = {toml(value)}" for name in ("length", "end") if (value := getattr(record, name)) is not None]
    return "{ " + ", ".join([f"key = {toml(record.key)}", f"value = {toml(record.value)}", *more]) + " }"


def _extension(block: SparseBlock) -> str:
    fields = [f"slots = [{', '.join(map(_slot, block.slots))}]"] if block.slots else []
    flags = ("isextended", "reserved")
    fields += [f"{name} = {toml(value)}" for name in flags if (value := getattr(block, name)) is not None]
    return "{ " + ", ".join(fields) + " }" if fields else "{}"


def _fields(part: Part) -> Iterator[tuple[str, Iterable[str]]]:
    """Key and TOML value (bit by bit) of everything in a part that is not canonical, kind first."""
    if isinstance(part, End):
        yield "kind", ('"end"',)
        yield "blocks", (str(part.blocks),)
        return
    if isinstance(part, Raw):
        yield "kind", ('"raw"',)
        yield "data", bytes_pieces(part.data)
        return
    yield "kind", (f'"{part.kind}"',)
    usual = type(part)()
    order = ["format", *(name for name in part.__struct_fields__ if name not in ("kind", "format"))]
    for name in order:
        value = getattr(part, name)
        if value == getattr(usual, name):
            continue
        if name in _LISTS:
            yield name, ("[" + ", ".join(map(_LISTS[name], value)) + "]",)
        elif isinstance(value, bytes):
            yield name, bytes_pieces(value)
        else:
            yield name, (_field(name, value),)


_LISTS: dict[str, Callable[[Any], str]] = {"sparse": _slot, "extensions": _extension, "records": _record}


_OCTAL = {"mode", *(name for name, field in WORLD_FIELDS.items() if field.octal)}


def _field(name: str, value: object) -> str:
    """A value, permission bits in octal as everybody reads them."""
    if name in _OCTAL and isinstance(value, int) and value >= 0:
        return f"0o{value:o}"
    return toml(value)


def _table(record: msgspec.Struct, usual: msgspec.Struct, skip: tuple[str, ...] = ()) -> Iterator[str]:
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if name not in skip and value != getattr(usual, name):
            text = _array(value) if isinstance(value, tuple) else _field(name, value)
            yield f"{name} = {text}"


def _array(values: tuple[object, ...]) -> str:
    return "[" + ", ".join(map(toml, values)) + "]"


def _layer(layer: Layer) -> str:
    return "{ " + ", ".join([f'kind = "{layer.kind}"', *_table(layer, Layer(), ("kind",))]) + " }"


def _placed(placed: Placed) -> str:
    fields = [f'kind = "{placed.kind}"', f"name = {toml(placed.name)}"]
    fields += _table(placed, Placed(kind=placed.kind, name=placed.name))
    return "{ " + ", ".join(fields) + " }"


def _inline(part: Part) -> str:
    """A part on one line; empty where that would be too long."""
    line = "    { "
    for number, (key, value) in enumerate(_fields(part)):
        line += f"{', ' if number else ''}{key} = "
        for piece in value:
            line += piece
            if len(line) > WIDTH:
                return ""
    line += " },"
    return line if len(line) <= WIDTH else ""


def _lines(case: Case) -> Iterator[Iterable[str]]:
    """The lines of a case, each of them bit by bit."""
    for name in _WORDS:
        value = getattr(case, name)
        if value:
            yield (f"{name} = {toml(value) if isinstance(value, str) else _array(value)}",)
    if case.recipe.end != 2:
        yield (f"end = {case.recipe.end}",)
    if case.layers:
        yield from (("layers = [",), *((f"    {_layer(layer)},",) for layer in case.layers), ("]",))
    inline = list(itertools.takewhile(bool, map(_inline, case.recipe.parts)))
    short = len(inline) == len(case.recipe.parts)
    if inline and short:
        yield from (("part = [",), *((line,) for line in inline), ("]",))
    if case.world != World():
        yield from (("",), ("[world]",), *((line,) for line in _table(case.world, World(), ("placed",))))
        if case.world.placed:
            yield from (("placed = [",), *((f"    {_placed(placed)},",) for placed in case.world.placed), ("]",))
    if case.schedule != Schedule():
        yield from (("",), ("[schedule]",), *((line,) for line in _table(case.schedule, Schedule())))
    for part in () if short else case.recipe.parts:
        yield from (("",), ("[[part]]",))
        for key, text in _fields(part):
            yield itertools.chain((f"{key} = ",), text)
    yield from ((line,) for line in expecting.lines(case.expect))


def dump_pieces(case: Case | Recipe) -> Iterator[str]:
    """A case or a bare recipe as TOML, bit by bit: the text of a large one need not be in memory."""
    begun = False
    for line in _lines(Case(recipe=case) if isinstance(case, Recipe) else case):
        for piece in line:
            begun = begun or bool(piece)
            yield piece
        if begun:
            yield "\n"
    if not begun:
        yield "\n"


_KEPT = bytes(byte for byte in range(256) if len(escape(bytes([byte]))) == 1)
_PAGE = 4096


def about(recipe: Recipe) -> int:
    """About how many characters the bodies of a recipe will have as text. Takes little time."""
    total = 0
    for part in recipe.parts:
        data = b"" if isinstance(part, End | Long) else part.data or b""
        for at in range(0, len(data), _PAGE):
            page = data[at : at + _PAGE]
            if len(page) < _PAGE or page != page[:8] * (_PAGE // 8):
                total += len(page) + 3 * len(page.translate(None, _KEPT))
    return total


def dumps(case: Case | Recipe) -> str:
    """A case or a bare recipe as TOML. Equal cases give equal text."""
    return "".join(dump_pieces(case))


# -- reading -----------------------------------------------------------------------------------------------------


class _Reader(ExpectReader):
    """Turns tables into the records of a case."""

    def slot(self, value: object, path: Place) -> Slot:
        return Slot(**self.struct(value, path, {"offset": self.number, "length": self.number}))

    def extension(self, value: object, path: Place) -> SparseBlock:
        readers = {
            "slots": lambda item, where: self.items(item, where, self.slot),
            "isextended": self.number,
            "reserved": self.bytes_,
        }
        return SparseBlock(**self.struct(value, path, readers))

    def record(self, value: object, path: Place) -> Record:
        if isinstance(value, list):
            if len(value) != 2:
                raise FaultError(path, f"expected [key, value], found an array of {len(value)}")
            return Record(*(self.bytes_(item, (*path, index)) for index, item in enumerate(value)))
        found = self.struct(value, path, dict.fromkeys(("key", "value", "length", "end"), self.bytes_))
        for key in ("key", "value"):
            if key not in found:
                raise FaultError(path, f"a record needs {key}")
        return Record(**found)

    def part(self, value: object, path: Place) -> Part:
        if not isinstance(value, dict):
            raise FaultError(path, f"expected a table, found {kind_of(value)}")
        kind = value.get("kind", "file")
        if not isinstance(kind, str):
            raise FaultError((*path, "kind"), f"expected a string, found {kind_of(kind)}")
        if kind not in _CLASSES:
            raise FaultError((*path, "kind"), f"{kind!r} is no kind of part{nearest(kind, _CLASSES)}")
        type_ = _CLASSES[kind]
        if type_ is End:
            found = self.struct(value, path, {"kind": self.text, "blocks": self.integer})
            return End(found.get("blocks", 2))
        if type_ is Raw:
            return Raw(self.struct(value, path, {"kind": self.text, "data": self.bytes_}).get("data", b""))
        return self._header_part(type_, value, path)

    def writable(self, value: object, path: Place) -> Part:
        """A part that the encoder has bytes for."""
        part = self.part(value, path)
        try:
            check(part, 0)
        except RecipeError as error:
            key = error.field.partition("[")[0]
            raise FaultError((*path, key), error.detail) from None
        return part

    def _header_part(self, type_: type[Part], value: dict[str, Any], path: Place) -> Part:
        readers: dict[str, Callable[[Any, Place], Any]] = {}
        for name in type_.__struct_fields__:
            if name in _PLAIN:
                readers[name] = self.text
            elif name in _NUMBERS:
                readers[name] = self.number
            elif name == "sparse":
                readers[name] = lambda item, where: self.items(item, where, self.slot)
            elif name == "extensions":
                readers[name] = lambda item, where: self.items(item, where, self.extension)
            elif name == "records":
                readers[name] = lambda item, where: self.items(item, where, self.record)
            else:
                readers[name] = self.bytes_
        found = self.struct(value, path, readers)
        if found.get("format", "ustar") not in ("ustar", "gnu", "v7", "star"):
            raise FaultError(
                (*path, "format"), f"{found['format']!r} is no format; there are ustar, gnu, v7 and star"
            )
        return type_(**found)

    def placed(self, value: object, path: Place) -> Placed:
        readers = {
            "kind": self.text,
            "name": self.bytes_,
            "data": self.bytes_,
            "link": self.bytes_,
            "mode": self.mode,
        }
        found = self.struct(value, path, readers)
        for key in ("kind", "name"):
            if key not in found:
                raise FaultError(path, f"something placed needs a {key}")
        if found["kind"] not in ("file", "dir", "symlink", "hardlink", "fifo"):
            raise FaultError(
                (*path, "kind"), f"{found['kind']!r} cannot be placed; file, dir, symlink, hardlink, fifo can"
            )
        return Placed(**found)

    def world(self, value: object, path: Place) -> World:
        readers: dict[str, Callable[[Any, Place], Any]] = {
            "placed": lambda item, where: self.items(item, where, self.placed)
        }
        for name, field in WORLD_FIELDS.items():
            readers[name] = self.mode if field.octal else functools.partial(self.word, field)
        return World(**self.struct(value, path, readers))

    def word(self, field: WorldField, value: object, path: Place) -> str:
        text = self.text(value, path)
        if field.choices and text not in field.choices:
            raise FaultError(path, f"{text!r} is {field.refusal}; there are {', '.join(field.choices)}")
        return text

    def schedule(self, value: object, path: Place) -> Schedule:
        readers = {"chunks": lambda item, where: self.items(item, where, self.chunk), "pause": self.boolean}
        return Schedule(**self.struct(value, path, readers))

    def chunk(self, value: object, path: Place) -> int:
        size = self.integer(value, path)
        if size < 1:
            raise FaultError(path, f"a read of {size} bytes would be the end of the archive")
        return size

    def layer(self, value: object, path: Place) -> Layer:
        readers: dict[str, Callable[[Any, Place], Any]] = {
            **dict.fromkeys(("kind", "of"), self.text),
            "splits": lambda item, where: self.items(item, where, self.integer),
            **dict.fromkeys(("name", "comment", "extra", "head", "tail", "packed"), self.bytes_),
            "header_crc": self.boolean,
            **dict.fromkeys(("crc", "length", "level", "cut", "zeros"), self.integer),
        }
        found = self.struct(value, path, readers)
        kind = found.get("kind", "gzip")
        if kind not in READ_KINDS:
            raise FaultError((*path, "kind"), f"{kind!r} is no compression{nearest(kind, READ_KINDS)}")
        for key in GZIP_ONLY:
            if key in found and kind != "gzip":
                raise FaultError((*path, key), f"{kind} has no {key}: that is gzip's")
        if "level" in found and (kind != "bzip2" or not 1 <= found["level"] <= 9):
            raise FaultError((*path, "level"), "from 1 to 9, and bzip2's alone")
        if ("packed" in found) != ("of" in found):
            raise FaultError(path, "packed and of belong together: the bytes, and the digest of what they hold")
        splits = found.get("splits", ())
        if list(splits) != sorted(splits) or min(splits, default=0) < 0:
            raise FaultError((*path, "splits"), "offsets from the start, in order")
        if found.get("cut", 0) < 0:
            raise FaultError((*path, "cut"), "less than no bytes cannot be missing")
        if not 0 <= found.get("zeros", 0) <= ZEROS:
            raise FaultError((*path, "zeros"), f"from 0 to {ZEROS} bytes")
        return Layer(**found)

    def case(self, document: dict[str, Any]) -> Case:
        readers = {
            **dict.fromkeys(("id", "title", "why"), self.text),
            **dict.fromkeys(("source", "flags", "covers"), lambda item, where: self.items(item, where, self.text)),
            "world": self.world,
            "schedule": self.schedule,
            "layers": lambda item, where: self.items(item, where, self.layer),
            "expect": self.expect,
            "end": self.integer,
            "part": lambda item, where: self.items(item, where, self.writable),
        }
        found = self.struct(document, (), readers)
        end = found.pop("end", 2)
        if end < 0:
            raise FaultError(("end",), f"{end} zero blocks cannot be written")
        return Case(
            **{key: value for key, value in found.items() if key != "part"},
            recipe=Recipe(found.get("part", ()), end),
        )


def _dotted(path: Place) -> str:
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def _reaches(document: Any, path: Place) -> bool:
    for key in path:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _line_of(text: str, path: Place) -> int:
    """The line on which the value at `path` is complete: the shortest run of lines whose document reaches it.

    tomllib gives no positions, so growing prefixes are parsed, with the inline arrays that may be open at the end
    of one closed. Only errors pay for it.
    """
    if not path:
        return 1
    lines = text.splitlines(keepends=True)
    for count in range(1, len(lines) + 1):
        prefix = "".join(lines[:count])
        for close in ("", "]", "]]", "}]", "]}]"):
            try:
                document = tomllib.loads(prefix + close)
            except tomllib.TOMLDecodeError:
                continue
            if _reaches(document, path):
                return count
            break
    return 0


_POSITION = re.compile(r" \(at line (\d+), column (\d+)\)$")


def loads(text: str, *, filename: str = "<string>") -> Case:
    """The case that a TOML text describes. Raises CaseError with file, line and what was expected."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        position = _POSITION.search(message)
        line = int(position[1]) if position else text.count("\n") + 1
        raise CaseError(filename, line, "", f"not TOML: {_POSITION.sub('', message)}") from None
    try:
        return _Reader().case(document)
    except FaultError as fault:
        raise CaseError(filename, _line_of(text, fault.path), _dotted(fault.path), fault.detail) from None
