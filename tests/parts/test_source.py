"""What makes two sources the same code, and what a source imports."""

from __future__ import annotations

import sys

import pytest

from zoneout_lab.parts.source import defines, digest, imports

SOURCE = '''"""About."""
import torch
RATE = 0.5
STUDY = Study(seeds=3)
class Mine:
    """What it is."""
    z: float = RATE
    def sites(self, a=1, *, b: int = 2):
        """Where."""
        return f"{a!r:>{b}} {RATE}", [x for x in (1, 2.0, 3j, b"4", ...) if x]
async def later():
    "Only words."
'''
SAME = {
    "comments": SOURCE.replace("RATE = 0.5", "RATE = 0.5  # half\n# more"),
    "layout": SOURCE.replace("RATE = 0.5", "\n\nRATE = (\n    0.5\n)"),
    "docstrings": SOURCE.replace('"""About."""', '"""Another."""').replace('"""What it is."""', "'other words'"),
    "no docstring": SOURCE.replace('        """Where."""\n', ""),
    "quotes": SOURCE.replace('b"4"', "b'4'"),
    "study": SOURCE.replace("STUDY = Study(seeds=3)", "STUDY: Study = Study(seeds=30, title='more')"),
    "no study": SOURCE.replace("STUDY = Study(seeds=3)\n", ""),
}
OTHER = {
    "number": SOURCE.replace("RATE = 0.5", "RATE = 0.25"),
    "type of a number": SOURCE.replace("(1, 2.0", "(1.0, 2.0"),
    "default": SOURCE.replace("a=1", "a=2"),
    "order": SOURCE.replace("(1, 2.0", "(2.0, 1"),
    "name": SOURCE.replace("RATE", "RATES"),
    "import": SOURCE.replace("import torch", "import torch as t"),
    "a text that is no docstring": SOURCE.replace("RATE = 0.5", "RATE = '0.5'"),
    "a study of another name": SOURCE.replace("STUDY =", "OTHER ="),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_code(case):
    assert SAME[case] != SOURCE
    assert digest(SAME[case].encode()) == digest(SOURCE.encode())


@pytest.mark.parametrize("case", OTHER)
def test_other_code(case):
    assert digest(OTHER[case].encode()) != digest(SOURCE.encode())


def test_the_digest_is_the_same_under_every_version_of_python():
    """Written down under 3.11: syntax trees of later versions have more fields."""
    assert sys.version_info >= (3, 11)
    assert digest(SOURCE.encode()).startswith(KNOWN)


KNOWN = "526d107e62e76c0e"


@pytest.mark.parametrize(
    ("source", "package", "found"),
    [
        ("import a, b.c as d", "", ["a", "b.c"]),
        ("from a.b import c, d", "", ["a.b", "a.b.c", "a.b.d"]),
        ("from a import *", "", ["a"]),
        ("def f():\n    import late", "", ["late"]),
        ("from . import x", "", ["x"]),
        ("from .x import y", "", ["x", "x.y"]),
        ("from .x import y", "a.b", ["a.b.x", "a.b.x.y"]),
        ("from .. import y", "a.b", ["a", "a.y"]),
        ("importlib.import_module('a.b')", "", ["a.b"]),
        ("import_module('..c', __package__)", "a.b", ["a.c"]),
        ("import_module('.c', 'a')", "", ["c"]),
        ("import_module(package=None, name='c')", "", ["c"]),
        ("import_module(name), import_module(), load('a')", "", []),
    ],
)
def test_what_a_source_imports(source, package, found):
    assert list(imports(source.encode(), package)) == found


@pytest.mark.parametrize(
    ("source", "there"),
    [
        ("class A: ...", True),
        ("if True:\n    class A: ...", True),
        ("try:\n    import x\nexcept ImportError:\n    class A: ...", True),
        ("if __name__ == '__main__':\n    class A: ...", False),
        ("if __name__ == '__main__':\n    pass\nelse:\n    class A: ...", True),
        ("def f():\n    class A: ...", False),
        ("A = type('A', (), {})", False),
    ],
)
def test_where_a_class_is_defined(source, there):
    assert defines(source.encode(), "A") is there
