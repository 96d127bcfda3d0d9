# make example: the main job on real packages.   make test: the whole suite.   make check: linters and types.
# All three set up what they need in .venv/ and build/, and can be run again at any time.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= auto

.PHONY: example test check clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

example: export ENVMGR_ROOT := $(CURDIR)/build/root
example: $(VENV)/.installed
	$(BIN)/envmgr build recipes --override-channels --zstd-level 3
	rm -rf build/example
	$(BIN)/envmgr create -f environment.example.yml -p build/example --json > build/example.json || { cat build/example.json; exit 1; }
	$(BIN)/envmgr run -p build/example python recipes/check_example.py build/example.json

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(WORKERS)

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf build dist $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
