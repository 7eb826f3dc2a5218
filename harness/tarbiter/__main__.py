"""The command `tarbiter`, and `python -m tarbiter`: whatever happens, from the imports on, has its exit code."""

from __future__ import annotations

from .exit_codes import own_streams, verdicts_kept


def main() -> None:
    """Run the command with the arguments of the process."""
    own_streams()
    with verdicts_kept():
        from .cli import main as command  # noqa: PLC0415  # it is most of what can fail: no memory, no descriptors

        command()


if __name__ == "__main__":
    main()
