"""Python source as data: what it means, apart from comments and layout, and which modules it imports."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from typing import Any


def digest(source: bytes) -> str:
    """SHA-256 of what the source does: comments, docstrings, layout and the assignment to ``STUDY`` leave it as it is.

    A study that asks for more seeds is the same code. It is also the same under every version of Python.

    >>> digest(b"x = 1  # one") == digest(b"x=1")
    True
    >>> digest(b"x = 1") == digest(b"x = 2")
    False
    """
    tree = ast.parse(source)
    tree.body = [statement for statement in tree.body if not _assigns_study(statement)]
    return hashlib.sha256(repr(_meaning(tree)).encode()).hexdigest()


def _assigns_study(statement: ast.stmt) -> bool:
    targets = (
        statement.targets
        if isinstance(statement, ast.Assign)
        else [statement.target]
        if isinstance(statement, ast.AnnAssign)
        else []
    )
    return [target.id for target in targets if isinstance(target, ast.Name)] == ["STUDY"]


def _meaning(node: Any) -> Any:
    """A syntax tree as nested tuples. Fields that are empty are left out: which ones there are depends on the version of Python."""
    if isinstance(node, list):
        return tuple(_meaning(each) for each in node)
    if not isinstance(node, ast.AST):
        return type(node).__name__, repr(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        has_docstring = ast.get_docstring(node, clean=False) is not None
        fields["body"] = node.body[1:] if has_docstring else node.body
    kept = ((name, value) for name, value in fields.items() if value not in (None, []) and name != "type_comment")
    return type(node).__name__, *((name, _meaning(value)) for name, value in kept)


def imports(source: bytes, package: str) -> Iterator[str]:
    """Dotted names that the source imports anywhere in it, ``a.b`` and ``a.b.c`` for ``from a.b import c``.

    Args:
        source: of a module.
        package: that its relative imports start from.

    >>> list(imports(b"import os.path\\nfrom . import tools", "mine"))
    ['os.path', 'mine', 'mine.tools']
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level and package else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            if module:
                yield module
            yield from (".".join(filter(None, (module, alias.name))) for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Call):
            yield from _import_module(node, package)


def _import_module(call: ast.Call, package: str) -> Iterator[str]:
    """The module that ``importlib.import_module("a.b")`` imports, where the name is written out."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
    given = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "name")]
    if called == "import_module" and given and isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
        name = given[0].value
        beyond = len(name) - len(name.lstrip("."))
        above = package.split(".")[: len(package.split(".")) - beyond + 1] if beyond and package else []
        yield ".".join(filter(None, (*above, name.lstrip("."))))


def defines(source: bytes, name: str) -> bool:
    """True where the module has this class or function at its top level however it is started: not under ``if __name__ == "__main__":``.

    >>> defines(b"class A: ...", "A"), defines(b"if __name__ == '__main__':\\n    class A: ...", "A")
    (True, False)
    """
    return _defines(ast.parse(source).body, name)


def _defines(body: list[ast.stmt], name: str) -> bool:
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and statement.name == name:
            return True
        if isinstance(statement, ast.If):
            only_as_script = any(isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(statement.test))
            branches = [] if only_as_script else [statement.body]
            if any(_defines(branch, name) for branch in [*branches, statement.orelse]):
                return True
        elif isinstance(statement, ast.Try):
            handled = [handler.body for handler in statement.handlers]
            if any(_defines(b, name) for b in [statement.body, *handled, statement.orelse, statement.finalbody]):
                return True
    return False
