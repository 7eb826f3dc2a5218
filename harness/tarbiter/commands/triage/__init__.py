"""The command `tarbiter triage`: one module for each group of its verbs."""
