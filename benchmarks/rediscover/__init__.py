"""Rediscovery: bugs of tar extractors that are history, found again without being told."""
