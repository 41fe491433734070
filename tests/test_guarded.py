"""What is checked of a file from elsewhere before it is believed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zoneout_lab import guarded
from zoneout_lab.errors import IntegrityError

NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=60,
)


def depth(value: object) -> int:
    """The obvious twin: how deep a value is."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@settings(max_examples=200, deadline=None)
@given(NESTED, st.integers(0, 70), st.booleans())
@example(['"[', "\\", '\\"{', "]" * 99], 63, True)
def test_json_is_read_as_it_was_up_to_a_depth(value, wrapped, ascii_only):
    for _ in range(wrapped):
        value = [value, "[{", {}]
    text = json.dumps(value, ensure_ascii=ascii_only)
    if depth(value) > guarded.DEEPEST:
        with pytest.raises(ValueError, match="nested deeper than 64"):
            guarded.loads(text)
    else:
        assert guarded.loads(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10**6,
        '{"a":' * 10**6,
        '["\\"' * 10**5 + "\\",
        '"' + "\\" * 10**6,
        '[[["' * 10**5,
        "[]" * 70 + '"' + '\\"' * 10**5,
    ],
)
def test_hostile_json_is_refused_quickly(text):
    before = time.perf_counter()
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever kind JSON's parser raises
        guarded.loads(text)
    assert time.perf_counter() - before < 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 100_000, "nested deeper than 64"),
        (b" " * ((1 << 25) + 1), "more than 32 MiB"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[]", "JSON object"),
        (b'{"n": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_a_file_that_is_no_json_object_of_ours(tmp_path, content, words):
    (tmp_path / "MANIFEST.json").write_bytes(content)
    with pytest.raises(IntegrityError, match=words):
        guarded.read_json(tmp_path / "MANIFEST.json")


NAMES: list[object] = [
    "../x.nc", "runs/../../x.nc", "/etc/passwd", "..", ".", "", "runs/..", "C:/x.nc", "..\\x.nc", "\\\\host\\x", "runs/\x1b[31m.nc",
    "runs/a\nb.nc", "runs/\u202egnp.nc", "runs/\ud800.nc", "x" * 300, "runs/" + "é" * 200, "con", "runs/NUL.nc", "aux.txt", "runs/x.nc ", "runs/x.",
    "a\0b", "//x", None, 3, ["runs/x.nc"], {}, True,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=[repr(name)[:20] for name in NAMES])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(IntegrityError, match=r"MANIFEST.json is damaged: it names the file") as refused:
        guarded.inside(tmp_path, name)
    assert "outside" in str(refused.value) or ".." not in str(name).split("/")


def test_links_that_lead_out_are_refused(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "runs").mkdir(parents=True)
    out.mkdir()
    (out / "x.nc").touch()
    (folder / "y.nc").touch()
    (folder / "runs" / "x.nc").symlink_to(out / "x.nc")
    (folder / "runs" / "y.nc").symlink_to("../y.nc")
    (folder / "there").symlink_to(out)
    (folder / "dangling.nc").symlink_to(out / "absent.nc")
    for name in ("runs/x.nc", "there/x.nc", "there/absent.nc", "dangling.nc"):
        with pytest.raises(IntegrityError, match="a link leads there"):
            guarded.inside(folder, name)
    assert guarded.inside(folder, "runs/y.nc") == folder / "runs" / "y.nc"
    (tmp_path / "link").symlink_to(folder)  # the folder itself may be reached through one
    assert guarded.inside(tmp_path / "link", "runs/y.nc").is_file()
    (folder / "round.nc").symlink_to("round.nc")
    assert not guarded.inside(folder, "round.nc").exists()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(["..", ".", "", "a", "b.nc", "/", "\\", "~", "con", "\x00", "runs", ":"]), max_size=6).map(
        "/".join
    )
)
def test_what_is_taken_lies_inside(name):
    folder = Path("/nowhere/at/all")
    try:
        found = guarded.inside(folder, name)
    except IntegrityError:
        return
    assert Path(*found.resolve().parts).is_relative_to(folder)
    assert found != folder
