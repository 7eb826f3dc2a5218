"""Saying who differs: facets, invariants, comparison and signatures."""
