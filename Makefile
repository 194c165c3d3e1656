# `make demo` and `make test` set up what they need: a virtual environment in .venv, and, when run
# as root on Debian, the few packages that the tests compile and run programs with.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin

.PHONY: demo test test-emulator test-kernels test-matrix lint types unit live bench gen docs clean

demo: $(VENV)/.ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python examples/demo.py

test: $(VENV)/.test-ready lint types
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q

# Of `make test`, only the kernels and architectures under QEMU.
test-kernels: $(VENV)/.test-ready
	$(BIN)/python -m pytest -q tests/matrix/test_kernels.py

# The emulator against the running kernel on a million pairs of a program and a call; `make test` tries 120,000.
test-emulator: $(VENV)/.test-ready
	TROTH_PAIRS=1000000 $(BIN)/python -m pytest -q tests/oracle/test_emulator_against_kernel.py

# Every kernel and architecture, and all tests on those of `make test-kernels`; an hour or two. Writes the table in
# bench/RESULTS.md.
test-matrix:
	PYTHON="$(PYTHON)" sh tools/setup.sh "$(VENV)" matrix
	TROTH_MATRIX=all $(BIN)/python -m pytest -q tests/matrix

lint: $(VENV)/.test-ready
	$(BIN)/ruff check src tests tools bench examples
	$(BIN)/ruff format --check -q src tests tools bench examples

types: $(VENV)/.test-ready
	$(BIN)/mypy

unit: $(VENV)/.test-ready
	$(BIN)/python -m pytest -q tests/unit

live: $(VENV)/.test-ready
	$(BIN)/python -m pytest -q tests/live tests/escape

bench: $(VENV)/.test-ready
	$(BIN)/python bench/run.py

gen: $(VENV)/.test-ready
	$(BIN)/python tools/gen_abi.py
	$(BIN)/python tools/gen_promises.py
	$(BIN)/python tools/gen_docs.py

docs: $(VENV)/.test-ready
	$(BIN)/python tools/gen_docs.py

$(VENV)/.ready: pyproject.toml tools/setup.sh
	PYTHON="$(PYTHON)" sh tools/setup.sh "$(VENV)" run

$(VENV)/.test-ready: pyproject.toml tools/setup.sh
	PYTHON="$(PYTHON)" sh tools/setup.sh "$(VENV)" test

clean:
	rm -rf "$(VENV)" .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
