"""Contestants are data: tables that are read, refused with file and reason, and looked up on this machine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tarbiter.archive.case import World
from tarbiter.contest.installed.registry import Contestant, RegistryError, available, everyone
from tarbiter.contest.observation import Job
from tarbiter.contest.pool import Limits, Pool

from .archives import PLAIN
from .hostile import TIME_S


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_everyone_says_what_it_is() -> None:
    for one in everyone():
        assert one.name
        assert one.family
        assert one.ecosystem
        assert bool(one.version) != bool(one.missing)
        assert one.install or one.table.driver


def test_the_default_is_the_first_ring() -> None:
    assert {one.table.ring for one in available()} == {1}
    assert not any(one.missing for one in available())


def test_a_name_is_enough_for_the_second_ring() -> None:
    names = [one.name for one in everyone() if one.table.ring == 2 and not one.missing]
    assert [one.name for one in available(names)] == names


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        pytest.param("x", "tarbiter.toml", "not TOML", id="no TOML"),
        pytest.param("[a]\nargv = 1", "[a]", "Expected `array`", id="wrong type"),
        pytest.param("[a]\nargv = ['tar']\nvolatile = ['(']", "[a]", "regular expression", id="bad expression"),
        pytest.param("[a]\nargs = ['x']", "[a]", "unknown field `args`", id="unknown field"),
        pytest.param("[a]\nfamily = 'x'", "[a]", "one of the three", id="neither driver nor command"),
        pytest.param("[a]\nargv = ['x']\ncounted = ['json']", "[a]", "for a driver", id="counted without a driver"),
        pytest.param("[gnu-tar]\nargv = ['tar']", "[gnu-tar]", "choose another", id="a name that is taken"),
        pytest.param(b"\xff", "tarbiter.toml", "not UTF-8 at byte 0x0", id="not UTF-8"),
    ],
)
def test_tables_that_are_refused(elsewhere: Path, text: str | bytes, where: str, what: str) -> None:
    (elsewhere / "tarbiter.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RegistryError) as caught:
        everyone()
    assert where in caught.value.where
    assert what in caught.value.detail


def test_ones_own_table(elsewhere: Path) -> None:
    (elsewhere / "tarbiter.toml").write_text(
        "[mine]\nfamily = 'f'\necosystem = 'e'\nargv = ['sh', '-c', 'exit 3', '{archive}', '{dest}']\n"
        "[gone]\nargv = ['no-such-program', '{archive}', '{dest}']\ninstall = 'make gone'\n"
    )
    by_name = {one.name: one for one in everyone()}
    assert (by_name["mine"].family, by_name["mine"].missing) == ("f", "")
    assert by_name["gone"].missing == "no program no-such-program on PATH"
    with pytest.raises(RegistryError, match="install it: make gone"):
        available(("gone",))


def test_a_program_is_started_only_for_who_is_named(elsewhere: Path) -> None:
    for name in ("one", "two"):
        script(elsewhere, f'echo >> "{elsewhere}/asked-{name}"; echo 1.0', name)
    (elsewhere / "tarbiter.toml").write_text(
        "".join(
            f"[{name}]\nargv = ['{elsewhere}/{name}', '{{archive}}', '{{dest}}']\n"
            f"version = {{ argv = ['{elsewhere}/{name}'] }}\n"
            for name in ("one", "two")
        )
    )
    assert available(("one",))[0].version == "1.0"
    assert sorted(path.name for path in elsewhere.glob("asked-*")) == ["asked-one"]
    assert {"one", "two"} <= {one.name for one in everyone()}
    available(("one", "two"))
    assert [path.read_text() for path in sorted(elsewhere.glob("asked-*"))] == ["\n", "\n"]


def test_of_an_unknown_name_the_nearest_are_told() -> None:
    with pytest.raises(RegistryError, match=r"tarfiel: is no contestant; did you mean \S+ or \S+ or tarfile-tar\?"):
        available(("tarfiel",))


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("mytar {dest}", id="no archive"),
        pytest.param("mytar {archive}", id="no destination"),
        pytest.param("", id="nothing"),
        pytest.param("'sh {archive} {dest}", id="an open quote"),
        pytest.param("no-such-program {archive} {dest}", id="no such program"),
    ],
)
def test_commands_that_are_refused(command: str) -> None:
    with pytest.raises(RegistryError):
        Contestant.from_command(command)


def script(folder: Path, text: str, name: str = "mytar") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


LIMITS = Limits(time_s=2 * TIME_S)


@pytest.mark.parametrize(
    ("text", "status", "error_class", "paths"),
    [
        pytest.param('exec tar -xf "$1" -C "$2"', "extracted", "", [b"d", b"d/f", b"d/l", b"h"], id="a good one"),
        pytest.param("exit 0", "extracted", "", [], id="one that does nothing"),
        pytest.param("echo no >&2; exit 3", "refused", "exit 3", [], id="one that refuses"),
        pytest.param('echo x > "$2/f"; exit 3', "partial", "exit 3", [b"f"], id="one that fails half-way"),
        pytest.param("kill -SEGV $$", "crashed", "signal 11", [], id="one that crashes"),
        pytest.param("while :; do :; done", "hung", "time", [], id="one that never ends"),
        pytest.param('mkfifo "$2/p"; cat "$2/p"', "hung", "asleep", [b"p"], id="one that waits for nobody"),
        pytest.param("sleep 1000", "hung", "asleep", [], id="one that sleeps"),
        pytest.param(
            'yes > "$2/f" || { echo "No space left on device" >&2; exit 1; }',
            "over-limit",
            "exit 1",
            [b"f"],
            id="one that fills the disk",
        ),
        pytest.param(
            'for n in 1 2 3 4 5; do head -c 1900000 /dev/zero 2>&- > "$2/f$n"; done; echo "giving up" >&2; exit 1',
            "over-limit",
            "exit 1",
            [b"f1", b"f2", b"f3", b"f4", b"f5"],
            id="one that fills the disk and does not say so",
        ),
        pytest.param(
            'trap "" XFSZ; yes 2>&- | head -c 3000000 2>&- > "$2/f"; echo "giving up" >&2; exit 1',
            "over-limit",
            "exit 1",
            [b"f"],
            id="one that reaches the longest file and does not say so",
        ),
        pytest.param('ulimit -f 1; exec yes > "$2/f"', "over-limit", "signal 25", [b"f"], id="too long a file"),
    ],
)
def test_ones_own_command(elsewhere: Path, text: str, status: str, error_class: str, paths: list[bytes]) -> None:
    one = Contestant.from_command(f"{script(elsewhere, text)} {{archive}} {{dest}}")
    with Pool([one], limits=msgspec.structs.replace(LIMITS, disk=8 << 20, file_size=2 << 20)) as pool:
        (seen,) = pool.run(Job(archive=PLAIN, contestants=(one.name,)))
    assert (seen.status, seen.error_class) == (status, error_class)
    assert [node.path for node in seen.tree[1:]] == paths


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ('echo x > "$2/../new"', [(b"new", "created")]),
        ('chmod 777 "$2/../canary"', [(b"canary", "mode")]),
        ('touch "$2/../dest-evil/secret.txt"', [(b"dest-evil/secret.txt", "mtime")]),
        ('ln "$2/../canary/secret.txt" "$2/s"', [(b"canary/secret.txt", "links"), (b"dest/s", "leaked")]),
        ('mv "$2/../canary" "$2/../moved"', [(b"canary", "removed"), (b"moved", "created")]),
        ("(while :; do sleep 1; done) & exit 0", []),
    ],
)
def test_commands_that_escape(elsewhere: Path, text: str, changes: list[tuple[bytes, str]]) -> None:
    one = Contestant.from_command(f"{script(elsewhere, text)} {{archive}} {{dest}}")
    with Pool([one], limits=LIMITS) as pool:
        (seen,) = pool.run(Job(archive=PLAIN, contestants=(one.name,)))
    assert seen.status == "extracted"
    seen_changes = [(c.path, c.what) for c in seen.escapes if (c.path, c.what) != (b"canary", "mtime")]
    assert seen_changes == changes


def test_what_is_shown_may_be_a_link_to_a_link(elsewhere: Path) -> None:
    """Where the venv was one, no cell could be built, and all ran in the weaker one."""
    (elsewhere / "place").mkdir()
    (elsewhere / "place" / "there").write_text("yes")
    (elsewhere / "second").symlink_to("place")
    (elsewhere / "first").symlink_to(elsewhere / "second")
    text = f'cat {elsewhere}/first/there > "$2/f"'
    one = Contestant.from_command(f"{script(elsewhere, text)} {{archive}} {{dest}}")
    one = msgspec.structs.replace(one, shows=(f"{elsewhere}/first", f"{elsewhere}/first/there"))
    with Pool([one], limits=LIMITS, kind="namespaces") as pool:
        (seen,) = pool.run(Job(archive=PLAIN, contestants=(one.name,)))
    assert [(node.path, node.data) for node in seen.tree[1:]] == [(b"f", b"yes")]


def test_what_a_command_leaves_running_is_killed(elsewhere: Path) -> None:
    one = Contestant.from_command(f"{script(elsewhere, 'sleep 1000 & exit 0')} {{archive}} {{dest}}")
    with Pool([one], limits=LIMITS) as pool:
        (seen,) = pool.run(Job(archive=PLAIN, contestants=(one.name,)))
    assert seen.notes == ("1 processes that it left behind were killed",)


def test_names_of_commands(elsewhere: Path) -> None:
    path = script(elsewhere, "exit 0")
    one = Contestant.from_command(f"{path} {{archive}} {{dest}}")
    other = Contestant.from_command(f"{path} -p {{archive}} {{dest}}")
    assert one.name.startswith("mytar-")
    assert one.name != other.name
    assert one.family == other.family == "mytar"


def test_a_command_shows_its_file_and_not_its_directory(elsewhere: Path) -> None:
    (elsewhere / "secret").write_text("s")
    one = Contestant.from_command(f"{script(elsewhere, f'cat {elsewhere}/secret')} {{archive}} {{dest}}")
    with Pool([one], limits=LIMITS) as pool:
        (seen,) = pool.run(Job(archive=PLAIN, contestants=(one.name,)))
    assert seen.status == "refused"
    assert "No such file" in seen.error


def test_errors_do_not_name_the_arena(elsewhere: Path) -> None:
    one = Contestant.from_command(f"{script(elsewhere, 'echo $1 $2; exit 1')} {{archive}} {{dest}}")
    with Pool([one], limits=LIMITS) as pool:
        (seen,) = pool.run(Job(archive=PLAIN, contestants=(one.name,)))
    assert seen.error == "{archive} {dest}"


@pytest.mark.parametrize(("address_space", "kib"), [(0, 1536 << 10), (3 << 30, 3 << 20), (1 << 30, 1 << 20)])
def test_address_space_is_ones_own(elsewhere: Path, address_space: int, kib: int) -> None:
    one = Contestant.from_command(f"{script(elsewhere, 'ulimit -v')} {{archive}} {{dest}}")
    one = msgspec.structs.replace(one, table=msgspec.structs.replace(one.table, address_space=address_space))
    plain = Contestant.from_command(f"{script(elsewhere, 'ulimit -v', 'other')} {{archive}} {{dest}}")
    with Pool([one, plain], limits=LIMITS) as pool:
        seen, after = pool.run(Job(archive=PLAIN, contestants=(one.name, plain.name)))
    assert (seen.warnings, after.warnings) == ((str(kib),), (str(1536 << 10),))


@pytest.mark.parametrize(
    ("code", "status"), [(0, "extracted"), (1, "crashed"), (2, "refused"), (3, "refused"), (4, "crashed")]
)
def test_exit_codes_that_refuse(elsewhere: Path, code: int, status: str) -> None:
    one = Contestant.from_command(f"{script(elsewhere, f'exit {code}')} {{archive}} {{dest}}")
    one = msgspec.structs.replace(one, table=msgspec.structs.replace(one.table, refuses_with=(2, 3)))
    with Pool([one], limits=LIMITS) as pool:
        (seen,) = pool.run(Job(archive=PLAIN, contestants=(one.name,)))
    assert seen.status == status


def test_the_environment_of_a_command(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_HOST", "secret")
    one = Contestant.from_command(f"{script(elsewhere, 'env; pwd; umask')} {{archive}} {{dest}}")
    one = msgspec.structs.replace(one, table=msgspec.structs.replace(one.table, env={"MINE": "1"}))
    with Pool([one], limits=LIMITS) as pool:
        job = Job(archive=PLAIN, contestants=(one.name,), world=World(umask=0o027, locale="C"))
        (seen,) = pool.run(job)
    assert {"MINE=1", "LC_ALL=C", "TZ=UTC", "HOME={tmp}", "TMPDIR={tmp}", "{tmp}", "0027"} <= set(seen.warnings)
    assert not any("OF_THE_HOST" in line for line in seen.warnings)


def test_what_messages_say_anew_each_time_is_taken_out(elsewhere: Path) -> None:
    one = Contestant.from_command(f"{script(elsewhere, 'echo it is $$ o; exit 1')} {{archive}} {{dest}}")
    table = msgspec.structs.replace(one.table, volatile=("(?<=is )[0-9]+(?= o)",))
    with Pool([msgspec.structs.replace(one, table=table)], limits=LIMITS) as pool:
        (seen,) = pool.run(Job(archive=PLAIN, contestants=(one.name,)))
    assert seen.error == "it is {...} o"
