"""Which blocks of its modules a contestant ran through: counters put into the source as it is imported.

For contestants in the worker. A mark is set at the start of every function, branch, loop and handler, by one store
into an array: a tenth of the time, where a trace function takes twice as much again. Line numbers stay as they are.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType

MARKS = "__tarbiter_marks__"
"""What the array is called in a module whose blocks are counted."""


class Counters:
    """The marks of all counted modules, and what finds these modules first."""

    def __init__(self, names: Iterable[str]) -> None:
        """Count `names` from now on: modules, or classes in one (`tarfile:TarInfo`).

        A module that had been imported is imported anew when it is asked for.
        """
        self.wanted: dict[str, set[str]] = {}
        for name in names:
            module, _, within = name.partition(":")
            self.wanted.setdefault(module, set()).add(within)
        self.marks = bytearray()
        self._blank = b""
        self._finder = _Finder(self)
        for name in self.wanted.keys() & set(sys.modules):
            del sys.modules[name]
        sys.meta_path.insert(0, self._finder)

    def loaded(self) -> tuple[str, ...]:
        """All modules are there: look for no more. The names of those that are not counted: they have no source."""
        sys.meta_path.remove(self._finder)
        self._blank = bytes(len(self.marks))
        return tuple(sorted(self.wanted.keys() - self._finder.found))

    def more(self, count: int) -> int:
        """Room for so many marks more; the first one's place."""
        first = len(self.marks)
        self.marks.extend(bytes(count))
        return first

    def clear(self) -> None:
        """Forget what was run through."""
        self.marks[:] = self._blank

    def reached(self) -> str:
        """The set of blocks that were run through since, as a hash of 64 bits; another set has another one."""
        return hashlib.blake2b(self.marks, digest_size=8).hexdigest()


class _Finder:
    """Put in front of the finders of `sys.meta_path`; importlib.abc is not imported, which takes long."""

    def __init__(self, counters: Counters) -> None:
        self.counters = counters
        self.found: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self.counters.wanted:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None and type(spec.loader) is SourceFileLoader:
                self.found.add(fullname)
                spec.loader = _Loader(fullname, spec.loader.path, self.counters)
                return spec
        return None


class _Loader(SourceFileLoader):
    """Compiles from the source each time: the compiled file beside it has no marks, and must not get any."""

    def __init__(self, fullname: str, path: str, counters: Counters) -> None:
        super().__init__(fullname, path)
        self.counters = counters

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        marking = _Marking()
        for within in sorted(self.counters.wanted[fullname]):  # the same places in every process
            marking.visit(tree if not within else _named(tree, within))
        first = self.counters.more(len(marking.places))
        for number, place in enumerate(marking.places):
            place.value = first + number
        code: CodeType = compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)
        return code

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, MARKS, self.counters.marks)
        super().exec_module(module)


_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_BODIES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.If, *_LOOPS, ast.ExceptHandler, ast.match_case)
_ELSES = (ast.If, *_LOOPS, ast.Try, ast.TryStar)


class _Marking(ast.NodeTransformer):
    """Puts a mark in front of every block."""

    def __init__(self) -> None:
        self.places: list[ast.Constant] = []
        """The number in each mark, as it is in the tree."""

    def _marked(self, body: list[ast.stmt]) -> list[ast.stmt]:
        place = ast.Constant(len(self.places))
        self.places.append(place)
        array = ast.Name(MARKS, ast.Load())
        mark = ast.Assign([ast.Subscript(array, place, ast.Store())], ast.Constant(1))
        first = body[0]
        ast.copy_location(mark, first)
        # A docstring stays the first statement.
        told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        return [first, mark, *body[1:]] if told else [mark, *body]

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        # A finalizer is called when the collector comes, maybe in the next contestant's time.
        if isinstance(node, _BODIES) and getattr(node, "name", None) != "__del__":
            node.body = self._marked(node.body)
        if isinstance(node, _ELSES) and node.orelse:
            node.orelse = self._marked(node.orelse)
        return node


def _named(tree: ast.Module, name: str) -> ast.ClassDef:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    raise ImportError(f"there is no class {name} whose blocks could be counted")
