"""Importing users' own files: each folder's modules under a private name.

A study file imports the modules beside it, as a script does. Two studies in different folders may each have a ``helpers.py``, and the
caller a third. So a folder gets a package of its own (``zoneout_lab_own_1``), its files are loaded as modules of that package, and an
``import helpers`` or ``import_module("helpers")`` in one of them means the module of its own package. The caller's ``sys.path`` and modules
stay as they are, and a module that is imported only when a function runs is found as well. No bytecode is written beside anyone's files.
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
from typing import Any

from zoneout_lab.parts.drawn import around_imports, drawing_the_same

_PREFIX = "zoneout_lab_own_"
_OWN = "__zoneout_lab_own__"  # what a module has Space.own as
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
        name = self.module_name(file)
        if name in sys.modules:
            return sys.modules[name]
        for parent in itertools.accumulate(dotted(file).split(".")[:-1], "{}.{}".format):
            importlib.import_module(f"{self.name}.{parent}")
        # by its path, which an import by name may not come to
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

    def module_name(self, file: str) -> str:
        """What a file of the folder is called as a module, unlike any other file of it."""
        # beside mine.py there may be a package mine, and an import of mine means that one
        package = f"{file.removesuffix('.py')}/__init__.py"
        hidden = package in self.sources or (self.folder / package).is_file()
        return f"{self.name}.{dotted(file)}{'/' if hidden else ''}"

    def own(self, name: Any) -> Any:
        """The name that an import of ``name`` in one of the folder's files means."""
        provided = isinstance(name, str) and self.provides(name.partition(".")[0])
        return f"{self.name}.{name}" if provided else name

    def provides(self, name: str) -> bool:
        """True where a top-level module of this name is the folder's: its files win over installed packages, as for a script."""
        if not name or name in sys.stdlib_module_names or name == "zoneout_lab":
            return False
        if any(file == f"{name}.py" or file.startswith(f"{name}/") for file in self.sources):
            return True
        if (self.folder / f"{name}.py").is_file() or (self.folder / name / "__init__.py").is_file():
            return True
        # a folder of data may be called like a package
        return any((self.folder / name).glob("*.py")) and not _installed(name)


def space(folder: Path, sources: Mapping[str, bytes] | None = None) -> Space:
    """A new private package for the modules of a folder."""
    # once, and for good: a part may import a module beside it only when it is used, in the middle of training
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    importlib.invalidate_caches()  # a file may be younger than what Python remembers of its folder
    made = Space(f"{_PREFIX}{next(_numbers)}", folder, dict(sources or {}), from_folder=sources is None)
    package = ModuleType(made.name)
    package.__path__ = [str(folder)]
    sys.modules[made.name] = package
    _SPACES[made.name] = made
    return made


def space_of(module: str) -> Space | None:
    """The private package that a module of this name is or would be loaded in; None for one that is imported as usual."""
    return _SPACES.get(module.partition(".")[0])


def is_private(cls: type) -> bool:
    """True where a class's module has a private name, which means nothing to another process."""
    return cls.__module__.partition(".")[0] in _SPACES


def spaces() -> Sequence[Space]:
    """The private packages of this process that were loaded from their folders, the oldest first."""
    return [space for space in _SPACES.values() if space.from_folder]


def dotted(file: str) -> str:
    """The module name of a file relative to its folder. A full stop in the file's name is written as what no file's name has.

    >>> dotted("a/b.py"), dotted("a/__init__.py"), dotted("my-study.v2.py")
    ('a.b', 'a', 'my-study/v2')
    """
    parts = Path(file).with_suffix("").parts
    return ".".join(part.replace(".", "/") for part in (parts[:-1] if parts[-1] == "__init__" else parts))


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
            unread = found.from_folder and is_package and (found.folder / file).is_file()
            if file in found.sources or unread:
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

    def exec_module(self, module: ModuleType) -> None:
        vars(module)[_OWN] = self.space.own
        # the number of a package differs between processes, and each file is as a package of its own
        own = module.__name__.removeprefix(f"{self.space.name}.").replace(".", "/")
        with around_imports(lambda other: drawing_the_same(other.__name__)), drawing_the_same(own):
            super().exec_module(module)

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

    def visit_Call(self, node: ast.Call) -> ast.Call:
        """``import_module(name)`` becomes ``import_module(own(name))``: the name may be known only when the call is made."""
        self.generic_visit(node)
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        if called == "import_module":
            if node.args and not isinstance(node.args[0], ast.Starred):
                node.args[0] = _owned(node.args[0])
            for keyword in node.keywords:
                keyword.value = _owned(keyword.value) if keyword.arg == "name" else keyword.value
        return node


def _owned(name: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Call(ast.Name(_OWN, ast.Load()), [name], []), name)
