"""The corpus on disk: reading it, checking it, exporting it."""
