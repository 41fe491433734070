"""The files that users' own parts come from: found, identified by their content, and loaded again in another process.

A file beside the study, or beside the running script, goes by its path (``./half.py``), a module that can be imported from anywhere by
its name (``mypkg.cells``). A file brings those that it imports from its own folder or package. A file that is a link lies where the link
leads, as for Python, which looks for a script's modules there.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.util import find_spec
from os.path import realpath
from pathlib import Path
from types import FunctionType, ModuleType

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.parts import private
from zoneout_lab.parts.drawn import around_imports, drawing_the_same
from zoneout_lab.parts.source import digest, imports


@dataclass(frozen=True)
class File:
    """A source file as it was when it was loaded.

    ``key`` names it in JSON: ``./half.py`` or ``mypkg.cells``. ``file`` is its path below ``folder``, the one its imports start from;
    ``module`` the name that this process has it under.
    """

    key: str
    folder: Path
    file: str
    source: bytes = field(repr=False)
    module: str

    @property
    def path(self) -> Path:
        return self.folder / self.file

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.source).hexdigest()

    @cached_property
    def digest(self) -> str:
        """What the file does, as :func:`zoneout_lab.parts.source.digest`."""
        return digest(self.source)


@dataclass(frozen=True)
class Code:
    """A user's own files, ordered by their keys. Plain data: what another process needs to make the same classes."""

    files: tuple[File, ...] = ()

    @classmethod
    def of(cls, classes: Iterable[type | FunctionType]) -> Code:
        """The files that these classes come from, and the files those import. Nothing for classes of this package.

        Raises InputRefusedError for a class that no other process could find, and for two files of one name.
        """
        found: dict[str, File] = {}
        for each in classes:
            if each.__module__.partition(".")[0] == "zoneout_lab":
                continue
            for file in _with_imports(file_of(each)):
                other = found.setdefault(file.key, file)
                if other.source != file.source:
                    raise InputRefusedError(
                        f"{each.__name__}: {other.path} and {file.path} are both called {file.key} and are not the same. "
                        "Rename one of them; if one was changed, load both again."
                    )
        return cls(tuple(found[key] for key in sorted(found)))

    def copies(self) -> dict[str, File]:
        """Where a copy of each file goes, relative to the folder of copies: a module by its name and a file by its path may be called the same."""
        placed: dict[str, File] = {}
        for file in self.files:
            placed[file.file if file.file not in placed else f"{file.key}/{file.file}"] = file
        return placed

    def digests(self) -> dict[str, str]:
        """Key → digest: what enters the identity of a run."""
        return {file.key: file.digest for file in self.files}

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """While this is open, references such as ``./half.py:Half`` mean the classes of these files."""
        token = _IN_USE.set(self)
        try:
            yield
        finally:
            _IN_USE.reset(token)

    def use(self) -> None:
        """Do so for the rest of this process, as a worker does."""
        _IN_USE.set(self)

    def module(self, key: str) -> ModuleType | None:
        """The module of a file, loaded from the source kept here where this process does not have it; None for an unknown key."""
        file = next((file for file in self.files if file.key == key), None)
        if file is None:
            return None
        known = sys.modules.get(file.module)
        if known is not None and private.space_of(file.module) is not None:
            return known if _source(known) == file.source else self.again(key)
        # those it imports are part of what it does
        together = [each for each in self.files if each.folder == file.folder]
        if (known is not None or not key.startswith("./")) and all(map(_unchanged, together)):
            with around_imports(lambda module: drawing_the_same(module.__name__)):
                return importlib.import_module(file.module)
        return self.again(key)

    def again(self, key: str) -> ModuleType:
        """The module of a file as a process that has none of them gets it."""
        file = next(file for file in self.files if file.key == key)
        return _space(self, file.folder).load(file.file)


def in_use() -> Code:
    """The code that is in use (:meth:`Code.in_use`), or empty code."""
    return _IN_USE.get()


def unforeseen(before: Container[str]) -> list[Path]:
    """Files beside those in use whose modules were loaded since, under names that are not in ``before``, and that are no part of the code: their names stand in
    no import, so that nobody would notice a change of them."""
    code = in_use()
    known = {str(file.path) for file in code.files}
    folders = tuple(f"{file.folder}{os.sep}" for file in code.files if file.key.startswith("./"))
    found = set()
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name in before or name.partition(".")[0] == "zoneout_lab" or not isinstance(path, str):
            continue
        if path.endswith(".py") and path.startswith(folders) and path not in known and "site-packages" not in path:
            found.add(Path(path))
    return sorted(found)


def file_of(cls: type | FunctionType) -> File:
    """The file a class, or a function, was written in. Raises InputRefusedError where there is none that another process could load."""
    name = f"{cls.__name__} (module {cls.__module__})"
    module = sys.modules.get(cls.__module__)
    if module is None:
        raise InputRefusedError(
            f"{name}: its module is not loaded; write the class in a file and import it from there."
        )
    path = getattr(module, "__file__", None)
    if path is None:
        raise InputRefusedError(
            f"{cls.__name__} was written in an interactive session or a notebook, where other processes cannot import it. Write it in a "
            "file, for example parts.py, and import it from there."
        )
    if Path(path).suffix != ".py":
        raise InputRefusedError(f"{name} comes from {path}; a part has to come from a Python source file.")
    found = _file(module)
    if not found.source:
        raise InputRefusedError(
            f"{name} comes from {path}, which cannot be read as a file: it is gone, or in an archive. A part has to come from a Python source file."
        )
    if found.module != "__main__" and not private.space_of(module.__name__) and not _findable(module, found):
        raise InputRefusedError(f"{name} comes from {path}, and no other process could import that module by its name.")
    return found


def loaded(file: str) -> ModuleType | None:
    """The module of ``./file`` that this process has, where no code is in use and no two folders have such a file."""
    found: dict[Path, ModuleType] = {}
    for space in private.spaces():
        module = sys.modules.get(space.module_name(file))
        if module is not None:
            found[space.folder] = module  # the youngest
    folder = _script_folder()
    if folder is not None and folder not in found:
        for module in list(sys.modules.values()):
            if _is_at(module, folder / file):
                found[folder] = module
    return next(iter(found.values())) if len(found) == 1 else None


def where(path: Path) -> Path:
    """Where a file to be run lies, links followed: the modules beside it are imported from there. A link to another kind of file is itself meant.

    >>> where(Path("study.py")).is_absolute()
    True
    """
    target = Path(realpath(path))
    return target if target.suffix == path.suffix else path.absolute()


_IN_USE: ContextVar[Code] = ContextVar("code in use", default=Code())  # noqa: B039 - it is frozen


@cache
def _space(code: Code, folder: Path) -> private.Space:
    return private.space(folder, {file.file: file.source for file in code.files if file.folder == folder})


def _file(module: ModuleType) -> File:
    path = Path(str(module.__file__)).absolute()
    space = private.space_of(module.__name__)
    if space is not None:
        file = path.relative_to(space.folder).as_posix()
        return File(f"./{file}", space.folder, file, space.sources[file], module.__name__)
    if module.__name__ in ("__main__", "__mp_main__"):  # the second in a process that was spawned
        path = where(path)
        return File(f"./{path.name}", path.parent, path.name, _source(module), "__main__")
    depth = module.__name__.count(".") + (path.name == "__init__.py")
    folder = path.parents[depth] if depth < len(path.parents) else path.parent
    file = path.relative_to(folder).as_posix()
    key = f"./{file}" if folder == _script_folder() else module.__name__
    return File(key, folder, file, _source(module), module.__name__)


_SOURCES: dict[tuple[str, str], bytes] = {}


def _source(module: ModuleType) -> bytes:
    """The source that the module runs: of one that was imported as usual, what its file held when it was first asked for."""
    space = private.space_of(module.__name__)
    path = str(getattr(module, "__file__", None) or "")
    if space is not None:
        return space.sources.get(Path(path).relative_to(space.folder).as_posix(), b"")
    key = module.__name__, path
    if key not in _SOURCES:
        try:
            _SOURCES[key] = Path(path).read_bytes()
        except OSError:
            return b""
    return _SOURCES[key]


def _script_folder() -> Path | None:
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    return None if path is None else where(Path(path)).parent


def _is_at(module: ModuleType | None, path: Path) -> bool:
    where = getattr(module, "__file__", None)
    return isinstance(where, str) and Path(where).name == path.name and Path(where).absolute() == path


def _findable(module: ModuleType, file: File) -> bool:
    """True where an import by name, in a process with the same path, finds the module's file."""
    if private.dotted(file.file) != module.__name__:
        return False
    try:
        spec = find_spec(module.__name__)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None and _is_at(module, Path(spec.origin).absolute())


def _unchanged(file: File) -> bool:
    """True where this process has this very file, or an ordinary import gives it."""
    known = sys.modules.get(file.module)
    if known is not None:
        return _source(known) == file.source
    try:
        spec = find_spec(file.module)
        return spec is not None and spec.origin is not None and Path(spec.origin).read_bytes() == file.source
    except (ImportError, ValueError, OSError):
        return False


@cache
def _with_imports(file: File) -> tuple[File, ...]:
    """The file and what it imports from its own folder or package, directly or not."""
    found, left = {file.key: file}, [file]
    while left:
        for each in _imported(left.pop()):
            if each.key not in found:
                found[each.key] = each
                left.append(each)
    return tuple(found.values())


def _imported(file: File) -> Iterator[File]:
    module = private.dotted(file.file)
    package = module if file.file.endswith("__init__.py") else module.rpartition(".")[0]
    own = file.key.startswith("./")
    top = module.partition(".")[0]
    alone = not own and "/" not in file.file  # a module in no package
    space = private.space_of(file.module)
    prefix = "" if space is None else f"{space.name}."
    for name in imports(file.source, package):
        first = name.partition(".")[0]
        if not (own or first == top or (alone and _beside(first, file.folder))):
            continue
        for candidate in (f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__init__.py"):
            if space is not None and (not space.provides(first) and candidate not in space.sources):
                continue
            known = sys.modules.get(prefix + name)
            if known is not None and _is_at(known, file.folder / candidate):
                yield _file(known)
            elif (file.folder / candidate).is_file():
                key = f"./{candidate}" if own else name
                source = (file.folder / candidate).read_bytes()
                # what is imported later is what was identified now
                kept = source if space is None else space.sources.setdefault(candidate, source)
                yield File(key, file.folder, candidate, kept, prefix + name)


def _beside(name: str, folder: Path) -> bool:
    """True where an import of ``name`` finds it in the folder, and that is not one that packages are installed to."""
    if name in sys.stdlib_module_names or any(folder.glob("*.dist-info")):
        return False
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return False
    places = [] if spec is None else [spec.origin or "", *(spec.submodule_search_locations or ())]
    return any(folder in Path(place).absolute().parents for place in places)
