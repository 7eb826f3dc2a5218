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


def extract(order: Order) -> None:
    """Have it unpacked into a fresh cache, and move what is there to the destination."""
    with anchored(order["archive"]) as path, tempfile.TemporaryDirectory() as folder:
        sdist = os.path.join(folder, "anchored-1.0.tar.gz")
        with open(path, "rb") as plain, gzip.open(sdist, "wb", compresslevel=1) as packed:
            shutil.copyfileobj(plain, packed)
        cache = os.path.join(folder, "cache")
        command = [UV, *ASKS, "--cache-dir", cache, "--target", os.path.join(folder, "target"), sdist]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  # uv, in a cell
        said = done.stderr.decode("utf-8", "backslashreplace").replace(folder, "{tmp}")
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
