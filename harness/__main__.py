"""`python -m harness` is the command `tarbiter`."""

from .cli import main

main()
