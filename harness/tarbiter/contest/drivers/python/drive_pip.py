"""Unpacks as pip unpacks sdists. `unfiltered`: with the code that is for Pythons whose tarfile has no filters."""

import os
import sys
import tarfile
from importlib import import_module

from anchor import ANCHOR, anchored  # type: ignore[import-not-found]  # they lie beside this file
from protocol import Order, serve  # type: ignore[import-not-found]

if sys.argv[1:] == ["unfiltered"]:
    del tarfile.data_filter
unpacking = import_module("pip._internal.utils.unpacking")
exceptions = import_module("pip._internal.exceptions")


def extract(order: Order) -> None:
    """Unpack the archive with an anchor before it, so that no leading folder is cut from the names."""
    with anchored(order["archive"]) as path:
        unpacking.untar_file(path, order["dest"])
        os.unlink(os.path.join(order["dest"], ANCHOR))


serve(extract, refusals=(exceptions.PipError, tarfile.TarError))
