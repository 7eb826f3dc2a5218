"""The express way: ordinary files and directories in one tight loop, before parser, policy and writer are asked.

Most members of most archives are alike: the same owner, modes, magic, one pax time at most. This loop knows them by
comparing the pieces of a header with pieces it has examined before, and does for them exactly what the ordinary way
does, for a fraction of its time. Whatever it has any doubt about, it leaves alone: the parser finds that member
where it began, and says of it what there is to say. So nothing is refused, changed or skipped here, and no rule is
decided here in another way: which way a member went cannot be seen from the outside, and depends on how the archive
arrived.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from typing import TypeVar

from .errors import TarError
from .events import Kind
from .limits import Limits
from .policy import Policy, directory_mode, file_mode
from .report import INCOMPLETE, Progress, Report
from .rules import below
from .store.names import FIRST, FOLDED, IMPLIED, KIND, MADE, NUMBERS
from .store.rows import CHUNK
from .writer import FILE, Writer

_PIECES = struct.Struct("24s12s12s8s189s167s")
"""Behind the name: mode, uid, gid; size; mtime; chksum; typeflag to devminor; prefix and what is behind it."""

_OWN = rb"(?:[0-7]{7}[ \0]|[0-7]{6} \0|\0{8})"
_MODES = re.compile(rb"(?:000|010)[0-7](?:[0-7]{3}[ \0]|[0-7]{2} \0)" + _OWN * 2 + rb"\Z")
_TIME = re.compile(rb"[0-7]{11}[ \0]\Z|\0{12}\Z")
_SUM = re.compile(rb"[0-7]{6}(?:\0 | \0)\Z|[0-7]{7}[ \0]\Z")
_REST = re.compile(rb"[05x\0]\0{100}(?:ustar\x0000|ustar  \0).{64}" + _OWN * 2 + rb"\Z", re.DOTALL)
_PAX_TIME = re.compile(rb"([1-9][0-9]) mtime=([0-9]{1,9}|[1-7][0-9]{9})(?:\.([0-9]{1,9})[0-9]*)?\n\Z")
"""A pax header with nothing but a time, between 1970 and 2223."""

_PLAIN = bytes(byte for byte in range(32, 127) if byte not in b"/\\")
_IDLE = frozenset((b"", b".", b".."))
_FILE, _DIRECTORY = NUMBERS[Kind.FILE], NUMBERS[Kind.DIR]
_IMPLIED_ONLY = IMPLIED | MADE
_LONGEST_TIME = 100
"""Bytes of such a pax header are less: its length has two digits."""
_NOTHING = bytes(167)
_NULS = tuple(bytes(100 - length) for length in range(100))
"""What must be behind a name of each length."""
_NO_HEADER = b"\xff" * 512
_NO_PREFIX = (b"", 0)
_DRIVE = re.compile(rb"[A-Za-z]:")
_FEW = 4096
"""Numbers of each sort that are remembered: more are forgotten all at once, and examined again."""
_FEWER = 512
"""The same of longer pieces."""
_SHORT = 512
"""Limits below this many bytes are left to the parser."""


class Express:
    """Ordinary members of one archive. `writer` None: nothing is written (`check`).

    Shares what the policy remembers and what the report says with the ordinary way.
    """

    def __init__(self, policy: Policy, writer: Writer | None, report: Report, progress: Progress | None) -> None:
        self._policy, self._writer, self._report, self._progress = policy, writer, report, progress
        self._names = policy.names
        self._modes: dict[bytes, tuple[int, int, int]] = {}
        self._numbers: dict[bytes, tuple[int, int]] = {}
        self._times: dict[bytes, tuple[int, int]] = {}
        self._sums: dict[bytes, int] = {}
        self._rests: dict[bytes, tuple[int, bool, int]] = {}
        self._headers: dict[bytes, int] = {}
        """Whole pax headers (tarfile's are all alike), and the bytes of their bodies."""
        self._bodies: dict[bytes, int] = {}
        self._prefixes: dict[bytes, tuple[bytes, int]] = {}

    @staticmethod
    def able(limits: Limits) -> bool:
        """Whether limits are such that no ordinary member comes near them."""
        return min(limits.path, limits.extension, limits.depth) >= _SHORT

    # -- pieces of a header that were not seen before: examined; None: not ordinary -----------------------

    def _mode(self, piece: bytes) -> tuple[int, int, int] | None:
        """Mode for a file and for a directory (-1: not ordinary for it), and the sum of the bytes."""
        if _MODES.match(piece) is None:
            return None
        mode = int(piece[:7].rstrip(b" "), 8)
        file = -1 if mode & 0o7000 else file_mode(mode & 0o777)
        found = (file, -1 if mode >> 12 else directory_mode(mode), sum(piece))
        return _remember(self._modes, piece, found)

    def _number(self, piece: bytes) -> tuple[int, int] | None:
        if not piece[:11].isdigit() or piece[11] not in b"\0 ":
            return None
        try:
            value = int(piece[:11], 8)
        except ValueError:
            return None  # an 8 or a 9
        return _remember(self._numbers, piece, (value, (zlib.adler32(piece) & 0xFFFF) - 1))

    def _time(self, piece: bytes) -> tuple[int, int] | None:
        if _TIME.match(piece) is None:
            return None
        return _remember(self._times, piece, (int(piece[:11].strip(b"\0") or b"0", 8) * 10**9, sum(piece)))

    def _sum(self, piece: bytes) -> int | None:
        """The sum that a header states, less that of the field itself as it is counted."""
        if _SUM.match(piece) is None:
            return None
        return _remember(self._sums, piece, int(piece[:7].rstrip(b"\0 "), 8) - 256)

    def _rest(self, piece: bytes) -> tuple[int, bool, int] | None:
        """Typeflag (0, 5 or x), whether there may be a prefix, and the sum of the bytes."""
        if _REST.match(piece) is None:
            return None
        return _remember(self._rests, piece, (piece[0] or 0x30, piece[106] == 0, sum(piece)))

    def _prefix(self, piece: bytes) -> tuple[bytes, int] | None:
        """The prefix with its slash, and the sum of the bytes."""
        prefix = piece[:155].rstrip(b"\0")
        if not prefix or b"\0" in prefix or any(piece[155:]):
            return None
        return _remember(self._prefixes, piece, (prefix + b"/", sum(piece)))

    def _header(self, block: bytes) -> int:
        """The bytes of the body of a pax header, if it is an ordinary one; -1: it is not."""
        name = block[:100]
        mode_piece, number_piece, time_piece, sum_piece, rest_piece, prefix_piece = _PIECES.unpack_from(block, 100)
        mode, rest, number = self._mode(mode_piece), self._rest(rest_piece), self._number(number_piece)
        time, stated = self._time(time_piece), self._sum(sum_piece)
        if mode is None or rest is None or number is None or time is None or stated is None:
            return -1
        total = sum(name) + mode[2] + number[1] + time[1] + rest[2]
        if prefix_piece != _NOTHING or not rest[1] or stated != total or b"\0" in name.rstrip(b"\0"):
            return -1
        return _remember(self._headers, block, number[0]) if number[0] < _LONGEST_TIME else -1

    def _body(self, body: bytes) -> int:
        """The time in nanoseconds that is all that the body of a pax header has; -1: it is another one."""
        found = _PAX_TIME.match(body)
        if found is None or int(found[1]) != len(body):
            return -1
        fraction = found[3]
        mtime = int(found[2]) * 10**9 + (int(fraction.ljust(9, b"0")) if fraction else 0)
        return _remember(self._bodies, body, mtime)

    # -- directories -----------------------------------------------------------------------------------------------

    def _enter(self, parent: bytes, first: int, room: int) -> int:
        """The descriptor of a directory to make members in (0 where nothing is written); -1: in doubt.

        `room` is how many members and implied directories there may still be.
        """
        if parent:
            names = self._names
            if names.folding and not parent.isascii():
                return -1  # the loop folds ASCII only
            known = names.get(parent)
            if known & KIND == _DIRECTORY:
                # A member was looked at when it came, with all above it.
                if not known & IMPLIED:
                    names.recent[parent] = known | IMPLIED
            elif not known & IMPLIED:
                if not _IDLE.isdisjoint(parent.split(b"/")):
                    return -1
                if parent.count(b"/") + 2 > room or len(names.recent) > 2 * FIRST:
                    return -1
                if names.folding and (
                    parent.translate(None, _PLAIN + b"/")
                    or _DRIVE.match(parent) is not None
                    or below(parent, names, first) is not None
                ):
                    return -1
                names.enter(parent)
        if self._writer is None:
            return 0
        try:
            return self._writer.directory(parent, (first, parent))
        except (OSError, TarError):
            return -1

    # -- the loop --------------------------------------------------------------------------------------------------

    def run(self, buffer: bytes, at: int, base: int, most: int) -> tuple[int, int]:
        """Take members from `buffer`, the first of which begins at `at`, or nothing.

        No more than CHUNK, and with the directories that names imply no more than `most`.
        `base` is the archive's offset of the buffer. Returns where the first member begins that was not taken, and
        how many were. Raises OSError where a body cannot be written; the writer then has the file still open.
        """
        writer, report, names = self._writer, self._report, self._names
        unpack, adler, size_of = _PIECES.unpack_from, zlib.adler32, len
        modes, numbers, times, sums = self._modes.get, self._numbers.get, self._times.get, self._sums.get
        rests, prefixes, headers = self._rests.get, self._prefixes.get, self._headers.get
        bodies = self._bodies.get
        last_piece, rest = b"", (0, False, 0)
        names.settle()
        known, recent, folding = names.known(), names.recent, names.folding
        rows = report.members.latest
        to_open, to_write, to_close, set_times = os.open, os.write, os.close, os.utime
        progress = self._progress
        outcome = "listed" if writer is None else "written"
        is_file, is_directory = (_FILE, _DIRECTORY) if writer is None else (_FILE | MADE, _DIRECTORY | MADE)
        with_times = writer is not None and writer.times
        with_modes = writer is not None and writer.modes
        view = memoryview(buffer)
        end = size_of(buffer) - 512
        last: bytes | None = None
        low = b""
        fd, written, count = -1, 0, 0
        path, start, size = b"", at, 0
        mtime, last_header, header_size = -1, _NO_HEADER, -1
        begun = False  # a file was made and has no row yet
        files = 0
        room = min(most - names.implied, CHUNK)
        try:
            while at <= end and count < room:
                mode_piece, number_piece, time_piece, sum_piece, rest_piece, prefix_piece = unpack(buffer, at + 100)
                if rest_piece != last_piece:
                    found_rest = rests(rest_piece) or self._rest(rest_piece)
                    if found_rest is None:
                        break
                    rest, last_piece = found_rest, rest_piece
                if rest[0] == 0x78:  # x: nothing but a time, and then the member
                    if mtime >= 0 or at + 1024 > end:
                        break
                    if not buffer.startswith(last_header, at):
                        last_header = buffer[at : at + 512]
                        header_size = headers(last_header, -1)
                        if header_size < 0:
                            header_size = self._header(last_header)
                    if header_size < 0:
                        break
                    body = buffer[at + 512 : at + 512 + header_size]
                    mtime = bodies(body, -1)
                    if mtime < 0:
                        mtime = self._body(body)
                        if mtime < 0:
                            break
                    at += 1024
                    continue
                mode = modes(mode_piece) or self._mode(mode_piece)
                number = numbers(number_piece) or self._number(number_piece)
                time = times(time_piece) or self._time(time_piece)
                stated = sums(sum_piece) or self._sum(sum_piece)
                if mode is None or number is None or time is None or stated is None:
                    break
                if mtime < 0:
                    mtime = time[0]
                if prefix_piece == _NOTHING:
                    prefix: tuple[bytes, int] | None = _NO_PREFIX
                else:
                    prefix = (prefixes(prefix_piece) or self._prefix(prefix_piece)) if rest[1] else None
                cut = buffer.find(0, at, at + 100)
                if cut < 0:
                    path = buffer[at : at + 100]
                else:
                    path = buffer[at:cut]
                    if not buffer.startswith(_NULS[cut - at], cut):
                        break
                if prefix is None or (
                    stated != (adler(path) & 0xFFFF) - 1 + mode[2] + number[1] + time[1] + rest[2] + prefix[1]
                ):
                    break
                size = number[0]
                stop = at + 512 + (size + 511 & ~511)
                stored = path = prefix[0] + path
                directory = rest[0] == 0x35
                bits = mode[1] if directory else mode[0]
                if stop > end + 512 or bits < 0 or (directory and size):
                    break
                if path[:2] == b"./":
                    path = path[2:]
                if directory and path[-1:] == b"/":
                    path = path[:-1]
                parent, _, leaf = path.rpartition(b"/")
                if leaf in _IDLE or path[0] == 0x2F:
                    break
                if parent != last:
                    fd = self._enter(parent, base + at, most - names.implied - count)
                    room = min(most - names.implied, CHUNK)
                    last = parent if fd >= 0 else None
                if fd < 0:
                    break
                before = known(path)
                if before and (not directory or before & ~_IMPLIED_ONLY):
                    break
                if folding:
                    low = path.lower()
                    if (
                        leaf.translate(None, _PLAIN)
                        or (not parent and leaf[1:2] == b":")
                        or (low != path and not before and known(low))
                    ):
                        break
                if directory:
                    if writer is not None and not writer.make_directory(fd, leaf, path, bits, mtime):
                        break
                    recent[path] = is_directory | (before or 0)
                elif writer is None:
                    recent[path] = is_file
                else:
                    try:
                        file = writer.file = to_open(leaf, FILE, bits if with_modes else 0o666, dir_fd=fd)
                    except OSError:
                        break
                    begun = True
                    files += 1
                    recent[path] = is_file
                    if size:
                        data = at + 512
                        done = to_write(file, view[data : data + size])
                        while done < size:
                            done += to_write(file, view[data + done : data + size])
                        written += size
                    if with_times:
                        set_times(file, ns=(mtime, mtime))
                    writer.file = -1
                    to_close(file)
                row = (
                    stored if writer is None else path,
                    "dir" if directory else "file",
                    size,
                    base + start,
                    outcome,
                    "",
                    "",
                    base + stop,
                )
                rows.append(row)
                begun = False
                if folding and low != path:
                    recent[low] = FOLDED
                if progress is not None:
                    progress(report.members[-1])
                count += 1
                start = at = stop
                mtime = -1
        except BaseException:
            if begun:
                rows.append((path, "file", size, base + start, "partial", *INCOMPLETE, base + at + 512))
            raise
        finally:
            report.body_bytes += written
            report.members.settle()
            if writer is not None:
                writer.made += files
        return start, count


_Found = TypeVar("_Found")


def _remember(memory: dict[bytes, _Found], piece: bytes, found: _Found) -> _Found:
    """Remember what was found of a piece."""
    if len(memory) >= (_FEW if len(piece) < 100 else _FEWER):
        memory.clear()
    memory[piece] = found
    return found
