"""Compare real sdists: fetch them by name, run each through the contestants, tell who parts from whom.

    python -m benchmarks.real_sdists                     the list below, newest and an old release of each
    python -m benchmarks.real_sdists django==1.11 flask  these

`unearth` finds and downloads an sdist as pip would, without running what is in it (`pip download` builds its
metadata). Files are kept in --cache and fetched once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tarbiter.exit_codes import verdicts_kept

NAMES = """
django django==1.8 flask flask==0.10 requests requests==2.6.0 setuptools setuptools==58.0.0 pip wheel six six==1.9.0
attrs attrs==17.4.0 pytest pytest==3.0.0 click click==6.0 jinja2 jinja2==2.7 markupsafe==0.23 sqlalchemy
sqlalchemy==0.9.0 pyyaml pyyaml==3.11 cryptography certifi urllib3 idna chardet docutils docutils==0.12 sphinx
pygments pygments==1.6 lxml numpy tornado tornado==3.0 twisted zope.interface mercurial psutil simplejson==2.0.0
nose==1.0.0 virtualenv==1.10 hypothesis black mypy build babel==2.9.1 scipy
""".split()  # noqa: SIM905  # sixty names one to a line would hide which ones they are


def fetch(name: str, cache: Path) -> Path | str:
    """The sdist of `name`, downloaded once; or why there is none."""
    folder = cache / name.replace("==", "-")
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=cache) as part:
            command = [sys.executable, "-m", "unearth", "--no-binary", "--download", part, name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                return (done.stderr.strip().splitlines() or ["unearth found nothing"])[-1]
            found = Path(json.loads(done.stdout)["local_path"])
            if not found.name.endswith((".tar.gz", ".tar.bz2", ".tgz", ".tar")):
                return f"{found.name} is no tar archive"
            staged = Path(part) / "done"
            staged.mkdir()
            found.rename(staged / found.name)
            staged.rename(folder)
    return next(folder.iterdir())


def main() -> int:
    """Fetch, compare, print a table; exit 1 when anything differs in a strong facet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME[==VERSION]")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "tarbiter-sdists")
    parser.add_argument("--json", type=Path, help="write everything that was seen here")
    parser.add_argument("--with", dest="contestants", metavar="NAME,...", help="default: the first ring")
    options = parser.parse_args()
    chosen = ["--with", options.contestants] if options.contestants else []
    options.cache.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in options.names:
        path = fetch(name, options.cache)
        if isinstance(path, str):
            rows.append({"name": name, "verdict": "not fetched", "why": path})
            print(f"{name:24} not fetched: {path}")
            continue
        done = subprocess.run(
            [sys.executable, "-m", "tarbiter", "compare", "--json", *chosen, str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 1) or not done.stdout:
            why = done.stderr.strip() or f"ended with {done.returncode}"
            rows.append({"name": path.name, "verdict": "could not run", "why": why})
            print(f"{path.name:40} could not run: {why}")
            continue
        (found,) = json.loads(done.stdout)
        groups = found["divergence"]["groups"]
        strict = next(o["status"] for o in found["observations"] if o["contestant"] == "extractor-strict")
        verdict = "agree" if done.returncode == 0 else "differ"
        why = (
            "" if verdict == "agree" else " / ".join(f"{g['status']} {','.join(g['contestants'])}" for g in groups)
        )
        rows.append(
            {"name": path.name, "verdict": verdict, "strict": strict, "why": why, "seen": found["divergence"]}
        )
        print(f"{path.name:40} {verdict}, strict {strict}, {found['size']} bytes {why}", flush=True)
    counts = Counter(str(row["verdict"]) for row in rows)
    strict_counts = Counter(str(row.get("strict", "-")) for row in rows)
    print(f"{len(rows)} sdists: {dict(counts)}; strict: {dict(strict_counts)}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 1 if counts["differ"] else 0


if __name__ == "__main__":
    with verdicts_kept():
        sys.exit(main())
