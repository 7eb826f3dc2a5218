"""How fast the extractor is beside its peers: wall time, ratios to GNU tar, listing, growth, peak memory.

    python -m benchmarks.extract                        everything, five repeats, on tmpfs and on disk
    python -m benchmarks.extract --quick                small archives, two repeats, on tmpfs: a minute or two
    python -m benchmarks.extract --work sdist.tar.gz --place tmpfs --repeats 9
    python -m benchmarks.extract --json out.json --svg out.svg

Every contestant extracts the same archive in turn, `--repeats` times over, each time into a new directory; the
medians are compared. Command-line tools and the Rust and Go programs in `benchmarks/peers` (built by cargo and go)
count from start to end; libraries (ours, tarfile, fastar, libarchive-c, node-tar) run in a new process and count
from the call to its return, which is what one who has them loaded waits for. CPU seconds are counted likewise, user
and system, with those of the tool's own children (`tar` runs `gzip`). Peak memory is the whole process's, and of a
tool the largest process's. Listing names every member; no policy is asked. Peers that are not installed are named
with the reason. `tarbiter contestants install` brings fastar, libarchive-c and node-tar. On a machine that does
other things too, only the ratios mean something, and those of CPU seconds more than those of wall time.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import filecmp
import gzip
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.real_sdists import fetch
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Recipe, Slot, SparseBlock
from tarbiter.contest.installed import cache

HERE = Path(__file__).parent
PEERS = HERE / "peers"
GNU, RUST, GO = "GNU tar", "tar-rs + flate2", "Go archive/tar"


@dataclasses.dataclass(frozen=True)
class Peer:
    """One contestant: its command for `x` (extract) and `t` (list), or why it is not there."""

    name: str
    command: Callable[[str, str, str], list[str]] | None
    inside: bool = False
    """It prints wall and CPU seconds itself."""
    missing: str = ""
    lacks: frozenset[str] = frozenset()
    """Words that an archive's name may not hold, and `t` for listing."""


def python(interpreter: str, peer: str) -> Callable[[str, str, str], list[str]]:
    """The command of a library, by `peers/untar.py`."""
    return lambda how, archive, dest: [interpreter, str(PEERS / "untar.py"), peer, how, archive, dest]


def tool(program: str) -> Callable[[str, str, str], list[str]]:
    """The command of a tar-like tool."""
    return lambda how, archive, dest: [program, f"-{how}f", archive, *(("-C", dest) if how == "x" else ())]


def program(path: str) -> Callable[[str, str, str], list[str]]:
    """The command of a program of `peers/`."""
    return lambda how, archive, dest: [path, how, archive, dest]


def installed(name: str) -> Path | None:
    """The newest folder of an installed contestant."""
    found = sorted(cache.root().glob(f"{name}@*/installed.json"), key=os.path.getmtime)
    return found[-1].parent if found else None


def built(command: list[str], folder: Path, source: Path, result: Path, limit: float) -> str:
    """Why a program could not be built within `limit` seconds; empty: it is at `result`."""
    if shutil.which(command[0]) is None:
        return f"no {command[0]}"
    shutil.copytree(source, folder, dirs_exist_ok=True)
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={"CARGO_NET_RETRY": "1", "CARGO_HTTP_TIMEOUT": "20", **os.environ},
    )
    try:
        said = process.communicate(timeout=limit)[1]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # cargo's compilers too
        process.communicate()
        return f"not built within {limit:g} s: {' '.join(command)} in {folder} (--build-seconds)"
    if process.returncode or not result.exists():
        return (said.strip().splitlines() or ["nothing was built"])[-1]
    return ""


def peers(cache_dir: Path, wanted: list[str] | None, limit: float) -> Iterator[Peer]:
    """Everybody, there or not. Programs are built only when they are wanted."""
    yield Peer("extractor strict", python(sys.executable, "extractor-strict"), True, lacks=frozenset(("sparse",)))
    yield Peer("extractor compat", python(sys.executable, "extractor-compat"), True)
    yield Peer(
        "extractor strict, zlib",
        python(sys.executable, "extractor-strict-zlib"),
        True,
        lacks=frozenset(("sparse",)),
    )
    yield Peer("tarfile (data)", python(sys.executable, "tarfile"), True, lacks=frozenset(("zst",)))
    for name, found in ((GNU, shutil.which("tar")), ("bsdtar", shutil.which("bsdtar"))):
        yield Peer(name, tool(found) if found else None, missing="" if found else "no such program")
    for name, lacks in (("fastar", ("t", "sparse")), ("libarchive-c", ())):
        folder = installed(name)
        command = python(str(folder / "venv/bin/python"), name) if folder else None
        missing = "" if folder else f"tarbiter contestants install {name}"
        yield Peer(name, command, True, missing, frozenset(lacks))
    modules = installed("node-tar")
    node = shutil.which("node")
    if modules and node:
        yield Peer(
            "node-tar",
            lambda how, archive, dest: [node, str(PEERS / "untar.mjs"), str(modules), how, archive, dest],
            True,
            lacks=frozenset(("zst", "sparse")),
        )
    else:
        yield Peer("node-tar", None, missing="tarbiter contestants install node-tar" if node else "no node")
    if wanted and not {RUST, GO} & set(wanted):
        return
    binary = cache_dir / "rust/target/release/untar"
    why = built(["cargo", "build", "--release", "--quiet"], cache_dir / "rust", PEERS / "rust", binary, limit)
    yield Peer(RUST, None if why else program(str(binary)), missing=why, lacks=frozenset(("zst", "sparse")))
    binary = cache_dir / "go/untar"
    why = built(["go", "build", "-o", "untar", "."], cache_dir / "go", PEERS / "go", binary, limit)
    yield Peer(GO, None if why else program(str(binary)), missing=why, lacks=frozenset(("zst",)))


# -- archives ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large the archives that are made are."""

    tiny: int = 100_000
    """Members."""
    large: int = 80 << 20
    """Bytes of each of three files."""
    sparse: int = 1 << 30
    """Bytes of the file with its holes."""
    deep: int = 40
    """Trees."""


def tiny(count: int, size: int) -> Iterator[bytes]:
    """An archive of so many files, a thousand in a directory."""
    for start in range(0, count, 1000):
        parts: list[Member] = [Member(kind="dir", name=b"d%04d/" % (start // 1000))]
        for number in range(start, min(start + 1000, count)):
            name = b"d%04d/file-%07d" % (start // 1000, number)
            parts.append(Member(name=name, data=b"x" * size, mtime=1_000_000_000))
        yield encode_bytes(Recipe(tuple(parts), end=0))
    yield bytes(10240)


def deep(trees: int) -> Iterator[bytes]:
    """Trees of a hundred levels with a file on each."""
    for tree in range(trees):
        parts: list[Member] = []
        path = b"t%02d" % tree
        for _ in range(100):
            parts.append(Member(name=path + b"/f", data=b"text"))
            path += b"/d"
        yield encode_bytes(Recipe(tuple(_fitting(part) for part in parts), end=0))
    yield bytes(10240)


def _fitting(part: Member) -> Member:
    """A name that is too long for its field in two fields."""
    name = part.name or b""
    if len(name) <= 100:
        return part
    cut = name.index(b"/", len(name) - 101)
    return Member(name=name[cut + 1 :], prefix=name[:cut], data=part.data)


def large(seed: bytes, size: int) -> Iterator[bytes]:
    """Three files, two thirds of each are text, one third is noise."""
    chance = random.Random(1)
    for number in range(3):
        body = bytearray()
        while len(body) < size:
            start = chance.randrange(max(len(seed) - (1 << 16), 1))
            body += seed[start : start + (1 << 16)] + chance.randbytes(1 << 15)
        yield encode_bytes(Recipe((Member(name=b"large-%d" % number, data=bytes(body[:size])),), end=0))
    yield bytes(10240)


def sparse(size: int) -> Iterator[bytes]:
    """A file with 4 KiB in every 1 MiB, as GNU tar packs it."""
    slots = [Slot(start, 4096) for start in range(0, size, 1 << 20)] + [Slot(size, 0)]
    blocks = [SparseBlock(tuple(slots[at : at + 21]), isextended=1) for at in range(4, len(slots), 21)]
    blocks[-1] = SparseBlock(blocks[-1].slots)
    yield encode_bytes(
        Recipe(
            (
                Member(
                    name=b"sparse",
                    kind="sparse",
                    format="gnu",
                    data=b"data" * (1024 * (len(slots) - 1)),
                    sparse=tuple(slots[:4]),
                    extensions=tuple(blocks),
                    realsize=size,
                ),
            ),
            end=20,
        )
    )


def write(path: Path, pieces: Iterator[bytes]) -> None:
    """A file, complete or not there."""
    part = path.with_suffix(".part")
    with open(part, "wb") as out:
        out.writelines(pieces)
    part.rename(path)


ORDER = ("sdist.tar.gz", "sdist.tar", "sdist.tar.zst", "large.tar.gz", "tiny.tar", "deep.tar", "sparse.tar")


def archives(cache_dir: Path, sdist: Path | None, wanted: list[str], sizes: Sizes) -> dict[str, Path]:
    """Name and file of every wanted archive, made when missing; without zstd there is none of that kind."""
    packed, plain = cache_dir / "sdist.tar.gz", cache_dir / "sdist.tar"
    if sdist is not None and not (packed.exists() and filecmp.cmp(sdist, packed, shallow=False)):
        for made in (plain, cache_dir / "sdist.tar.zst", cache_dir / "large.tar.gz"):  # of the one before
            made.unlink(missing_ok=True)
        shutil.copyfile(sdist, packed)
    if not plain.exists():
        write(plain, iter((gzip.decompress(packed.read_bytes()),)))
    makers: dict[str, Callable[[], Iterator[bytes]]] = {
        "large.tar.gz": lambda: iter(
            (gzip.compress(b"".join(large(plain.read_bytes(), sizes.large)), 6, mtime=0),)
        ),
        "tiny.tar": lambda: tiny(sizes.tiny, 10),
        "deep.tar": lambda: deep(sizes.deep),
        "sparse.tar": lambda: sparse(sizes.sparse),
    }
    for name in wanted:
        if name in makers and not (cache_dir / name).exists():
            write(cache_dir / name, makers[name]())
    zstd = cache_dir / "sdist.tar.zst"
    if zstd.name in wanted and not zstd.exists() and shutil.which("zstd"):
        subprocess.run(["zstd", "-q", str(plain), "-o", str(zstd)], check=True)
    return {name: path for name in wanted if (path := cache_dir / name).exists()}


# -- running -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Run:
    """One run of one peer: wall and CPU seconds, peak memory in MiB, or what went wrong."""

    seconds: float
    cpu: float
    peak_mib: float
    error: str = ""


PR_SET_CHILD_SUBREAPER = 36
STARTER = 'out=$1; shift; exec 3<&0; ( read go; exec "$@" >"$out" ) <&3 3<&- & echo $!'
"""A process counts the memory of the one it was forked from as its own peak (ru_maxrss outlives exec), so nothing
is started from this large one directly: a small shell makes a smaller one, ends, and leaves that to us. It becomes
the peer when its input ends."""


def adopt() -> None:
    """Become the parent of what our children leave behind, so that we are told what it used."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def run(peer: Peer, how: str, archive: Path, dest: Path) -> Run:
    """Run a peer once. `adopt` was called before."""
    assert peer.command is not None
    with tempfile.NamedTemporaryFile() as out, tempfile.TemporaryFile() as errors:
        command = ["/bin/sh", "-c", STARTER, "sh", out.name, *peer.command(how, str(archive), str(dest))]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        ) as shell:
            assert shell.stdin is not None
            assert shell.stdout is not None
            process = int(shell.stdout.readline())
            shell.wait()
            began = time.perf_counter()
            shell.stdin.close()
        _, status, usage = os.wait4(process, 0)
        seconds = time.perf_counter() - began
        code = os.waitstatus_to_exitcode(status)
        if code:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
            return Run(0, 0, 0, (said or [f"exit {code}"])[-1])
        cpu = usage.ru_utime + usage.ru_stime
        if peer.inside:
            seconds, cpu = (float(word) for word in out.read().split()[-2:])
    return Run(seconds, cpu, usage.ru_maxrss / 1024)


def measure(
    everyone: list[Peer], how: str, archive: Path, place: Path, repeats: int
) -> dict[str, dict[str, object]]:
    """Medians of every peer that can, in turn `repeats` times."""
    runs: dict[str, list[Run]] = {}
    for _ in range(repeats):
        for peer in everyone:
            if how in peer.lacks or any(word in archive.name for word in peer.lacks if len(word) > 1):
                continue
            if runs.get(peer.name) and runs[peer.name][-1].error:
                continue
            with tempfile.TemporaryDirectory(dir=place) as dest:
                runs.setdefault(peer.name, []).append(run(peer, how, archive, Path(dest)))
    found: dict[str, dict[str, object]] = {}
    for name, done in runs.items():
        if done[-1].error:
            found[name] = {"error": done[-1].error}
            continue
        times = [one.seconds for one in done]
        found[name] = {
            "seconds": statistics.median(times),
            "fastest": min(times),
            "slowest": max(times),
            "cpu": statistics.median(one.cpu for one in done),
            "peak_mib": max(one.peak_mib for one in done),
            "repeats": len(times),
        }
    reference = found.get(GNU, {})
    for one in found.values():
        for key, ratio in (("seconds", "to_gnu_tar"), ("cpu", "cpu_to_gnu_tar")):
            if key in one and key in reference:
                one[ratio] = float(str(one[key])) / max(float(str(reference[key])), 1e-6)
    return found


def growth(cache_dir: Path, place: Path, repeats: int, most: int) -> list[dict[str, object]]:
    """Time and memory of strict for 1,000 up to `most` empty members, written and only checked."""
    strict = Peer("strict", python(sys.executable, "extractor-strict"), True)
    rows: list[dict[str, object]] = []
    count = 1000
    while count <= most:
        archive = cache_dir / f"growth-{count}.tar"
        if not archive.exists():
            write(archive, tiny(count, 0))
        row: dict[str, object] = {"members": count}
        for how, word in (("x", "extract"), ("c", "check")):
            done = measure([strict], how, archive, place, repeats)["strict"]
            row[word] = done
            if "seconds" in done:
                row[f"{word}_us_a_member"] = float(str(done["seconds"])) / count * 1e6
        rows.append(row)
        count *= 10
    return rows


# -- output --------------------------------------------------------------------------------------------------------


def table(title: str, found: dict[str, dict[str, object]]) -> Table:
    """The table of one archive in one place, the fastest first."""
    shown = Table(title=title, title_justify="left")
    for heading in (
        "who",
        "median s",
        "fastest",
        "slowest",
        "CPU s",
        "x GNU tar",
        "CPU x GNU",
        "x tarfile",
        "peak MiB",
    ):
        shown.add_column(heading, justify="left" if heading == "who" else "right")
    tarfile = found.get("tarfile (data)", {}).get("seconds")
    for name, one in sorted(found.items(), key=lambda item: float(str(item[1].get("seconds", 1e9)))):
        if "error" in one:
            shown.add_row(name, str(one["error"])[:60])
            continue
        cells = [f"{one[key]:.3f}" for key in ("seconds", "fastest", "slowest", "cpu")]
        ratios = [f"{one[key]:.2f}" if key in one else "" for key in ("to_gnu_tar", "cpu_to_gnu_tar")]
        other = f"{one['seconds'] / tarfile:.2f}" if isinstance(tarfile, float) else ""  # type: ignore[operator]
        shown.add_row(name, *cells, *ratios, other, f"{one['peak_mib']:.0f}")
    return shown


def bars(results: list[dict[str, object]]) -> str:
    """The medians as horizontal bars, one group for each archive, in SVG."""
    height, parts = 20, []
    for result in results:
        found = {
            name: float(str(one["seconds"]))
            for name, one in result["peers"].items()  # type: ignore[attr-defined]
            if "seconds" in one
        }
        if not found:
            continue
        parts.append(f'<text x="8" y="{height}" font-weight="bold">{result["title"]}</text>')
        height += 10
        for name, seconds in sorted(found.items(), key=lambda item: item[1]):
            width = 460 * seconds / max(found.values())
            colour = "#b4530a" if name.startswith("extractor") else "#8a94a3"
            parts.append(
                f'<text x="158" y="{height + 12}" text-anchor="end">{name}</text>'
                f'<rect x="164" y="{height + 2}" width="{width:.1f}" height="13" fill="{colour}"/>'
                f'<text x="{170 + width:.1f}" y="{height + 12}">{seconds:.3f} s</text>'
            )
            height += 18
        height += 22
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{height}" font-family="sans-serif"'
    return f'{head} font-size="11"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'


def main() -> int:
    """Measure, print, write; exit 1 when one of ours could not do what it was asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sdist", type=Path, help="a .tar.gz of many small files; default: Django's, fetched (--quick: Flask's)"
    )
    parser.add_argument("--work", action="append", choices=ORDER, help="only this archive (repeatable)")
    parser.add_argument("--peer", action="append", metavar="NAME", help="only this contestant (repeatable)")
    parser.add_argument("--place", choices=("tmpfs", "disk", "both"), help="where to extract (both)")
    parser.add_argument("--quick", action="store_true", help="small archives, two repeats, tmpfs, a small sdist")
    parser.add_argument("--repeats", type=int, help="runs of each (5)")
    parser.add_argument("--most", type=int, help="members of the largest archive for growth (1000000); 0: none")
    parser.add_argument("--build-seconds", type=float, default=180, help="how long one program may take to build")
    parser.add_argument("--no-listing", action="store_true")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "tarbiter-extract")
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()), help="a directory on a disk")
    parser.add_argument("--tmpfs", type=Path, default=Path("/dev/shm"), help="a directory on tmpfs")
    parser.add_argument("--json", type=Path, help="write every number here")
    parser.add_argument("--svg", type=Path, help="draw the medians here")
    options = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=120)
    quick = options.quick
    sizes = Sizes(5000, 8 << 20, 1 << 26, 4) if quick else Sizes()
    repeats = (2 if quick else 5) if options.repeats is None else options.repeats
    most = (10_000 if quick else 1_000_000) if options.most is None else options.most
    wanted_place = options.place or ("tmpfs" if quick else "both")
    if repeats < 1 or most < 0:
        parser.error("--repeats is 1 or more, --most 0 or more")
    programs = options.cache
    options.cache = options.cache / ("quick" if quick else "full")
    options.cache.mkdir(parents=True, exist_ok=True)
    adopt()
    sdist = options.sdist
    if sdist is None and not (options.cache / "sdist.tar.gz").exists():
        name = "flask==3.1.0" if quick else "django==5.2"
        fetched = fetch(name, options.cache)
        if isinstance(fetched, str):
            console.print(f"no sdist of {name}: {fetched}; name a file with --sdist", style="red")
            return 2
        sdist = fetched
    everyone = [
        peer
        for peer in peers(programs, options.peer, options.build_seconds)
        if not options.peer or peer.name in options.peer
    ]
    missing = {peer.name: peer.missing for peer in everyone if peer.command is None}
    for name, why in missing.items():
        console.print(f"not here: {name}: {why}", style="yellow")
    everyone = [peer for peer in everyone if peer.command is not None]
    work = archives(options.cache, sdist, options.work or list(ORDER), sizes)
    for name in options.work or ORDER:
        if name not in work:
            console.print(f"not measured: {name}: no zstd to pack it with", style="yellow")
    places = {"tmpfs": options.tmpfs, "disk": options.disk}
    results: list[dict[str, object]] = []
    for place, folder in places.items():
        if wanted_place not in (place, "both"):
            continue
        for name, archive in work.items():
            for how in ("x",) if options.no_listing or place == "disk" else ("x", "t"):
                title = f"{'extract' if how == 'x' else 'list'} {name}{f', {place}' if how == 'x' else ''}"
                found = measure(everyone, how, archive, folder, repeats)
                results.append({"title": title, "archive": name, "place": place, "how": how, "peers": found})
                console.print(table(title, found))
    grown = growth(options.cache, options.tmpfs, min(repeats, 3), most) if most else []
    for row in grown:
        console.print(
            f"{row['members']:>9} members: "
            + ", ".join(f"{word} {row[f'{word}_us_a_member']:.1f} us a member" for word in ("extract", "check"))
            if "extract_us_a_member" in row and "check_us_a_member" in row
            else f"{row['members']:>9} members: {row['extract']} {row['check']}"
        )
    if options.json:
        options.json.write_text(json.dumps({"missing": missing, "results": results, "growth": grown}, indent=1))
    if options.svg:
        options.svg.write_text(bars(results))
    failed = any(
        "error" in one
        for result in results
        for name, one in result["peers"].items()  # type: ignore[attr-defined]
        if name.startswith("extractor")
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
