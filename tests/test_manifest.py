"""A manifest protects itself: no bit of it can change, whatever it is then as JSON; those from before it did are told apart and still read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zoneout_lab import manifest
from zoneout_lab.errors import InputRefusedError, IntegrityError

CONTENT: dict[str, Any] = {
    "schema": 1,
    "study": {"name": "tiny", "arms": [{"name": "lstm"}], "seeds": 2, "alpha": 0.05},
    "data": "ab" * 32,
    "declared": {"name": "tiny"},
    "overrides": ["seeds: 8 → 2"],
    "paper": None,
    "command": "zoneout-lab run tiny",
    "runs": {
        "0123456789abcdef": {
            "file": "runs/lstm-s000-01234567.nc", "sha256": "cd" * 32, "arm": "lstm", "seed": 0, "phase": "confirm", "status": "finished",
            "score": 0.1 + 0.2, "written": "2026-11-26T22:00:00+00:00",
        }
    },
    "code": {"./half.py": {"file": "code/half.py", "sha256": "ef" * 32}},
    "looks": [{"seeds": 2, "date": "2026-11-26T22:00:00+00:00", "hypotheses": []}],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / manifest.FILE).write_bytes(manifest.written(CONTENT))
    return tmp_path


def put(folder: Path, text: bytes) -> Path:
    (folder / manifest.FILE).write_bytes(text)
    return folder


def test_what_is_read_is_what_was_written_and_the_same_bytes_each_time(folder):
    assert manifest.read(folder) == CONTENT
    assert manifest.is_sealed(folder)
    assert manifest.written(manifest.read(folder)) == (folder / manifest.FILE).read_bytes()
    plain = json.loads((folder / manifest.FILE).read_bytes())
    assert plain.pop("sha256") != "0" * 64
    assert plain == CONTENT


def test_every_bit_counts(folder):
    """One in every byte, line ends and the SHA-256 among them, and all in its name."""
    text = (folder / manifest.FILE).read_bytes()
    name = text.index(b'\n "sha256"')
    for place, bit in [
        *((k, k % 8) for k in range(len(text))),
        *((k, b) for k in range(name, name + 14) for b in range(8)),
    ]:
        changed = bytearray(text)
        changed[place] ^= 1 << bit
        with pytest.raises(IntegrityError):
            manifest.read(put(folder, bytes(changed)))


def test_every_length_but_its_own_is_damage(folder):
    text = (folder / manifest.FILE).read_bytes()
    for length in range(0, len(text), 5):
        with pytest.raises(IntegrityError):
            manifest.read(put(folder, text[:length]))
    for more in (b"\n", b" ", b"}", b"\0", text):
        with pytest.raises(IntegrityError):
            manifest.read(put(folder, text + more))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Any:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from leaves(child, (*path, key))


def test_every_field_counts(folder):
    """Edited, taken out or doubled, with all else as it was."""
    whole = json.loads((folder / manifest.FILE).read_bytes())
    fields = list(leaves(CONTENT))
    assert len(fields) > 25
    for path in fields:
        for change in (
            lambda at, key: at.update({key: "other"}) if isinstance(at, dict) else at.append(1),
            lambda at, key: at.pop(key),
        ):
            content = json.loads(json.dumps(whole))
            at = content
            for key in path[:-1]:
                at = at[key]
            change(at, path[-1])
            with pytest.raises(IntegrityError, match="cannot be read"):
                manifest.read(put(folder, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()))


def test_the_same_content_written_in_another_way_is_not_what_was_written(folder):
    whole = json.loads((folder / manifest.FILE).read_bytes())
    with pytest.raises(IntegrityError, match="SHA-256"):
        manifest.read(put(folder, json.dumps(whole).encode()))


def old(**more: Any) -> bytes:
    return json.dumps(CONTENT | more).encode()


def test_a_manifest_from_before_is_read_and_known_to_be_unprotected(folder):
    assert manifest.read(put(folder, old())) == CONTENT
    assert not manifest.is_sealed(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (old()[:-1] + b', "data": "0"}', "the key 'data' stands twice"),
        (old().replace(b'"seed": 0', b'"seed": 0, "seed": 1'), "the key 'seed' stands twice"),
        (old(sha257="0"), "an entry 'sha257'"),
        (old(sha256="0" * 64), "an entry 'sha256'"),
        (old() + b"}", "not JSON"),
        (old(runs=[]), "runs"),
        (old(study=None), "study"),
        (old(study={"name": "../up", "arms": [], "seeds": 1}), "outside"),
        (old(code={"./a.py": {"file": "/etc/passwd", "sha256": ""}}), "outside"),
        (old(runs={"a": CONTENT["runs"]["0123456789abcdef"] | {"seed": "0"}}), "seed"),
    ],
)
def test_what_is_wrong_with_an_old_one(folder, text, words):
    with pytest.raises(IntegrityError, match=words) as error:
        manifest.read(put(folder, text))
    assert f"verify --repair {folder}" in str(error.value)
    assert "Error(" not in str(error.value)


def test_without_one_there_is_no_results_folder(tmp_path):
    with pytest.raises(InputRefusedError, match="no MANIFEST"):
        manifest.read(tmp_path)


def test_a_folder_of_results_folders_says_which_there_are(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / manifest.FILE).write_text("{}")
    with pytest.raises(InputRefusedError, match=rf"It holds 2 of them, each to be named by itself: {tmp_path}/a$"):
        manifest.read(tmp_path)
    with pytest.raises(InputRefusedError, match=rf"it has no {manifest.FILE}\.$"):
        manifest.read(tmp_path / "nowhere")


@pytest.mark.parametrize("own", ["x", "0" * 33, "A" * 32, {"a": 1}, 5])
def test_an_id_is_one_or_the_manifest_is_damaged(tmp_path, own):
    (tmp_path / manifest.FILE).write_bytes(manifest.written(CONTENT | {"id": "0a" * 16}))
    assert manifest.read(tmp_path)["id"] == "0a" * 16
    (tmp_path / manifest.FILE).write_bytes(manifest.written(CONTENT | {"id": own}))
    with pytest.raises(IntegrityError, match="its id"):
        manifest.read(tmp_path)
