"""The command line: what it prints, what it refuses, and with which exit code."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from tarbiter.archive.case import Case, Placed, Schedule, World
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import dumps, loads
from tarbiter.cli import COMMANDS, main
from tarbiter.contest.installed.registry import everyone
from tarbiter.contest.sandbox.backends import CHOICES, VARIABLE

PAIR = ("--with", "extractor-compat,tarfile-fully-trusted")
PLAIN = Recipe(parts=(Member(kind="dir", name=b"d/"), Member(name=b"d/f", data=b"x" * 600)))
SLASH = Recipe(parts=(Member(name=b"a/"),))
"""GNU tar, bsdtar and our compat policy make a directory of it, tarfile a file."""


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, [str(one) for one in arguments], input=stdin)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.tar"
    path.write_bytes(encode_bytes(PLAIN))
    return path


@pytest.fixture
def slash(tmp_path: Path) -> Path:
    path = tmp_path / "slash.toml"
    path.write_text(dumps(Case(recipe=SLASH)))
    return path


# What cannot be used ------------------------------------------------------------------------------------------


def bad(name: str, content: bytes | None, says: str) -> object:
    return pytest.param(name, content, says, id=says)


BAD = [
    bad("missing.tar", None, "no such file"),
    bad("syntax.toml", b'[[part]]\nname = "a"\n[[part\n', "syntax.toml:3: not TOML"),
    bad("type.toml", b"[[part]]\nname = 3\n", "type.toml:2: part[0].name: expected a string"),
    bad("field.toml", b'[[part]]\nname = "a"\nnmae = "b"\n', "field.toml:3: part[0].nmae: unknown field"),
    bad("kind.toml", b'[[part]]\nkind = "fiel"\n', "kind.toml:2: part[0].kind: 'fiel' is no kind of part"),
    bad("latin.toml", b'title = "\xe9"\n', "line 1: not UTF-8"),
]


@pytest.mark.parametrize("command", ["compare", "inspect", "recipe"])
@pytest.mark.parametrize(("name", "content", "says"), BAD)
def test_a_bad_input_is_told_in_one_line(
    tmp_path: Path, command: str, name: str, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    before = sorted(tmp_path.iterdir())
    result = run(command, tmp_path / name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"tarbiter: {tmp_path / name}")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", ["compare", "inspect", "recipe"])
def test_a_directory_as_input_is_told(tmp_path: Path, command: str) -> None:
    result = run(command, tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is a directory" in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("command", ["compare", "inspect", "recipe"])
def test_an_unreadable_file_is_told(plain: Path, command: str) -> None:
    plain.chmod(0)
    result = run(command, plain)
    assert result.exit_code == 2
    assert "may not be read" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("compare",), "Missing argument"),
        (("compare", "{plain}", "--with", "nobody,tarfile-data"), "nobody: is no contestant"),
        (("compare", "{plain}", "--with", "extractor-strict"), "two contestants, and there is 1"),
        (("compare", "{plain}", "--facet", "colour"), "'colour' is no facet"),
        (("compare", "{plain}", "--schedule", "0"), "is no schedule"),
        (("compare", "{plain}", "--schedule", "1,2+wait"), "is no schedule"),
        (("compare", "{plain}", "--schedule", "1,,2"), "is no schedule"),
        (("compare", "{plain}", "--world", "{plain}"), "a world comes from a case"),
        (("compare", "{plain}", "--target", "cat"), "{archive}"),
        (("compare", "{plain}", "--target", "no-such-program {archive} {dest}"), "no-such-program"),
        (("compare", "{plain}", "--jobs", "0"), "--jobs"),
        (("build", "{plain}"), "a case is a TOML file"),
        (("build", "{slash}", "-o", "{folder}"), "cannot be written"),
        (("build", "{slash}", "-o", "{folder}/no/x.tar"), "cannot be written"),
        (("recipe", "{plain}", "-o", "{folder}/no/x.toml"), "cannot be written"),
        (("fuzz",), "--cases or --minutes"),
        (("fuzz", "--cases", "0"), "--cases"),
        (("fuzz", "--minutes", "0"), "--minutes"),
        (("fuzz", "--cases", "1", "-o", "{folder}"), "exists already"),
        (("fuzz", "--cases", "1", "-o", "{plain}/run"), "cannot be written"),
        (("fuzz", "--cases", "1", "--resume", "{folder}"), "is no run"),
        (("fuzz", "--cases", "1", "--resume", "{folder}", "--seed", "1"), "leave out --seed"),
        (("completion", "tcsh"), "tcsh"),
        (("no-such-command",), "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_run_ends_with_2(plain: Path, slash: Path, arguments: tuple[str, ...], says: str) -> None:
    folder = plain.parent
    before = sorted(folder.rglob("*"))
    names = {"{plain}": plain, "{slash}": slash, "{folder}": folder}
    filled = []
    for argument in arguments:
        text = argument
        if "{archive}" not in text:
            for name, path in names.items():
                text = text.replace(name, str(path))
        filled.append(text)
    result = run(*filled)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [(ZeroDivisionError("a bug"), 2, "ZeroDivisionError: a bug"), (KeyboardInterrupt(), 130, "stopped")],
    ids=["bug", "ctrl-c"],
)
def test_a_bug_and_ctrl_c_are_no_verdict(
    plain: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, says: str
) -> None:
    """1 says that something differs: `make fuzz` ended well after a traceback."""

    def broken(*_arguments: object) -> object:
        raise raised

    monkeypatch.setattr("tarbiter.commands.inspect.load", broken)
    result = run("inspect", plain)
    assert result.exit_code == code
    assert says in result.stderr


# build, recipe, inspect ---------------------------------------------------------------------------------------


def test_a_case_becomes_an_archive_and_a_case_again(tmp_path: Path, slash: Path) -> None:
    archive = tmp_path / "x.tar"
    assert run("build", slash, "-o", archive).exit_code == 0
    assert archive.read_bytes() == encode_bytes(SLASH)
    text = run("recipe", archive)
    assert (text.exit_code, loads(text.stdout).recipe) == (0, SLASH)


def test_what_was_there_is_replaced_as_a_whole(tmp_path: Path, slash: Path) -> None:
    archive = tmp_path / "x.tar"
    archive.write_bytes(b"old" * 9999)
    run("build", slash, "-o", archive)
    assert archive.read_bytes() == encode_bytes(SLASH)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["slash.toml", "x.tar"]


@pytest.mark.parametrize("compress", [gzip.compress, lambda data: data])
def test_a_recipe_gives_the_bytes_back(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("é" * 150), io.BytesIO())
    (tmp_path / "x").write_bytes(compress(data.getvalue()))
    text = run("recipe", tmp_path / "x", "-o", tmp_path / "x.toml")
    assert text.exit_code == 0
    built = run("build", tmp_path / "x.toml")
    assert built.stdout_bytes == (tmp_path / "x").read_bytes()


def test_standard_input_is_an_input(plain: Path) -> None:
    assert run("recipe", "-", stdin=plain.read_bytes()).stdout == run("recipe", plain).stdout


def test_inspect_shows_where_and_what_is_odd(slash: Path) -> None:
    result = run("inspect", slash)
    assert result.exit_code == 0
    (row,) = [line for line in result.stdout.splitlines() if " name " in line]
    assert row.split()[:4] == ["0x00000000", "100", "name", "a/"]
    assert "[file.slash]" in row


@pytest.mark.parametrize(("option", "coloured"), [((), False), (("--colour",), True), (("--no-colour",), False)])
def test_colours_are_for_those_who_ask(slash: Path, option: tuple[str, ...], coloured: bool) -> None:
    assert ("\x1b[" in run("inspect", *option, slash).stdout) == coloured


def test_inspect_all_shows_more(slash: Path) -> None:
    assert len(run("inspect", "--all", slash).stdout) > len(run("inspect", slash).stdout)


def test_a_reader_that_has_seen_enough_is_told(tmp_path: Path) -> None:
    archive = tmp_path / "long.tar"
    archive.write_bytes(encode_bytes(Recipe(parts=tuple(Member(name=b"%d" % number) for number in range(5000)))))
    program = [sys.executable, "-m", "tarbiter", "inspect", str(archive)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read().startswith(b"tarbiter: standard output has no reader any more")
        assert process.wait() == 2


# compare ------------------------------------------------------------------------------------------------------


def test_agreement_ends_with_0(plain: Path) -> None:
    result = run("compare", *PAIR, plain)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.strip() == f"{plain}: all 2 agree: extracted"


def test_disagreement_ends_with_1_and_says_on_what(slash: Path) -> None:
    result = run("compare", *PAIR, slash)
    assert (result.exit_code, result.stderr) == (1, "")
    assert "2 readings among 2 contestants" in result.stdout
    assert "types     'a': file here, dir in A   member 1, bytes 0x0-0x1ff (name)" in result.stdout
    assert "broken no-smuggling" in result.stdout


def test_one_that_differs_among_many_ends_with_1(plain: Path, slash: Path) -> None:
    result = run("compare", *PAIR, plain, slash, plain)
    assert result.exit_code == 1
    assert result.stdout.count("all 2 agree") == 2


def test_everything_as_json(plain: Path, slash: Path) -> None:
    result = run("compare", *PAIR, "--json", plain, slash)
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert (first["file"], first["size"], first["divergence"]["agreed"]) == (str(plain), plain.stat().st_size, True)
    assert [one["contestant"] for one in first["observations"]] == ["extractor-compat", "tarfile-fully-trusted"]
    assert {node["path"] for node in first["observations"][0]["tree"]} == {".", "d", "d/f"}
    assert second["divergence"]["broken"][0]["invariant"] == "no-smuggling"
    assert [group["contestants"] for group in second["divergence"]["groups"]] == [
        ["extractor-compat"],
        ["tarfile-fully-trusted"],
    ]


def test_a_facet_more_or_less_changes_the_verdict(tmp_path: Path) -> None:
    archive = tmp_path / "setuid.tar"
    archive.write_bytes(encode_bytes(Recipe(parts=(Member(name=b"a", mode=0o4755),))))
    assert run("compare", *PAIR, archive).exit_code == 0
    assert run("compare", *PAIR, "--facet", "mode", archive).exit_code == 1
    assert run("compare", *PAIR, "--facet", "all", archive).exit_code == 1


def test_a_world_is_there_before(tmp_path: Path, plain: Path) -> None:
    world = World(placed=(Placed(name=b"d", kind="symlink", link=b"../canary"),))
    (tmp_path / "world.toml").write_text(dumps(Case(world=world)))
    result = run("compare", *PAIR, "--world", tmp_path / "world.toml", "--json", plain)
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)
    assert found["observations"][0]["status"] != found["observations"][1]["status"]


def test_where_and_as_whom_they_are_called_can_be_asked_for(plain: Path) -> None:
    result = run("--cell", "namespaces", "compare", *PAIR, "--cwd", "dest", "--uid", "root", plain)
    assert result.stdout.startswith(f"{plain} (cwd dest; uid root): all 2 agree")


def test_a_schedule_is_compared_with_arriving_whole(plain: Path) -> None:
    result = run("compare", *PAIR, "--schedule", "1,511+pause", "--json", plain)
    (found,) = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [one["contestant"] for one in found["whole"]] == ["extractor-compat", "tarfile-fully-trusted"]


def test_a_case_brings_its_schedule(tmp_path: Path) -> None:
    case = tmp_path / "case.toml"
    case.write_text(dumps(Case(recipe=PLAIN, schedule=Schedule(chunks=(100,)))))
    (found,) = json.loads(run("compare", *PAIR, "--json", case).stdout)
    assert len(found["whole"]) == 2


def test_ones_own_extractor_takes_part(plain: Path) -> None:
    target = f"{sys.executable} -m tarfile -e {{archive}} {{dest}}"
    result = run("compare", "--with", "extractor-compat", "--target", target, "--json", plain)
    (found,) = json.loads(result.stdout)
    assert [one["status"] for one in found["observations"]] == ["extracted", "extracted"]


# contestants, doctor, fuzz, completion ------------------------------------------------------------------------


def test_contestants_are_listed_with_what_installs_them() -> None:
    rows = json.loads(run("contestants", "--json").stdout)
    assert [row["name"] for row in rows] == [one.name for one in everyone()]
    assert [row["name"] for row in rows if row["missing"] and not row["install"]] == []
    table = run("contestants")
    assert table.exit_code == 0
    assert all(row["name"] in table.stdout for row in rows)


def test_the_doctor_says_that_the_cell_holds() -> None:
    result = run("--cell", "namespaces", "doctor", "--json")
    assert [check["name"] for check in json.loads(result.stdout) if not check["held"]] == []
    assert result.exit_code == 0


def test_a_run_goes_on_in_cells_of_its_kind_only(tmp_path: Path) -> None:
    where = tmp_path / "run"
    run("--cell", "namespaces", "fuzz", "--cases", "5", "--seed", "3", *PAIR, "-o", where)
    about = json.loads((where / "run.json").read_text())
    assert (about["environment"]["cell"], about["environment"]["arena"]) == ("namespaces", "tmpfs")
    about["environment"]["cell"] = "landlock"
    (where / "run.json").write_text(json.dumps(about))
    result = run("--cell", "namespaces", "fuzz", "--cases", "10", *PAIR, "--resume", where)
    assert result.exit_code == 2
    assert "--cell landlock" in result.stderr


def test_what_was_run_says_in_which_cell(slash: Path) -> None:
    result = run("--cell", "namespaces", "compare", slash, *PAIR, "--json")
    assert {one["cell"] for one in json.loads(result.stdout)[0]["observations"]} == {"namespaces"}
    assert run("--cell", "chroot", "compare", slash).exit_code == 2


def test_a_campaign_from_start_to_replay(tmp_path: Path) -> None:
    where = tmp_path / "run"
    result = run("fuzz", "--cases", "8", "--seed", "11", *PAIR, "-o", where)
    assert result.exit_code == 1, result.output
    assert "new findings" in result.stdout
    found = [json.loads(line) for line in (where / "findings.jsonl").read_text().splitlines()]
    assert found
    replay = found[0]["replay"].split()
    assert replay[0] == "tarbiter"
    again = run(*replay[1:])
    assert again.exit_code == 1
    assert "9 cases" in run("fuzz", "--resume", where, "--cases", "1").stdout


def test_a_resumed_run_keeps_its_contestants(tmp_path: Path) -> None:
    where = tmp_path / "run"
    run("fuzz", "--cases", "1", "--seed", "5", *PAIR, "-o", where)
    result = run("fuzz", "--resume", where, "--cases", "1", "--with", "extractor-strict,tarfile-fully-trusted")
    assert result.exit_code == 2
    assert "go on with extractor-compat, tarfile-fully-trusted" in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions(shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_TARBITER_COMPLETE" in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_commands_leads_to_each(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert f"  {name} " in run("--help").stdout


def test_the_kinds_of_cell_are_those_there_are() -> None:
    (kind,) = (one for one in main.params if one.name == "kind")
    assert isinstance(kind.type, click.Choice)
    assert (tuple(kind.type.choices), kind.envvar) == (CHOICES, VARIABLE)


HELP_WITHOUT = """
import sys
from tarbiter.cli import main
main(["--help"], standalone_mode=False)
print(sorted({"rich", "msgspec", "jinja2", "tarbiter.contest", "tarbiter.archive"} & sys.modules.keys()))
"""


def test_help_imports_no_command() -> None:
    done = subprocess.run([sys.executable, "-c", HELP_WITHOUT], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n"), done.stdout


@pytest.mark.parametrize("command", [None, *sorted(COMMANDS)])
def test_help_has_examples(command: str | None) -> None:
    result = run(*([command] if command else []), "--help")
    assert result.exit_code == 0
    assert command in ("doctor", "contestants", "completion") or "\n  tarbiter " in result.stdout


def test_compare_writes_a_page(slash: Path, tmp_path: Path) -> None:
    where = tmp_path / "page.html"
    result = run("compare", slash, *PAIR, "--html", where)
    assert result.exit_code == 1
    assert "2 readings among 2 contestants" in result.stdout
    assert where.read_text().startswith("<!doctype html>")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["page.html", "slash.toml"]


def test_compare_prints_a_page_alone(slash: Path) -> None:
    result = run("compare", slash, *PAIR, "--html", "-")
    assert result.stdout.startswith("<!doctype html>")
    assert result.stdout.rstrip().endswith("</html>")


@pytest.mark.parametrize(
    "arguments", [("--html", "{folder}"), ("--html", "{folder}/no/x"), ("--json", "--html", "-")]
)
def test_a_page_that_cannot_be_written_stops_it_before_it_runs(
    slash: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    result = run("compare", slash, *PAIR, *(one.replace("{folder}", str(tmp_path)) for one in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert list(tmp_path.iterdir()) == [slash]


HARDLINK = "corpus/links/hardlink.toml"


@pytest.mark.parametrize("verb", ["build", "inspect", "recipe"])
@pytest.mark.parametrize("word", ["links/hardlink", "links/hardlink/"])
def test_a_case_of_the_corpus_is_named_by_its_id(verb: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    assert run(verb, word).stdout_bytes == run(verb, HARDLINK).stdout_bytes
    assert run(verb, word).exit_code == 0


def test_compare_takes_ids_topics_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = tmp_path / "corpus"
    for name in ("names/a", "names/b", "links/c"):
        (corpus / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus / f"{name}.toml").write_text(dumps(Case(recipe=Recipe(parts=(Member(name=name.encode()),)))))
    (corpus / "flags.toml").write_text("")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "c").write_bytes(b"\0" * 1024)
    monkeypatch.chdir(tmp_path)
    result = run("compare", "names", "corpus/links/c.toml", "names/b", "links/c", *PAIR, "--json")
    files = ["corpus/names/a.toml", "corpus/names/b.toml", "corpus/links/c.toml", "corpus/names/b.toml", "links/c"]
    assert [one["file"] for one in json.loads(result.stdout)] == files
    world = run("compare", "names/a", *PAIR, "--world", "names/b")
    assert world.exit_code == 0, world.output
    topic = run("inspect", "names")
    assert (topic.exit_code, "is a topic of 2 cases; name one, for instance names/a" in topic.stderr) == (2, True)
    for verb in ("inspect", "compare"):
        missing = run(verb, "names/none")
        assert (missing.exit_code, "no such file, and no id or topic of corpus" in missing.stderr) == (2, True)
