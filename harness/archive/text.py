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

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from .case import Case, Placed, Schedule, World
from .encode import check
from .recipe import TYPEFLAGS, End, Long, Member, Part, Pax, Raw, Recipe, RecipeError, Record, Slot, SparseBlock

LARGEST = 1 << 30
"""Bytes that all repetitions of one case may expand to."""

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
_WORDS = ("id", "title", "why", "source", "flags")
_NUMBERS = (
    "mode uid gid size mtime chksum devmajor devminor atime ctime offset isextended realsize".split()  # noqa: SIM905  # the order of the header
)
_PLAIN = ("kind", "format")
"""Fields of a part whose strings are words, not bytes."""


class CaseError(Exception):
    """A text that is no case: `filename`, `line` (1 is the first, 0 unknown), `where` in it, and what is wrong."""

    def __init__(self, filename: str, line: int, where: str, detail: str) -> None:
        super().__init__(filename, line, where, detail)
        self.filename, self.line, self.where, self.detail = filename, line, where, detail

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        where = f" {self.where}:" if self.where else ""
        return f"{self.filename}{line}:{where} {self.detail}"


class _FaultError(Exception):
    """What is wrong, and the keys that lead to it; becomes a CaseError once its line is known."""

    def __init__(self, path: tuple[str | int, ...], detail: str) -> None:
        super().__init__(path, detail)
        self.path, self.detail = path, detail


# -- bytes and strings -------------------------------------------------------------------------------------------

_UNESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|n|\\|.?)", re.DOTALL)
_ESCAPES = {byte: f"\\x{byte:02x}" for byte in range(256) if not 32 <= byte < 127} | {10: "\\n", 92: "\\\\"}
_TABLE = {byte: _ESCAPES.get(byte, chr(byte)) for byte in range(256)}


def escape(data: bytes) -> str:
    r"""Bytes as text: printable ASCII as it is, a backslash doubled, newline as `\n`, all else as `\xNN`."""
    return data.decode("latin-1").translate(_TABLE)


def unescape(text: str) -> bytes:
    """What `escape` made a text of. Characters outside ASCII stand for their UTF-8 bytes.

    Raises ValueError for an escape that does not exist.
    """
    if "\\" not in text:
        return text.encode("utf-8")
    out, at = [], 0
    for match in _UNESCAPE.finditer(text):
        out.append(text[at : match.start()].encode("utf-8"))
        code = match[1]
        if code == "n":
            out.append(b"\n")
        elif code == "\\":
            out.append(b"\\")
        elif code.startswith("x") and len(code) == 3:
            out.append(bytes([int(code[1:], 16)]))
        else:
            raise ValueError(
                f"\\{code} is no escape; there are \\\\, \\n and \\xNN, and TOML's '...' leaves them alone"
            )
        at = match.end()
    out.append(text[at:].encode("utf-8"))
    return b"".join(out)


_RUN = re.compile(rb"(.{1,8}?)\1{31,}", re.DOTALL)
"""Thirty-two and more repetitions of up to eight bytes."""


def _toml_string(text: str) -> str:
    if "\\" not in text and '"' not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "\\x27") + "'"


def _bytes_toml(data: bytes) -> str:
    pieces, at = [], 0
    for match in _RUN.finditer(data) if len(data) >= 32 else ():
        if match.start() > at:
            pieces.append(_toml_string(escape(data[at : match.start()])))
        unit = match[1]
        times = (match.end() - match.start()) // len(unit)
        pieces.append(f"{{ of = {_toml_string(escape(unit))}, times = {times} }}")
        at = match.end()
    if not pieces:
        return _toml_string(escape(data))
    if at < len(data):
        pieces.append(_toml_string(escape(data[at:])))
    return "[" + ", ".join(pieces) + "]"


# -- writing -----------------------------------------------------------------------------------------------------


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case bytes():
            return _bytes_toml(value)
        case str():
            return _string(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no place in a case")


def _string(text: str) -> str:
    """A TOML basic string of words (not of bytes)."""
    out = [
        {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}.get(char)
        or (char if char.isprintable() else f"\\U{ord(char):08x}")
        for char in text
    ]
    return '"' + "".join(out) + '"'


def _slot(slot: Slot) -> str:
    fields = [
        f"{name} = {_value(value)}" for name in ("offset", "length") if (value := getattr(slot, name)) is not None
    ]
    return "{ " + ", ".join(fields) + " }" if fields else "{}"


def _record(record: Record) -> str:
    if record.length is None and record.end is None:
        return f"[{_value(record.key)}, {_value(record.value)}]"
    more = [
        f"{name} = {_value(value)}" for name in ("length", "end") if (value := getattr(record, name)) is not None
    ]
    return "{ " + ", ".join([f"key = {_value(record.key)}", f"value = {_value(record.value)}", *more]) + " }"


def _extension(block: SparseBlock) -> str:
    fields = [f"slots = [{', '.join(map(_slot, block.slots))}]"] if block.slots else []
    flags = ("isextended", "reserved")
    fields += [f"{name} = {_value(value)}" for name in flags if (value := getattr(block, name)) is not None]
    return "{ " + ", ".join(fields) + " }" if fields else "{}"


def _fields(part: Part) -> Iterator[tuple[str, str]]:
    """Key and TOML value of everything in a part that is not canonical, kind first."""
    if isinstance(part, End):
        yield "kind", '"end"'
        yield "blocks", str(part.blocks)
        return
    if isinstance(part, Raw):
        yield "kind", '"raw"'
        yield "data", _value(part.data)
        return
    yield "kind", f'"{part.kind}"'
    usual = type(part)()
    order = ["format", *(name for name in part.__struct_fields__ if name not in ("kind", "format"))]
    for name in order:
        value = getattr(part, name)
        if value == getattr(usual, name):
            continue
        if name == "sparse":
            yield name, "[" + ", ".join(map(_slot, value)) + "]"
        elif name == "extensions":
            yield name, "[" + ", ".join(map(_extension, value)) + "]"
        elif name == "records":
            yield name, "[" + ", ".join(map(_record, value)) + "]"
        else:
            yield name, _field(name, value)


def _field(name: str, value: object) -> str:
    """A value, permission bits in octal as everybody reads them."""
    if name in ("mode", "umask", "dest_mode") and isinstance(value, int) and value >= 0:
        return f"0o{value:o}"
    return _value(value)


def _table(record: msgspec.Struct, usual: msgspec.Struct, skip: tuple[str, ...] = ()) -> Iterator[str]:
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if name not in skip and value != getattr(usual, name):
            text = "[" + ", ".join(map(_value, value)) + "]" if isinstance(value, tuple) else _field(name, value)
            yield f"{name} = {text}"


def _placed(placed: Placed) -> str:
    fields = [f'kind = "{placed.kind}"', f"name = {_value(placed.name)}"]
    fields += _table(placed, Placed(kind=placed.kind, name=placed.name))
    return "{ " + ", ".join(fields) + " }"


def dumps(case: Case | Recipe) -> str:
    """A case or a bare recipe as TOML. Equal cases give equal text."""
    if isinstance(case, Recipe):
        case = Case(recipe=case)
    lines = []
    for name in _WORDS:
        value = getattr(case, name)
        if value:
            text = _value(value) if isinstance(value, str) else "[" + ", ".join(map(_value, value)) + "]"
            lines.append(f"{name} = {text}")
    if case.recipe.end != 2:
        lines.append(f"end = {case.recipe.end}")
    parts = [list(_fields(part)) for part in case.recipe.parts]
    inline = ["    { " + ", ".join(f"{key} = {value}" for key, value in part) + " }," for part in parts]
    short = all(len(line) <= WIDTH for line in inline)
    if parts and short:
        lines += ["part = [", *inline, "]"]
    if case.world != World():
        lines += ["", "[world]", *_table(case.world, World(), ("placed",))]
        if case.world.placed:
            lines += ["placed = [", *(f"    {_placed(placed)}," for placed in case.world.placed), "]"]
    if case.schedule != Schedule():
        lines += ["", "[schedule]", *_table(case.schedule, Schedule())]
    if parts and not short:
        for part in parts:
            lines += ["", "[[part]]", *(f"{key} = {value}" for key, value in part)]
    return "\n".join(lines).lstrip("\n") + "\n"


# -- reading -----------------------------------------------------------------------------------------------------

_Path = tuple[str | int, ...]


class _Reader:
    """Turns what tomllib gives into records. `expanded` counts the bytes of repetitions, over the whole case."""

    def __init__(self) -> None:
        self.expanded = 0

    def bytes_(self, value: object, path: _Path) -> bytes:
        if isinstance(value, str):
            try:
                return unescape(value)
            except ValueError as error:
                raise _FaultError(path, str(error)) from None
        if isinstance(value, list):
            return b"".join(self._piece(piece, (*path, index)) for index, piece in enumerate(value))
        raise _FaultError(path, f"expected a string or an array of pieces, found {_name(value)}")

    def _piece(self, piece: object, path: _Path) -> bytes:
        if isinstance(piece, str):
            return self.bytes_(piece, path)
        if not isinstance(piece, dict):
            raise _FaultError(path, f"expected a string or {{ of = ..., times = ... }}, found {_name(piece)}")
        _only(piece, ("of", "times"), path)
        unit = self.bytes_(piece.get("of", ""), (*path, "of"))
        times = self.integer(piece.get("times", 1), (*path, "times"))
        self.expanded += len(unit) * max(times, 0)
        if times < 0 or self.expanded > LARGEST:
            raise _FaultError(
                (*path, "times"), f"repetitions of this case come to more than {LARGEST} bytes, or to less than 0"
            )
        return unit * times

    def integer(self, value: object, path: _Path) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise _FaultError(path, f"expected an integer, found {_name(value)}")

    def mode(self, value: object, path: _Path) -> int:
        bits = self.integer(value, path)
        if not 0 <= bits <= 0o7777:
            raise _FaultError(path, f"{bits} is out of range: permission bits are 0 to 0o7777")
        return bits

    def number(self, value: object, path: _Path) -> int | bytes:
        if isinstance(value, str | list):
            return self.bytes_(value, path)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise _FaultError(path, f"expected an integer or a string of raw bytes, found {_name(value)}")

    def text(self, value: object, path: _Path) -> str:
        if isinstance(value, str):
            return value
        raise _FaultError(path, f"expected a string, found {_name(value)}")

    def boolean(self, value: object, path: _Path) -> bool:
        if isinstance(value, bool):
            return value
        raise _FaultError(path, f"expected true or false, found {_name(value)}")

    def items(self, value: object, path: _Path, read: Callable[[Any, _Path], Any]) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _FaultError(path, f"expected an array, found {_name(value)}")
        return tuple(read(item, (*path, index)) for index, item in enumerate(value))

    def _struct(
        self, value: object, path: _Path, readers: Mapping[str, Callable[[Any, _Path], Any]]
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _FaultError(path, f"expected a table, found {_name(value)}")
        _only(value, tuple(readers), path)
        return {key: readers[key](item, (*path, key)) for key, item in value.items()}

    def slot(self, value: object, path: _Path) -> Slot:
        return Slot(**self._struct(value, path, {"offset": self.number, "length": self.number}))

    def extension(self, value: object, path: _Path) -> SparseBlock:
        readers = {
            "slots": lambda item, where: self.items(item, where, self.slot),
            "isextended": self.number,
            "reserved": self.bytes_,
        }
        return SparseBlock(**self._struct(value, path, readers))

    def record(self, value: object, path: _Path) -> Record:
        if isinstance(value, list):
            if len(value) != 2:
                raise _FaultError(path, f"expected [key, value], found an array of {len(value)}")
            return Record(*(self.bytes_(item, (*path, index)) for index, item in enumerate(value)))
        found = self._struct(value, path, dict.fromkeys(("key", "value", "length", "end"), self.bytes_))
        for key in ("key", "value"):
            if key not in found:
                raise _FaultError(path, f"a record needs {key}")
        return Record(**found)

    def part(self, value: object, path: _Path) -> Part:
        if not isinstance(value, dict):
            raise _FaultError(path, f"expected a table, found {_name(value)}")
        kind = value.get("kind", "file")
        if not isinstance(kind, str):
            raise _FaultError((*path, "kind"), f"expected a string, found {_name(kind)}")
        if kind not in _CLASSES:
            raise _FaultError((*path, "kind"), f"{kind!r} is no kind of part{_nearest(kind, _CLASSES)}")
        type_ = _CLASSES[kind]
        if type_ is End:
            found = self._struct(value, path, {"kind": self.text, "blocks": self.integer})
            return End(found.get("blocks", 2))
        if type_ is Raw:
            return Raw(self._struct(value, path, {"kind": self.text, "data": self.bytes_}).get("data", b""))
        return self._header_part(type_, value, path)

    def writable(self, value: object, path: _Path) -> Part:
        """A part that the encoder has bytes for."""
        part = self.part(value, path)
        try:
            check(part, 0)
        except RecipeError as error:
            key = error.field.partition("[")[0]
            raise _FaultError((*path, key), error.detail) from None
        return part

    def _header_part(self, type_: type[Part], value: dict[str, Any], path: _Path) -> Part:
        readers: dict[str, Callable[[Any, _Path], Any]] = {}
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
        found = self._struct(value, path, readers)
        if found.get("format", "ustar") not in ("ustar", "gnu", "v7", "star"):
            raise _FaultError(
                (*path, "format"), f"{found['format']!r} is no format; there are ustar, gnu, v7 and star"
            )
        return type_(**found)

    def placed(self, value: object, path: _Path) -> Placed:
        readers = {
            "kind": self.text,
            "name": self.bytes_,
            "data": self.bytes_,
            "link": self.bytes_,
            "mode": self.mode,
        }
        found = self._struct(value, path, readers)
        for key in ("kind", "name"):
            if key not in found:
                raise _FaultError(path, f"something placed needs a {key}")
        if found["kind"] not in ("file", "dir", "symlink", "hardlink", "fifo"):
            raise _FaultError(
                (*path, "kind"), f"{found['kind']!r} cannot be placed; file, dir, symlink, hardlink, fifo can"
            )
        return Placed(**found)

    def world(self, value: object, path: _Path) -> World:
        readers = {
            "placed": lambda item, where: self.items(item, where, self.placed),
            "dest_mode": self.mode,
            "umask": self.mode,
            "locale": self.text,
        }
        return World(**self._struct(value, path, readers))

    def schedule(self, value: object, path: _Path) -> Schedule:
        readers = {"chunks": lambda item, where: self.items(item, where, self.chunk), "pause": self.boolean}
        return Schedule(**self._struct(value, path, readers))

    def chunk(self, value: object, path: _Path) -> int:
        size = self.integer(value, path)
        if size < 1:
            raise _FaultError(path, f"a read of {size} bytes would be the end of the archive")
        return size

    def case(self, document: dict[str, Any]) -> Case:
        readers = {
            **dict.fromkeys(("id", "title", "why"), self.text),
            **dict.fromkeys(("source", "flags"), lambda item, where: self.items(item, where, self.text)),
            "world": self.world,
            "schedule": self.schedule,
            "end": self.integer,
            "part": lambda item, where: self.items(item, where, self.writable),
        }
        found = self._struct(document, (), readers)
        end = found.pop("end", 2)
        if end < 0:
            raise _FaultError(("end",), f"{end} zero blocks cannot be written")
        return Case(
            **{key: value for key, value in found.items() if key != "part"},
            recipe=Recipe(found.get("part", ()), end),
        )


def _name(value: object) -> str:
    names = {
        str: "a string",
        bool: "true or false",
        int: "an integer",
        float: "a float",
        list: "an array",
        dict: "a table",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def _nearest(word: str, words: Mapping[str, object] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, list(words), n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(words)}"


def _only(table: dict[str, Any], allowed: tuple[str, ...], path: _Path) -> None:
    for key in table:
        if key not in allowed:
            raise _FaultError((*path, key), f"unknown field {key!r}{_nearest(key, allowed)}")


def _dotted(path: _Path) -> str:
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def _reaches(document: Any, path: _Path) -> bool:
    for key in path:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _line_of(text: str, path: _Path) -> int:
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
    except _FaultError as fault:
        raise CaseError(filename, _line_of(text, fault.path), _dotted(fault.path), fault.detail) from None
