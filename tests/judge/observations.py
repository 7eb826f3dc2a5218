"""Observations written by hand, for the judge's tests."""

from __future__ import annotations

from typing import Any

from tarbiter.contest.observation import Node, Observation


def file(path: bytes, data: bytes = b"x", **more: Any) -> Node:
    return Node(path=path, type="file", mode=0o644, size=len(data), data=data, **more)


def folder(path: bytes, **more: Any) -> Node:
    return Node(path=path, type="dir", mode=0o755, **more)


def symlink(path: bytes, target: bytes) -> Node:
    return Node(path=path, type="symlink", mode=0o777, link=target)


def extracted(contestant: str, *tree: Node, family: str = "", **more: Any) -> Observation:
    nodes = tuple(sorted((folder(b"."), *tree), key=lambda node: node.path))
    return Observation(contestant=contestant, family=family, status="extracted", tree=nodes, **more)


def ended(contestant: str, status: Any, family: str = "", **more: Any) -> Observation:
    return Observation(contestant=contestant, family=family, status=status, **more)
