# Two commands do all the set-up: `make study` and `make test`. Everything is kept in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STUDY ?= quickstart
ARGS ?=

# On Linux the package index serves torch for NVIDIA GPUs, several gigabytes of it. Without such a GPU the CPU build is asked
# for at torch's own index beside it. TORCH_INDEX= (empty) leaves the choice to pip's own settings.
ifeq ($(shell uname -s),Linux)
ifeq ($(shell command -v nvidia-smi 2>/dev/null),)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
endif
endif

REACHABLE := 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=10)' 2>/dev/null

.PHONY: help install study test test-slow test-gpu faults gpu docs lint audit format clean

help:
	@echo "make study     set up, run the quickstart study (or STUDY=name), say where its report is"
	@echo "make test      set up, run the tests"
	@echo "make install   set up .venv only"
	@echo "make lint      formatting, lint, types, import order, insecure code"
	@echo "make audit     known vulnerabilities of the installed packages"
	@echo "make test-slow | test-gpu   the long tests; the ones that need a CUDA GPU"
	@echo "make faults    processes killed, signals, full disks, flipped bits: that nothing finished is lost (FAULT_ROUNDS=100 for more)"
	@echo "make docs      the pages, tutorials and reference as a site, in docs/_build/html; runs the tutorials"
	@echo "make gpu       on a GPU machine: those tests, then the benchmark, into reports/benchmarks/"
	@echo "make clean     remove .venv and caches; results in runs/ stay"

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "zoneout_lab needs Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || \
	  { rm -rf $(VENV); echo "Could not make $(VENV). If Python says ensurepip is missing, on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Setting up $(VENV); this downloads about 1 GB, takes 3 GB on disk and some minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  $$($(if $(TORCH_INDEX),$(BIN)/python -c $(REACHABLE) $(TORCH_INDEX)/torch/ && echo --extra-index-url $(TORCH_INDEX) || \
	  echo "$(TORCH_INDEX) does not answer: pip takes whatever torch it is set up to find (it may bring CUDA)." >&2,:)) torch
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $@
	@echo "$(VENV) is ready. To use it: source $(VENV)/bin/activate"

study: install
	@$(BIN)/zoneout-lab run $(STUDY) $(ARGS)

# Each process begins with half of the folders, so that what the tests of a folder share is made in one of them. Processes that tests start
# read the package compiled.
test: install
	@OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not gpu and not faults" $(ARGS)

test-slow: install
	@$(BIN)/python -m pytest -m slow $(ARGS)

faults: install
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m faults $(ARGS)

test-gpu: install
	@$(BIN)/python -m pytest -m gpu $(ARGS)

gpu: test-gpu
	@mkdir -p reports/benchmarks
	@$(BIN)/zoneout-lab bench --all --device cuda --json --plot reports/benchmarks/cuda.png > reports/benchmarks/cuda.json
	@echo "reports/benchmarks/cuda.json and cuda.png"

docs: install
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --jobs auto docs docs/_build/html
	@echo "docs/_build/html/index.html"

lint: install
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/bandit --quiet --recursive --configfile pyproject.toml zoneout_lab studies analysis .ci/audit.py

# known vulnerabilities of what is installed; skipped, with the reason, where no list of them can be reached
audit: install
	@$(BIN)/python .ci/audit.py

format: install
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
