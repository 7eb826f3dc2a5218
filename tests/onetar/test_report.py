"""The report accounts for every byte of the archive, and says so to programs too."""

import contextlib
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given

from onetar import Note, Report, Row, Rows, TarError, check, extract
from onetar.report import OUTCOMES
from onetar.store.rows import CHUNK
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Recipe
from tarbiter.generate.strategies import recipes

from .archives import common, file, folder, long_name, pack, pax


def accounted(report: Report) -> int:
    """The first byte that no row accounts for; fails where there is a gap."""
    at = 0
    for row in report.members:
        assert row.offset == at
        assert row.stop > at
        at = row.stop
    return at


def test_rows_follow_each_other(tmp_path: Path) -> None:
    archive = pack(
        common((b"comment", b"x")),
        folder(b"d"),
        long_name(b"d/n"),
        file(b"d/n", b"x" * 513),
        pax((b"path", b"e")),
        file(b"e", b""),
        end=5,
    )
    report = extract(archive, tmp_path)
    assert [(row.offset, row.stop) for row in report.members] == [(0, 1536), (1536, 4096), (4096, 5632)]
    assert accounted(report) == report.end == 5632
    assert (report.archive_bytes, report.body_bytes) == (len(archive), 513)


def test_a_padding_that_is_missing_is_not_accounted_for(tmp_path: Path) -> None:
    archive = pack(file(b"a", b"x"), end=0)[:513]
    report = extract(archive, tmp_path)
    assert (report.members[0].stop, report.end, report.archive_bytes) == (513, 513, 513)


def test_a_refused_member_is_accounted_for_up_to_its_header(tmp_path: Path) -> None:
    report = Report()
    with contextlib.suppress(TarError):
        extract(pack(file(b"a"), pax((b"path", b"../b")), file(b"b")), tmp_path, report=report)
    assert [(row.offset, row.stop) for row in report.members] == [(0, 1024), (1024, 2560)]
    assert report.end == -1
    assert not report.complete


@given(recipes())
def test_every_byte_is_accounted_for(recipe: Recipe) -> None:
    archive = encode_bytes(recipe)
    report = Report()
    try:
        check(archive, report=report)
    except TarError as error:
        assert accounted(report) <= len(archive) + 512
        assert error.offset <= len(archive)  # noqa: PT017  either happens, by the recipe
        assert report.end == -1
    else:
        assert accounted(report) == report.end <= report.archive_bytes == len(archive)


def test_json_is_one_document(tmp_path: Path) -> None:
    report = extract(pack(file(b"\xff\n"), file(b"f", b"", kind="fifo"), end=1), tmp_path)
    found = json.loads(report.to_json(archive="a.tar"))
    assert next(iter(found)) == "archive"
    assert found["totals"] == {name: {"written": 1, "skipped": 1}.get(name, 0) for name in OUTCOMES}
    assert found["notes"] == [{"code": "end.blocks", "detail": "1 zero blocks instead of two", "offset": 1536}]
    assert [(row["path"], row["code"]) for row in found["members"]] == [("\udcff\n", ""), ("f", "type.special")]
    assert (found["complete"], found["end"]) == (False, 1536)


def test_json_of_nothing() -> None:
    found = json.loads(Report().to_json())
    assert (found["members"], found["complete"]) == ([], False)


def test_a_note_in_words() -> None:
    assert str(Note("end.blocks", "one", 16)) == "end.blocks at byte 0x10: one"
    assert str(Note("partial.kept", "two")) == "partial.kept: two"


def test_what_was_asked_to_be_skipped_leaves_a_report_complete() -> None:
    asked = Row(b"a", "file", 0, 0, "skipped", "only.other")
    other = Row(b"a", "file", 0, 0, "skipped", "type.special")
    assert Report(members=Rows([asked]), end=0).complete
    assert not Report(members=Rows([other]), end=0).complete
    assert not Report(members=Rows([asked])).complete


# -- many rows -----------------------------------------------------------------------------------------------------


def many(count: int) -> list[Row]:
    return [
        Row(b"d/%d" % number, "file", number, 512 * number, "written", stop=512 * number + 512)
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [0, 1, 2 * CHUNK - 1, 2 * CHUNK, 5 * CHUNK + 7])
def test_rows_are_a_sequence(count: int) -> None:
    plain = many(count)
    rows = Rows(plain)
    assert len(rows) == count
    assert list(rows) == plain
    assert rows == plain
    assert rows[-3:] == plain[-3:]
    assert rows[: CHUNK + 2 : 1000] == plain[: CHUNK + 2 : 1000]
    assert [rows[at] for at in range(-count, count, 997)] == [plain[at] for at in range(-count, count, 997)]
    for beyond in (count, -count - 1):
        with pytest.raises(IndexError):
            rows[beyond]


def test_rows_that_differ() -> None:
    rows = Rows(many(3 * CHUNK))
    assert rows != many(3 * CHUNK - 1)
    assert rows != [*many(3 * CHUNK)[1:], Row(b"x", "file", 0, 0, "written")]
    assert rows != "rows"


def test_every_row_can_be_changed() -> None:
    rows = Rows(many(3 * CHUNK))
    assert rows[1].outcome == "written"  # unpacked, and not to be told again as it was

    def undo(row: Row) -> None:
        row.outcome = "undone"

    rows.change(undo)
    assert {row.outcome for row in rows} == {rows[1].outcome, rows[-1].outcome} == {"undone"}


def test_rows_are_small() -> None:
    """A hundred thousand rows; as objects they take more than two hundred bytes each."""
    tracemalloc.start()
    try:
        rows = Rows()
        for number in range(100_000):
            path = b"package-1.0/module-%02d/file-%06d.py" % (number // 1000, number)
            rows.append(Row(path, "file", 0, 512 * number, "written", stop=512 * number + 512))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(rows) == 100_000
    assert size < 4 << 20
