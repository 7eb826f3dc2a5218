"""Real archives of strangers: how many strict accepts, with what codes it refuses, and whether trees are GNU tar's.

    python -m benchmarks.acceptance                      sdists, npm packages and crates: several hundred
    python -m benchmarks.acceptance --only npm --most 50
    python -m benchmarks.acceptance --json out.json

Archives are fetched by ordinary clients, once: sdists by `unearth` (newest and an old release of each project), npm
packages by `npm pack` and crates by `cargo`, both from the dependency closure of a few packages. Nobody's code is
built or run. Packages are others than those the rules were tuned on. Every archive goes through GNU tar and both
policies in a cell: names, types, contents, links and hard links must be alike. Permissions are told apart: GNU tar
makes what the archive says, less the umask.

What was fetched and what was seen is kept in --cache, and a run that was interrupted goes on (--again: look again).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.real_sdists import fetch
from tarbiter.exit_codes import verdicts_kept

SDISTS = """
aiofiles aiosqlite alembic anyio appdirs argon2-cffi arrow asgiref asn1crypto astroid asyncpg autopep8 backoff
bcrypt beautifulsoup4 billiard bleach blinker boltons bottle cachetools celery cffi coverage croniter cssselect
cython dateparser decorator deepdiff dill distro dnspython docopt ecdsa emoji execnet faker falcon fabric
filelock flake8 freezegun fsspec gevent gitpython glom greenlet gunicorn h11 h2 httpcore httpx humanize
importlib-metadata inflect invoke ipython isodate isort itsdangerous jedi jmespath joblib jsonschema kombu lark
loguru mako markdown marshmallow mistune mock more-itertools msgpack multidict natsort nltk oauthlib orjson
paramiko parso passlib pathspec peewee pexpect pika pint platformdirs pluggy poetry-core prettytable
prompt-toolkit ptyprocess pyasn1 pycparser pydantic pyflakes pyjwt pymongo pymysql pynacl pyparsing pyserial
python-dateutil pytz pyzmq redis regex rich rsa ruamel.yaml scrapy sh shapely sniffio sortedcontainers sqlparse
starlette structlog tabulate tenacity termcolor toml toolz tox tqdm traitlets trio typer tzlocal ujson uvicorn
voluptuous waitress watchdog wcwidth webob websockets werkzeug wrapt xlrd yarl zope.event
""".split()  # noqa: SIM905  # a hundred and fifty names one to a line would hide which ones they are
"""Projects; an old release is the newest below version 1, where there is one."""
NPM = "express vite eslint jest @babel/core rollup socket.io fastify prettier".split()  # noqa: SIM905
CRATES = "tokio serde_json reqwest clap axum rayon regex image sqlx".split()  # noqa: SIM905

WITH = ("gnu-tar", "extractor-strict", "extractor-compat")
FACETS = "names,types,content,links,hardlinks"
BATCH = 12
"""Archives of one call of `tarbiter compare`: what is lost where it is interrupted."""
_CODE = re.compile(r"[a-z]+\.[a-z-]+(?= at byte)")


def ran(command: list[str], folder: Path, seconds: float = 600) -> str:
    """Run a client; what it says on standard output. Raises RuntimeError with what it said otherwise."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise RuntimeError(f"no {command[0]}") from None
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{command[0]} did not end within {seconds:g} s") from None
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"{command[0]} failed"])[-1])
    return done.stdout


def sdists(cache: Path, most: int) -> Iterable[Path]:
    """The newest and an old sdist of each project. What cannot be had is named."""
    names = set()
    for name in (one for pair in zip(SDISTS, (f"{name}<1" for name in SDISTS), strict=True) for one in pair):
        if most <= 0:
            return
        try:
            found = fetch(name, cache)
        except subprocess.SubprocessError as error:
            found = str(error)
        if isinstance(found, str):
            print(f"not fetched: {name}: {found}")
            continue
        if found.name not in names:
            names.add(found.name)
            most -= 1
            yield found


def npm(cache: Path, most: int) -> Iterable[Path]:
    """Packages of a dependency closure, as `npm pack` brings them."""
    lock = cache / "package-lock.json"
    if not lock.exists():
        (cache / "package.json").write_text('{"name": "closure", "version": "1.0.0"}')
        ran(["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund", *NPM], cache)
    packages = json.loads(lock.read_bytes())["packages"]
    wanted = sorted(
        {f"{path.rpartition('node_modules/')[2]}@{one['version']}" for path, one in packages.items() if path}
    )[:most]
    for start in range(0, len(wanted), 20):
        names = {
            name: f"{name.replace('@', '', name[0] == '@').replace('/', '-').replace('@', '-')}.tgz"
            for name in wanted[start : start + 20]
        }
        missing = [name for name, file in names.items() if not (cache / file).exists()]
        for wanted_now in (missing, *([name] for name in missing)):  # one that cannot be had fails all of them
            group = [name for name in wanted_now if not (cache / names[name]).exists()]
            if not group:
                continue
            with tempfile.TemporaryDirectory(dir=cache) as part:
                try:
                    ran(["npm", "pack", "--ignore-scripts", "--pack-destination", part, *group], cache)
                except RuntimeError as error:
                    if len(group) == 1:
                        print(f"not fetched: {group[0]}: {error}")
                for brought in Path(part).iterdir():
                    brought.rename(cache / brought.name)
        for file in names.values():
            if (cache / file).exists():
                yield cache / file


def crates(cache: Path, most: int) -> Iterable[Path]:
    """Crates of a dependency closure, as cargo keeps them."""
    home = cache / "home"
    if not any(home.glob("registry/cache/*/*.crate")):
        (cache / "src").mkdir(exist_ok=True)
        (cache / "src/lib.rs").touch()
        (cache / "Cargo.toml").write_text(
            '[package]\nname = "closure"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n'
        )
        user = Path.home() / ".cargo"
        home.mkdir(exist_ok=True)
        for file in ("config.toml", "config"):
            if (user / file).exists():
                shutil.copyfile(user / file, home / file)
        cargo = ["env", f"CARGO_HOME={home}", "cargo"]
        ran([*cargo, "add", "--quiet", *CRATES], cache)
        ran([*cargo, "fetch", "--quiet"], cache)
    yield from sorted(home.glob("registry/cache/*/*.crate"))[:most]


SOURCES: dict[str, Callable[[Path, int], Iterable[Path]]] = {"sdists": sdists, "npm": npm, "crates": crates}


# -- looking -------------------------------------------------------------------------------------------------------


def compared(paths: list[Path]) -> list[dict[str, Any]]:
    """What a cell's contestants made of some archives, in order. Raises RuntimeError."""
    command = [sys.executable, "-m", "tarbiter", "compare", "--json", "--with", ",".join(WITH), "--facet", FACETS]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr.strip() or f"compare ended with {done.returncode}")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def seen(found: dict[str, Any]) -> dict[str, Any]:
    """What matters of one comparison: strict's and compat's word, and whether their trees are GNU tar's."""
    by = {one["contestant"]: one for one in found["observations"]}
    gnu = by["gnu-tar"]
    row: dict[str, Any] = {"gnu": gnu["status"], "bytes": found["size"], "members": len(gnu.get("tree", ())) - 1}
    alike: list[str] = next(
        (g["contestants"] for g in found["divergence"]["groups"] if "gnu-tar" in g["contestants"]), []
    )
    for name, word in (("extractor-strict", "strict"), ("extractor-compat", "compat")):
        one = by[name]
        accepted = one["status"] == "extracted"
        code = _CODE.search(one.get("error", ""))
        row[word] = "accepted" if accepted else code[0] if code else one["status"]
        row[f"{word}-error"] = one.get("error", "")
        row[f"{word}-tree"] = (name in alike or found["divergence"]["agreed"]) if accepted else None
    modes = [{node["path"]: node.get("mode") for node in by[name].get("tree", ())} for name in WITH[:2]]
    row["modes"] = (
        {path: [mode, modes[1][path]] for path, mode in modes[0].items() if modes[1].get(path, mode) != mode}
        if row["strict"] == "accepted"
        else {}
    )
    return row


def told(kind: str, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The summary of an ecosystem, printed too."""
    accepted = sum(row["strict"] == "accepted" for row in rows.values())
    summary = {
        "archives": len(rows),
        "members": sum(row["members"] for row in rows.values()),
        "strict-accepts": accepted,
        "share": accepted / len(rows) if rows else 0.0,
        "strict-refuses": dict(Counter(row["strict"] for row in rows.values() if row["strict"] != "accepted")),
        "compat-refuses": dict(Counter(row["compat"] for row in rows.values() if row["compat"] != "accepted")),
        "gnu-does-not-extract": sorted(name for name, row in rows.items() if row["gnu"] != "extracted"),
        "other-trees": sorted(
            f"{name} ({word})"
            for name, row in rows.items()
            for word in ("strict", "compat")
            if row[f"{word}-tree"] is False
        ),
        "other-modes": sum(bool(row["modes"]) for row in rows.values()),
    }
    print(f"{kind}: {json.dumps(summary)}")
    for name, row in rows.items():
        if row["strict"] != "accepted":
            print(f"  {name}: {row['strict-error'] or row['strict']}")
        if row["modes"]:
            path, (theirs, ours) = next(iter(row["modes"].items()))
            print(f"  {name}: {len(row['modes'])} modes, as {path}: GNU tar {theirs:04o}, strict {ours:04o}")
    return summary


def main() -> int:
    """Fetch, look, print; exit 1 where strict refuses more than one in a thousand or a tree differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=SOURCES, help="only this ecosystem (repeatable)")
    parser.add_argument("--most", type=int, default=150, help="archives of each ecosystem (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="look at archives again that were looked at before")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "tarbiter-acceptance")
    parser.add_argument("--json", type=Path, help="write every archive's row here")
    options = parser.parse_args()
    if options.most < 1:
        parser.error("--most is 1 or more")
    everything: dict[str, Any] = {}
    code = 0
    for kind in options.only or SOURCES:
        cache = options.cache / kind
        cache.mkdir(parents=True, exist_ok=True)
        memory = options.cache / f"{kind}.seen.json"
        rows: dict[str, dict[str, Any]] = {}
        if memory.exists() and not options.again:
            rows = json.loads(memory.read_bytes())
        try:
            paths = list(SOURCES[kind](cache, options.most))
        except RuntimeError as error:
            print(f"{kind}: not fetched: {error}")
            code = 2
            continue
        paths = [path for path in paths if not path.name.endswith(".zip")]
        todo = [path for path in paths if path.name not in rows]
        for start in range(0, len(todo), BATCH):
            batch = todo[start : start + BATCH]
            for path, found in zip(batch, compared(batch), strict=True):
                rows[path.name] = seen(found)
            part = memory.with_suffix(".part")
            part.write_text(json.dumps(rows, indent=1))
            part.rename(memory)
        rows = {path.name: rows[path.name] for path in paths}
        everything[kind] = {"summary": told(kind, rows), "archives": rows}
        if everything[kind]["summary"]["share"] < 0.999 or everything[kind]["summary"]["other-trees"]:
            code = max(code, 1)
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1) + "\n")
    return code


if __name__ == "__main__":
    with verdicts_kept():
        sys.exit(main())
