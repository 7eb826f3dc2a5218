"""Extracts with libarchive-c: Python's binding of the system's libarchive."""

import os
from importlib import import_module

from protocol import Order, serve  # type: ignore[import-not-found]  # it lies beside this file

libarchive = import_module("libarchive")
extraction = import_module("libarchive.extract")

FLAGS = extraction.PREVENT_ESCAPE | extraction.EXTRACT_TIME | extraction.EXTRACT_PERM


def extract(order: Order) -> None:
    """Extract into the working directory: the library knows no other."""
    os.chdir(order["dest"])
    try:
        libarchive.extract_file(order["archive"], flags=FLAGS)
    finally:
        os.chdir("/")


def names(order: Order) -> list[bytes]:
    """Every name, as bytes where libarchive could not decode it."""
    with libarchive.file_reader(order["archive"]) as archive:
        return [os.fsencode(entry.pathname) for entry in archive]


serve(extract, names, refusals=(libarchive.ArchiveError,))
