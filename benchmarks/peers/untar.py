"""Extract or list with a Python library, and print wall and CPU seconds: untar.py PEER x|t|c ARCHIVE [DEST].

A file of its own, because the library may live in an environment that has nothing else.
"""

import os
import sys
import time
from importlib import import_module


def ours(policy: str, how: str, archive: str, dest: str) -> None:
    """Extract, list, or check with this project's extractor."""
    extractor = import_module("extractor")
    if how == "x":
        extractor.extract(archive, dest, policy=policy)
    elif how == "c":
        extractor.check(archive, policy=policy)
    else:
        for _ in extractor.members(archive):
            pass


def run(peer: str, how: str, archive: str, dest: str) -> None:
    """Extract or list with any of them."""
    if peer.startswith("extractor"):
        ours("strict" if "strict" in peer else "compat", how, archive, dest)
    elif peer == "tarfile":
        tarfile = import_module("tarfile")
        with tarfile.open(archive) as tar:
            if how == "t":
                tar.getmembers()
            else:
                tar.extractall(dest, filter="data")
    elif peer == "fastar":
        fastar = import_module("fastar")
        with fastar.open(archive, {".gz": "r:gz", ".zst": "r:zst"}.get(archive[archive.rfind(".") :], "r:")) as tar:
            tar.unpack(dest)
    else:
        libarchive = import_module("libarchive")
        flags = import_module("libarchive.extract")
        if how == "t":
            with libarchive.file_reader(archive) as entries:
                for entry in entries:
                    entry.pathname  # noqa: B018  # decoding the name is what listing is
        else:
            os.chdir(dest)
            libarchive.extract_file(
                archive, flags.EXTRACT_TIME | flags.EXTRACT_SECURE_NODOTDOT | flags.EXTRACT_SECURE_SYMLINKS
            )


if __name__ == "__main__":
    if sys.argv[1].endswith("zlib"):
        sys.modules["isal"] = None  # type: ignore[assignment]  # as where it is not installed
    if sys.argv[1].startswith("extractor"):
        import_module("extractor")  # what is measured is extracting, not importing
    began, began_cpu = time.perf_counter(), time.process_time()
    run(
        sys.argv[1], sys.argv[2], os.path.abspath(sys.argv[3]), os.path.abspath(sys.argv[4]) if sys.argv[4:] else ""
    )
    print(time.perf_counter() - began, time.process_time() - began_cpu)
