"""The errors that the user can put right: one base class, and one way of naming what is wrong.

An exception of this class ends the program with one line on standard error and exit code 2 (exit_codes.py does
that, for every command). Any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations


class UserError(Exception):
    """What the user can put right.

    `where` names the file, option or contestant (empty: the call as a whole); `detail` says what is wrong with it
    and what to do.
    """

    def __init__(self, where: str, detail: str) -> None:
        # `args` is what the constructor of the subclass was called with: Python sets it before this.
        self.where, self.detail = where, detail

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}" if self.where else self.detail
