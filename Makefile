# Everything a newcomer needs: python >= 3.11 and make. The environment lives in .venv and is made when missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PLUGINS := nircam miri nirspec niriss fgs

.PHONY: install demo test test-slow lint parity-quick parity bench docs clean

$(READY): pyproject.toml constraints.txt $(PLUGINS:%=plugins/%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "jwcal needs python 3.11 or newer: make PYTHON=python3.12 ...")'
	@echo "installing into $(VENV): 1 GB, some minutes, once"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@# the build tool warns of every editable package that folders of its name may hide it; once per plugin tells nobody anything
	@PYTHONWARNINGS=ignore::UserWarning $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all,test,lint,docs]' \
		$(PLUGINS:%=--editable plugins/%)
	@touch $@

install: $(READY)  ## the environment alone

demo: $(READY)  ## simulate, reduce, compare with the truth; leaves demo/index.html
	$(BIN)/jwcal demo --output-dir demo

test: $(READY)  ## the test suite on small arrays
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup tests -m "not slow"

test-slow: $(READY)  ## the tests on full-size arrays
	$(BIN)/python -m pytest -q tests -m slow

lint: $(READY)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

parity-quick: $(READY)  ## compare with the official pipeline, small cases
	$(BIN)/python -m tests.parity --quick

parity: $(READY)  ## compare with the official pipeline, all cases; writes the committed table
	$(BIN)/python -m tests.parity

bench: $(READY)  ## time both pipelines side by side; writes docs/benchmarks.md
	$(BIN)/python -m benchmarks

docs: $(READY)  ## the documentation, warnings are errors
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build

clean:
	rm -rf $(VENV) .peer demo docs/_build .pytest_cache .mypy_cache .ruff_cache
