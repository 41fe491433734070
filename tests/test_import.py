"""What an import loads: little, and nothing heavy before it is used."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib.metadata import version

import pytest

import zoneout_lab
import zoneout_lab.report
import zoneout_lab.results

HEAVY = ("torch", "optuna", "mlflow", "xarray", "matplotlib", "pandas", "scipy", "sklearn", "statsmodels", "pydantic")

#: code → top-level packages that it must not load
CASES = {
    "import zoneout_lab": HEAVY,
    "import zoneout_lab as zl; zl.LSTM": ("optuna", "mlflow", "xarray", "matplotlib", "pandas", "sklearn"),
    "import zoneout_lab as zl; zl.Zoneout(0.5); zl.gradient_flow": ("optuna", "mlflow", "xarray", "matplotlib"),
    "import zoneout_lab.paper": HEAVY,
    "import zoneout_lab.results, zoneout_lab.report, zoneout_lab.stats, zoneout_lab.schema": (
        "torch",
        "optuna",
        "mlflow",
    ),
    "import zoneout_lab as zl; zl.open_results, zl.compare, zl.judge, zl.write_report": ("torch", "optuna", "mlflow"),
}


def loaded_by(code: str) -> set[str]:
    """Top-level packages, from the interpreter's own record of imports."""
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    modules = (line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {module.split(".")[0] for module in modules}


@pytest.mark.parametrize("code", CASES)
def test_loads_nothing_heavy_before_its_time(code: str):
    loaded = loaded_by(code)
    assert "zoneout_lab" in loaded
    assert not loaded & set(CASES[code])


def test_the_check_would_see_torch():
    assert "torch" in loaded_by("import zoneout_lab as zl; zl.LSTM")


@pytest.mark.parametrize("name", zoneout_lab.__all__)
def test_every_public_name_is_there_and_explains_itself(name: str):
    value = getattr(zoneout_lab, name)
    assert value.__name__.rpartition(".")[2] == name
    assert value.__doc__
    assert getattr(value, "__module__", value.__name__).startswith("zoneout_lab.")


@pytest.mark.parametrize("package", [zoneout_lab, zoneout_lab.report, zoneout_lab.results], ids=lambda p: p.__name__)
def test_no_name_is_that_of_a_module_beside_it(package):
    """Once that module is imported, Python gives it instead of what is to be imported when it is used."""
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert not modules & {*package.__all__} - {"plot"}  # which is that module
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_the_names_are_listed_and_no_others_exist():
    assert set(zoneout_lab.__all__) <= set(dir(zoneout_lab))
    assert zoneout_lab.__all__ == sorted(
        zoneout_lab.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name)
    )
    assert zoneout_lab.__version__ == version("zoneout_lab")
    with pytest.raises(AttributeError, match="has no attribute 'LTSM'"):
        zoneout_lab.LTSM  # noqa: B018
