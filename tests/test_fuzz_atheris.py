"""The Atheris target: some executions where Atheris is installed, and what is kept of deaths everywhere."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fuzz_atheris import (
    Child,
    EndlessError,
    list_with_tarfile,
    main,
    packed,
    recipe_of,
    run,
    save_death,
    save_recipes,
)
from tarbiter.archive.cases import load
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.generate.recipes import case_at

HERE = importlib.util.find_spec("atheris") is not None


def folders(output: Path) -> Path:
    for name in ("corpus", "recipes", "findings"):
        (output / name).mkdir(parents=True)
    return output


@given(st.binary(max_size=300))
def test_any_input_is_a_recipe(data: bytes) -> None:
    assert isinstance(encode_bytes(recipe_of(data)), bytes)


def test_an_input_is_the_recipe_that_was_packed() -> None:
    for index in range(40):
        recipe = case_at(7, index, one_large_in=0).case.recipe
        data = packed(recipe)
        if data is not None:
            assert recipe_of(data) == recipe
    assert packed(Recipe((Member(size=2**70),))) is None
    assert encode_bytes(recipe_of(msgspec.msgpack.encode(Recipe((Member(name=b"n" * 101),)))))  # it has no bytes


@pytest.mark.skipif(not HERE, reason="atheris is not installed (wheels for CPython 3.11 to 3.13)")
def test_some_executions_reach_coverage_and_keep_recipes(tmp_path: Path) -> None:
    assert main(["--runs", "300", "--seconds", "300", "-o", str(tmp_path)]) in (0, 1)
    saved = sorted((tmp_path / "recipes").iterdir())
    assert len(saved) >= 5
    for path in saved:
        assert load(str(path)).case is not None


@pytest.mark.skipif(HERE, reason="atheris is installed")
def test_without_atheris_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--runs", "1", "-o", str(tmp_path)]) == 2
    assert "pip install" in capsys.readouterr().err


class Circle:
    """An archive that gives members without end, as tarfile did for a negative size (CVE-2025-8194)."""

    def __enter__(self) -> Iterator[object]:
        return itertools.repeat(object())

    def __exit__(self, *_: object) -> None:
        pass


def test_a_reader_that_goes_in_circles_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = encode_bytes(Recipe((Member(name=b"a"), Member(name=b"b"))))
    list_with_tarfile(plain)
    monkeypatch.setattr(tarfile, "open", lambda **_: Circle())  # newer releases have no such archive
    with pytest.raises(EndlessError):
        list_with_tarfile(plain)


def test_what_a_child_died_of_is_kept_as_a_case(tmp_path: Path) -> None:
    output = folders(tmp_path / "out")
    recipe = case_at(7, 3, one_large_in=0).case.recipe
    (output / "crash-abc").write_bytes(packed(recipe) or b"")
    save_death(output, -11, "deadly signal")
    assert sorted(path.name for path in (output / "findings").iterdir()) == ["crash-abc.toml", "crash-abc.txt"]
    kept = load(str(output / "findings" / "crash-abc.toml")).case
    assert kept is not None
    assert kept.recipe == recipe
    assert not (output / "crash-abc").exists()


def test_a_child_that_dies_without_an_input_is_told_and_not_tried_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = tmp_path / "python"
    dying.write_text("#!/bin/sh\necho '#3 pulse' >&2\nexit 77\n")
    dying.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dying))
    came = run(folders(tmp_path / "out"), seconds=100, runs=0, seed=1, timeout_s=1)
    assert came["restarts"] == 21
    assert came["executions"] == 63
    assert len(came["findings"]) == 1
    assert "exit status 77" in (tmp_path / "out" / "findings" / f"{came['findings'][0]}.txt").read_text()


def test_corpus_inputs_become_cases_once(tmp_path: Path) -> None:
    output = folders(tmp_path / "out")
    (output / "corpus" / "one").write_bytes(b"anything")
    assert save_recipes(output) == save_recipes(output) == 1
    assert [path.name for path in (output / "recipes").iterdir()] == ["one.toml"]


def test_an_exception_that_nobody_promised_is_written_down_once(tmp_path: Path) -> None:
    def broken(_: bytes) -> None:
        raise KeyError("no such member")

    def promised(_: bytes) -> None:
        raise OSError("read error")

    this = Child(folders(tmp_path / "out"))
    this.readers = (("broken", broken, (OSError,)), ("promised", promised, (OSError,)))
    for data in (b"one", b"two"):
        this.one_input(data)
    written = sorted(path.name for path in (tmp_path / "out" / "findings").iterdir())
    assert len(written) == 2
    assert all(name.startswith("broken-KeyError-test_fuzz_atheris.py-") for name in written)
