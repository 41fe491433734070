"""What an import inside a training function does to its process: what it draws is put back, what it sets is told of by the module that was asked for."""

from __future__ import annotations

import importlib
import os
import random
import subprocess
import sys
import threading
import time
import warnings
import zipfile
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from zoneout_lab.functions.imports import Imported, watched
from zoneout_lab.functions.surroundings import put_back


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("MODE", raising=False)
    return tmp_path


def imported(folder: Path, **sources: str) -> list[str]:
    """What is told of an import of the last of these modules."""
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    importlib.invalidate_caches()
    lasting: list[str] = []
    with put_back(lasting):
        importlib.import_module(list(sources)[-1])
    return [text.partition(" for its")[0] for text in lasting]


def test_variables_that_an_installed_package_adds_stay_with_its_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "adds_a_variable.py").write_text('import os; os.environ["ADDED"] = "1"; os.environ["CHANGED"] = "2"\n')
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("CHANGED", "1")
    monkeypatch.setenv("ADDED", "0")
    monkeypatch.delenv("ADDED")
    lasting: list[str] = []
    with put_back(lasting):
        importlib.import_module("adds_a_variable")
    assert (os.environ["ADDED"], os.environ["CHANGED"]) == ("1", "1")
    assert [text[: text.index(" for its")] for text in lasting] == [
        "adds_a_variable is imported inside the training function, and sets os.environ CHANGED"
    ]


def test_what_it_draws_is_put_back(folder: Path):
    source = "import random, numpy, torch; random.random(); numpy.random.rand(); torch.rand(1)"

    def next_numbers() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    def seed() -> None:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)

    seed()
    expected = next_numbers()
    seed()
    assert imported(folder, draws_of_all=source) == []
    assert next_numbers() == expected


def test_one_that_fails_has_drawn_and_set_all_the_same(folder: Path):
    random.seed(1)
    expected = random.random()
    random.seed(1)
    (folder / "fails_late.py").write_text("import os, random; random.random(); os.environ['MODE'] = '1'; 1 / 0")
    lasting: list[str] = []
    with pytest.raises(ZeroDivisionError), put_back(lasting):
        importlib.import_module("fails_late")
    assert random.random() == expected
    assert len(lasting) == 1


def test_it_is_told_of_the_module_that_the_function_asked_for_and_once(folder: Path):
    inner = "import os, sys; os.environ['MODE'] = '1'; sys.path.append('x')"
    assert imported(folder, sets_inside=inner, asks_for_it="import sets_inside") == [
        "asks_for_it is imported inside the training function, and sets sys.path, os.environ MODE"
    ]
    assert imported(folder, asks_again="import sets_inside") == []  # it is there


def test_what_was_not_known_before_is_no_change():
    noted = Imported()
    noted.note(ModuleType("m"), {"torch.set_num_threads": None, "sys.path": []}, {"torch.set_num_threads": 4, "sys.path": []})  # fmt: skip
    assert noted.settings == {}


def test_modules_are_found_and_loaded_as_without_it(folder: Path):
    (folder / "plain_module.py").write_text("X = 1")
    finders = list(sys.meta_path)
    with watched():
        spec = importlib.util.find_spec("plain_module")
        assert spec is not None
        assert type(spec.loader) is SourceFileLoader
        module = importlib.import_module("plain_module")
        assert module.__spec__ is not None
        assert "exec_module" not in vars(module.__spec__.loader)
        assert importlib.reload(module) is module
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("there_is_no_such_module")
    assert sys.meta_path == finders


def test_interop_threads_cannot_be_put_back(monkeypatch: pytest.MonkeyPatch):
    # torch takes them once in a process, and this one has other tests to run
    count = [torch.get_num_interop_threads()]
    monkeypatch.setattr(torch, "get_num_interop_threads", lambda: count[0])
    lasting: list[str] = []
    with put_back(lasting):
        count[0] += 1
    assert ["set_num_interop_threads" in text for text in lasting] == [True]


def test_what_a_module_draws_is_the_same_whoever_imports_it(folder: Path):
    source = "import random, numpy, torch; DRAWN = random.random(), float(numpy.random.rand()), float(torch.rand(()))"
    (folder / "drawn_inside.py").write_text(source)
    (folder / "drawn_outside.py").write_text(f"{source}\nimport drawn_inside\n{source.replace('DRAWN', 'LATER')}")
    found = []
    for k, first in enumerate(([], ["drawn_inside"], [])):
        random.seed(k)
        np.random.seed(k)
        torch.manual_seed(k)
        with put_back([]):
            for name in first:
                importlib.import_module(name)
            outside = importlib.import_module("drawn_outside")
        found.append((outside.DRAWN, outside.LATER, sys.modules["drawn_inside"].DRAWN))
        for name in ("drawn_inside", "drawn_outside"):
            del sys.modules[name]
    assert found[0] == found[1] == found[2]
    assert len({number for drawn in found[0] for number in drawn}) == 9


def test_torch_that_comes_with_a_module_draws_for_it_as_always(folder: Path):
    """Of itself it begins with a seed of chance."""
    (folder / "brings_torch.py").write_text("import torch; DRAWN = float(torch.rand(()))")
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "from zoneout_lab.functions.imports import watched\n"
        "from zoneout_lab.functions.seeded import seed_generators\n"
        "if sys.argv[1] == 'before': import torch\n"
        "seed_generators(5)\n"
        "with watched(5): import brings_torch, torch\n"
        "print(brings_torch.DRAWN, float(torch.rand(())))"
    )
    told = [
        subprocess.run([sys.executable, "-c", code, when], check=True, capture_output=True, text=True).stdout.split()
        for when in ("before", "with")
    ]
    assert told[0] == told[1]
    torch.manual_seed(5)
    assert float(told[0][1]) == float(torch.rand(()))


def test_modules_in_archives_are_watched(folder: Path):
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.writestr("zipped_outside.py", "import zipped_inside")
        archive.writestr("zipped_inside.py", "import os; os.environ['MODE'] = '1'")
    lasting: list[str] = []
    with put_back(lasting):
        sys.path.insert(0, str(folder / "archive.zip"))
        importlib.import_module("zipped_outside")
    assert [text.partition(" for its")[0] for text in lasting] == [
        "zipped_outside is imported inside the training function, and sets os.environ MODE"
    ]


@pytest.mark.parametrize(
    "statement", ["import torch", "from torch import nn", "import importlib; importlib.import_module('torch')"]
)
def test_torch_itself_may_be_what_is_imported(statement: str):
    code = (
        "from zoneout_lab.functions.surroundings import put_back\n"
        f"lasting = []\nwith put_back(lasting, 5):\n    {statement}\n"
        "import torch; print(float(torch.rand(())), *lasting)"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    torch.manual_seed(5)
    assert float(told) == float(torch.rand(()))


def test_a_normal_number_left_over_from_a_pair_stays(folder: Path):
    """NumPy makes them in pairs."""
    np.random.seed(3)
    np.random.standard_normal()
    expected = np.random.standard_normal()
    np.random.seed(3)
    np.random.standard_normal()
    imported(folder, draws_normals="import numpy; numpy.random.standard_normal(3)")
    assert np.random.standard_normal() == expected


def test_what_is_imported_may_import_in_this_way_itself(folder: Path):
    """As a file of one's own does: the inner one is asked, and whatever is set is noted by the outer one."""
    (folder / "inner_most.py").write_text("import os; os.environ['MODE'] = '1'")
    (folder / "outer_most.py").write_text(
        "from contextlib import nullcontext\n"
        "from zoneout_lab.parts.drawn import around_imports\n"
        "with around_imports(lambda _: nullcontext()):\n    import inner_most\n"
    )
    lasting: list[str] = []
    with put_back(lasting):
        importlib.import_module("outer_most")
    assert [text.partition(" for its")[0] for text in lasting] == [
        "outer_most is imported inside the training function, and sets os.environ MODE"
    ]


def test_numpys_generator_is_the_same_one_afterwards_whatever_a_module_or_a_thread_does(folder: Path):
    (folder / "keeps_it.py").write_text("import numpy; OWN = numpy.random.Generator(numpy.random.get_bit_generator())")
    (folder / "sets_another.py").write_text("import numpy; numpy.random.set_bit_generator(numpy.random.PCG64(1))")
    (folder / "slow_one.py").write_text("import time; time.sleep(0.3)")
    (folder / "slow_two.py").write_text("import time; time.sleep(0.6)")
    generator = np.random.get_bit_generator()  # type: ignore[attr-defined]
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    with put_back([]):
        kept = importlib.import_module("keeps_it").OWN
        importlib.import_module("sets_another")
        threads = [threading.Thread(target=importlib.import_module, args=[name]) for name in ("slow_one", "slow_two")]
        for thread in threads:
            thread.start()
            time.sleep(0.1)
        for thread in threads:
            thread.join()
    assert np.random.get_bit_generator() is generator is kept.bit_generator  # type: ignore[attr-defined]
    assert np.random.rand() == expected


def test_another_kind_of_generator_is_left_alone(folder: Path):
    (folder / "draws_of_another.py").write_text("import numpy; numpy.random.rand()")
    kept = np.random.get_bit_generator()  # type: ignore[attr-defined]
    np.random.set_bit_generator(np.random.PCG64(1))  # type: ignore[attr-defined]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with watched():
                importlib.import_module("draws_of_another")
    finally:
        np.random.set_bit_generator(kept)  # type: ignore[attr-defined]
