"""Importing users' own files: each folder's modules under a private name.

A study file imports the modules beside it, as a script does. Two studies in different folders may each have a ``helpers.py``, and the
caller a third. So a folder gets a package of its own (``zoneout_lab_own_1``), its files are loaded as modules of that package, and an
``import helpers`` in one of them means the module of its own package. The caller's ``sys.path`` and modules stay as they are, and a module
that is imported only when a function runs is found as well. No bytecode is written beside anyone's files.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

_PREFIX = "zoneout_lab_own_"
_numbers = itertools.count(1)


@dataclass
class Space:
    """A private package: the modules of one folder, loaded from its files or from sources that were read earlier.

    ``sources`` are file (relative to ``folder``) → source. Those given at the start are used instead of what the folder
    holds now; each file that is loaded is added.
    """

    name: str
    folder: Path
    sources: dict[str, bytes]
    from_folder: bool

    def load(self, file: str) -> ModuleType:
        """The module of a file, relative to the folder; loaded once.

        Raises whatever the file raises.
        """
        name = f"{self.name}.{dotted(file)}"
        if name in sys.modules:
            return sys.modules[name]
        for parent in itertools.accumulate(dotted(file).split(".")[:-1], "{}.{}".format):
            importlib.import_module(f"{self.name}.{parent}")
        # by its path: beside mine.py there may be a folder mine
        path = str(self.folder / file)
        spec = spec_from_file_location(name, path, loader=_Loader(name, path, self))
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        # first: dataclasses look their module up while it runs
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    def provides(self, name: str) -> bool:
        """True where a top-level module of this name is the folder's: its files win over installed packages, as for a script."""
        if name in sys.stdlib_module_names or name == "zoneout_lab":
            return False
        if any(file == f"{name}.py" or file.startswith(f"{name}/") for file in self.sources):
            return True
        if (self.folder / f"{name}.py").is_file() or (self.folder / name / "__init__.py").is_file():
            return True
        # a folder of data may be called like a package
        return any((self.folder / name).glob("*.py")) and not _installed(name)


def space(folder: Path, sources: Mapping[str, bytes] | None = None) -> Space:
    """A new private package for the modules of a folder."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    importlib.invalidate_caches()  # a file may be younger than what Python remembers of its folder
    made = Space(f"{_PREFIX}{next(_numbers)}", folder, dict(sources or {}), from_folder=sources is None)
    package = ModuleType(made.name)
    package.__path__ = [str(folder)]
    sys.modules[made.name] = package
    _SPACES[made.name] = made
    return made


def space_of(module: ModuleType) -> Space | None:
    """The private package that a module was loaded in; None for one that was imported as usual."""
    return _SPACES.get(module.__name__.partition(".")[0])


def is_private(cls: type) -> bool:
    """True where a class's module has a private name, which means nothing to another process."""
    return cls.__module__.partition(".")[0] in _SPACES


def spaces() -> Sequence[Space]:
    """The private packages of this process that were loaded from their folders, the oldest first."""
    return [space for space in _SPACES.values() if space.from_folder]


def dotted(file: str) -> str:
    """The module name of a file relative to its folder.

    >>> dotted("a/b.py"), dotted("a/__init__.py"), dotted("my-study.v2.py")
    ('a.b', 'a', 'my-study_v2')
    """
    parts = Path(file).with_suffix("").parts
    return ".".join(part.replace(".", "_") for part in (parts[:-1] if parts[-1] == "__init__" else parts))


_SPACES: dict[str, Space] = {}


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


class _Finder:
    """Finds modules of private packages, and no others."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        found = _SPACES.get(name.partition(".")[0])
        if found is None:
            return None
        stem = name.removeprefix(f"{found.name}.").replace(".", "/")
        for file, is_package in ((f"{stem}/__init__.py", True), (f"{stem}.py", False)):
            if file in found.sources:
                where = str(found.folder / file)
                places = [str(found.folder / stem)] if is_package else None
                loader = _Loader(name, where, found)
                return spec_from_file_location(name, where, loader=loader, submodule_search_locations=places)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path, found)
        return spec


class _Loader(SourceFileLoader):
    """Loads a source file as a module of a private package."""

    def __init__(self, name: str, path: str, space: Space) -> None:
        super().__init__(name, path)
        self.space = space

    def get_code(self, fullname: str) -> CodeType:
        file = Path(self.path).relative_to(self.space.folder).as_posix()
        source = self.space.sources.get(file)
        if source is None:
            source = self.space.sources[file] = self.get_data(self.path)
        tree = _OwnImports(self.space).visit(ast.parse(source, self.path))
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)


class _OwnImports(ast.NodeTransformer):
    """``import helpers`` becomes ``import zoneout_lab_own_1.helpers as helpers`` where the folder has such a module."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for alias in node.names:
            top = alias.name.partition(".")[0]
            if not self.space.provides(top):
                made.append(ast.Import([alias]))
                continue
            whole = f"{self.space.name}.{alias.name}"
            if alias.asname:
                made.append(ast.Import([ast.alias(whole, alias.asname)]))
            else:
                if alias.name != top:
                    made.append(ast.Import([ast.alias(whole)]))
                made.append(ast.Import([ast.alias(f"{self.space.name}.{top}", top)]))
        return [ast.copy_location(each, node) for each in made]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        if node.level or node.module is None or not self.space.provides(node.module.partition(".")[0]):
            return node
        return ast.copy_location(ast.ImportFrom(f"{self.space.name}.{node.module}", node.names, 0), node)
