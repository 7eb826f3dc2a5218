"""Unpacks as uv unpacks sdists: uv, as it is installed, is asked to install the archive and gets as far as that."""

import glob
import gzip
import os
import shutil
import subprocess
import sys
import tempfile

from anchor import ANCHOR, anchored  # type: ignore[import-not-found]  # they lie beside this file
from protocol import Order, serve  # type: ignore[import-not-found]

UV = os.path.join(os.path.dirname(sys.executable), "uv")
ASKS = (
    "pip",
    "install",
    "--offline",
    "--no-config",
    "--no-deps",
    "--no-build-isolation",
    "--python",
    sys.executable,
)


INTERPRETER: "dict[str, bytes]" = {}
"""What uv caches about the Python it is called with: to ask anew takes three times as long as all the rest."""


def known(cache: str) -> None:
    """Put into a fresh cache what was learned of the interpreter."""
    for name, data in INTERPRETER.items():
        path = os.path.join(cache, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)


def learned(cache: str) -> None:
    """Remember what this version of uv wrote down of the interpreter: never what it made of an archive."""
    for path in glob.glob(f"{cache}/interpreter-v*/**", recursive=True):
        if os.path.isfile(path):
            with open(path, "rb") as file:
                INTERPRETER[os.path.relpath(path, cache)] = file.read()


def extract(order: Order) -> None:
    """Have it unpacked into a fresh cache, and move what is there to the destination."""
    with anchored(order["archive"]) as path, tempfile.TemporaryDirectory() as folder:
        sdist = os.path.join(folder, "anchored-1.0.tar.gz")
        with open(path, "rb") as plain, gzip.open(sdist, "wb", compresslevel=1) as packed:
            shutil.copyfileobj(plain, packed)
        cache = os.path.join(folder, "cache")
        known(cache)
        command = [UV, *ASKS, "--cache-dir", cache, "--target", os.path.join(folder, "target"), sdist]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  # uv, in a cell
        said = done.stderr.decode("utf-8", "backslashreplace").replace(folder, "{tmp}")
        if not INTERPRETER:
            learned(cache)
        if done.returncode < 0:
            os.abort()  # it crashed, and so does its driver
        unpacked = glob.glob(f"{cache}/sdists-v*/path/*/*/src")
        if not unpacked:
            raise OSError(said)
        # No build is wanted, and mostly none is possible: what was unpacked before that counts.
        os.unlink(os.path.join(unpacked[0], ANCHOR))
        for name in os.listdir(unpacked[0]):
            shutil.move(os.path.join(unpacked[0], name), order["dest"])


serve(extract)
