"""Differential fuzzing and conformance for tar extractors."""
