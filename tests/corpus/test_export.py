"""The export: complete, the same each time, as its schema says, and of use to programs in other languages."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import msgspec
import pytest
from click.testing import CliRunner

from tarbiter.archive.case import Case, Placed, Schedule, World
from tarbiter.archive.expect import NEVER, Entry, Expect, Reading
from tarbiter.archive.layers import Layer
from tarbiter.cli import main
from tarbiter.corpus import export, shelf
from tarbiter.corpus.shelf import Shelved

from .corpora import ROOT, make

CONSUMERS = Path(__file__).parent / "consumers"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole corpus, exported."""
    target = tmp_path_factory.mktemp("export") / "cases"
    result = CliRunner().invoke(main, ["corpus", "export", str(target), "--corpus", ROOT])
    assert result.exit_code == 0, result.output
    return target


def test_the_index_is_complete(exported: Path) -> None:
    index = json.loads((exported / "index.json").read_text())
    rows = index["cases"]
    assert [row["id"] for row in rows] == [one.place for one in shelf.cases(ROOT)]
    assert index["format"] == export.FORMAT
    assert index["never"] == NEVER
    assert set(index["flags"]) == set(shelf.flags(ROOT))
    for row in rows:
        data = (exported / row["archive"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (row["size"], row["sha256"])


def test_every_document_is_as_the_schema_says(exported: Path) -> None:
    schema = json.loads((exported / "case.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in sorted(exported.glob("*/*.json")):
        document = json.loads(path.read_text())
        assert next(validator.iter_errors(document), None) is None, path
        count = len(document.get("allowed", []))
        assert {"must": count == 1, "may": count > 1, "open": count == 0}[document["verdict"]], path


def test_the_schema_refuses_what_is_no_case(exported: Path) -> None:
    schema = json.loads((exported / "case.schema.json").read_text())
    document = json.loads((exported / "headers" / "ustar.json").read_text())
    for wrong in ({"verdict": "should"}, {"id": 5}, {"allowed": [{"name": "x"}]}):
        assert list(jsonschema.Draft202012Validator(schema).iter_errors(document | wrong)), wrong


def test_the_schema_depends_on_words_and_not_on_their_indentation() -> None:
    text = "One.\n\n{0}Two:\n{0}    three."
    kinds = [type("Kind", (msgspec.Struct,), {"__doc__": text.format(indent)}) for indent in ("", " " * 4)]
    first, second = map(export.schema, kinds)
    assert first == second
    assert json.loads(first)["$defs"]["Kind"]["description"] == text.format("")


def test_what_has_no_order_in_the_schema_is_sorted() -> None:
    def lists(part: object) -> Iterator[list[object]]:
        for name, value in part.items() if isinstance(part, dict) else enumerate(part):  # type: ignore[arg-type]
            if isinstance(value, list) and name in ("anyOf", "enum", "required"):
                yield value
            if isinstance(value, dict | list):
                yield from lists(value)

    found = list(lists(json.loads(export.schema())))
    assert len(found) >= 10
    assert found == [sorted(one, key=lambda part: json.dumps(part, sort_keys=True)) for one in found]


def test_the_same_corpus_gives_the_same_files(tmp_path: Path) -> None:
    make(tmp_path / "c")
    for name in ("one", "two"):
        words = [
            sys.executable,
            "-m",
            "tarbiter",
            "corpus",
            "export",
            str(tmp_path / name),
            "--corpus",
            str(tmp_path / "c"),
        ]
        subprocess.run(words, check=True, env=os.environ | {"PYTHONHASHSEED": "1" if name == "one" else "2"})
    trees = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("one", "two")
    ]
    assert trees[0] == trees[1]
    assert len(trees[0]) == 4 + 2 * 2


def test_a_directory_that_is_not_empty(tmp_path: Path) -> None:
    make(tmp_path / "c")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    result = CliRunner().invoke(main, ["corpus", "export", str(tmp_path / "full"), "--corpus", str(tmp_path / "c")])
    assert result.exit_code == 2
    assert "is not empty" in result.output


def test_everything_of_a_case_is_exported() -> None:
    case = Case(
        id="t/x",
        world=World(placed=(Placed(kind="file", name=b"\xe9", data=b"\n"),), umask=0o077, cwd="dest", uid="root"),
        schedule=Schedule(chunks=(1, 2), pause=True),
        layers=(Layer(kind="xz"),),
        expect=Expect(
            may=(
                Reading(name="tree", why="So.", tree=(Entry(name=b"\\", data=b"x" * 5000, mode=0o600, mtime=7),)),
                Reading(name="refusal", why="So."),
            ),
            absent=(b"n\0",),
        ),
    )
    found = json.loads(
        msgspec.json.encode(
            export.exported(Shelved(path="t/x.toml", text="", case=case, archive=b"abc"), {"tree": ("tar 1",)})
        )
    )
    assert found["world"] == {
        "placed": [{"kind": "file", "name": "\\xe9", "data": "\\n"}],
        "destMode": 0o755,
        "umask": 0o077,
        "cwd": "dest",
        "uid": "root",
        "locale": "C.UTF-8",
    }
    assert found["schedule"] == {"chunks": [1, 2], "pause": True}
    assert found["compression"] == ["xz"]
    assert (found["verdict"], found["absent"], found["seen"]) == ("may", ["n\\x00"], {"tree": ["tar 1"]})
    (entry,) = found["allowed"][0]["tree"]
    assert entry == {
        "name": "\\\\",
        "type": "file",
        "size": 5000,
        "sha256": hashlib.sha256(b"x" * 5000).hexdigest(),
        "mode": 0o600,
        "mtime": 7,
    }
    assert found["allowed"][1] == {"name": "refusal", "why": "So.", "refuse": True}


def words_of(output: str) -> dict[str, str]:
    """What a consumer says of each case."""
    lines = [line.rsplit(" ", 1) for line in output.splitlines()[:-1]]
    return {name: word for word, name in lines}


def test_a_consumer_in_go(exported: Path, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go toolchain on PATH")
    kept = getattr(pytestconfig, "cache", None)  # compiling the standard library takes longer than all else here
    environment = os.environ | {
        "GOCACHE": str(kept.mkdir("go-build") if kept else tmp_path / "cache"),
        "CGO_ENABLED": "0",
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "GOTOOLCHAIN": "local",
    }
    program = str(tmp_path / "consumer")
    subprocess.run([go, "build", "-o", program, str(CONSUMERS / "consumer.go")], check=True, env=environment)
    ran = subprocess.run([program, str(exported)], check=True, capture_output=True, text=True)
    said = words_of(ran.stdout)
    assert set(said) == {one.place for one in shelf.cases(ROOT)}
    assert said["headers/ustar"] == said["pax/value-with-equals"] == said["end/cut-in-a-body"] == "passes"
    assert said["worlds/file-there"] == "not run"


def test_a_consumer_in_rust(exported: Path, tmp_path: Path) -> None:
    rustc = shutil.which("rustc")
    if rustc is None:
        pytest.skip("no Rust compiler on PATH")
    program = str(tmp_path / "consumer")
    built = subprocess.run(
        [rustc, "-D", "warnings", "-o", program, str(CONSUMERS / "consumer.rs")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([program, str(exported)], check=True, capture_output=True, text=True)
    said = words_of(ran.stdout)
    assert set(said) == {one.place for one in shelf.cases(ROOT)}
    assert said["headers/ustar"] == said["end/body-of-513"] == "passes"
    assert said["names/pax-101-bytes"] == "differs"
    assert said["worlds/file-there"] == "not run"
