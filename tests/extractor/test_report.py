"""The report accounts for every byte of the archive, and says so to programs too."""

import contextlib
import json
from pathlib import Path

from hypothesis import given

from extractor import Note, Report, Row, TarError, check, extract
from extractor.report import OUTCOMES
from harness.archive.encode import encode_bytes
from harness.archive.recipe import Recipe
from harness.generate.strategies import recipes

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
    assert Report(members=[asked], end=0).complete
    assert not Report(members=[other], end=0).complete
    assert not Report(members=[asked]).complete
