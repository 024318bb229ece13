# One command per question. `make run` serves the example tools, `make test` proves everything; both set themselves up.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
ADDRESS ?= 127.0.0.1:3000
FUZZ_SECONDS ?= 20
TESTS ?=
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.mcpkit
export PYTHONPATH := src
export PIP_DISABLE_PIP_VERSION_CHECK := 1

DOORS := $(wildcard src/mcpkit/core/*.pyx src/mcpkit/core/*.pxd)
CORE := $(wildcard cext/*/*.[ch] cext/*/*/*.h)

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- set-up: each step leaves a stamp and is not done twice ---

$(STAMP)/venv:
	@$(PYTHON) tools/preflight.py
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q --upgrade 'pip>=25.1'
	@mkdir -p $(STAMP) && touch $@

# The package is installed editable; `build` puts its C core beside the sources.
$(STAMP)/packages: $(STAMP)/venv pyproject.toml
	$(PY) -m pip install -q --group build --group guests
	MCPKIT_ROOMS=none $(PY) -m pip install -q --no-build-isolation --editable .
	@touch $@

$(STAMP)/build: $(STAMP)/packages setup.py $(DOORS) $(CORE)
	$(PY) setup.py -q build_ext --inplace
	@touch $@

$(STAMP)/group-%: $(STAMP)/venv pyproject.toml
	$(PY) -m pip install -q --group $*
	@touch $@

.PHONY: venv build examples
venv: $(STAMP)/packages $(STAMP)/group-test $(STAMP)/group-lint ## the virtual environment in .venv, with what tests need

build: $(STAMP)/build ## the C core, beside the sources

examples: build ## the example tools, in examples/build
	$(PY) examples/build.py

# --- use ---

.PHONY: run
run: examples ## the example server on 127.0.0.1:3000
	exec $(VENV)/bin/mcpkit server --http $(ADDRESS) --config examples/config.yaml

# --- proof ---

.PHONY: test ctest pytest conformance check format bench fuzz sanitize
test: ctest pytest ## every test: C, then Python

ctest: $(STAMP)/packages ## the C tests, plain and under ASan and UBSan
	@$(PY) tools/ctest.py
	@$(PY) tools/ctest.py --sanitize

pytest: examples $(STAMP)/group-test ## the Python tests; TESTS="tests/test_digest.py -k once" for some of them
	@$(PY) -m pytest $(TESTS)

conformance: build $(STAMP)/group-node ## the official conformance suite; ARGS="--scenario ping" for a part of it
	@$(PY) tools/conformance.py $(ARGS)

check: build $(STAMP)/group-lint $(STAMP)/group-test ## style, types, stubs
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) tools/stubs.py
	$(VENV)/bin/clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')

format: $(STAMP)/group-lint ## rewrite the sources in the house style
	$(PY) -m ruff check --fix-only -q .
	$(PY) -m ruff format -q .
	$(VENV)/bin/clang-format -i $$(git ls-files '*.c' '*.h')

bench: examples $(STAMP)/group-bench ## the benchmarks, into bench/RESULTS.md
	$(PY) -m bench

fuzz: $(STAMP)/packages ## each libFuzzer target for FUZZ_SECONDS
	@$(PY) tools/ctest.py --fuzz $(FUZZ_SECONDS)

SANITIZED := build/sanitize
SANITIZER_LIBRARIES = $(shell cc -print-file-name=libasan.so) $(shell cc -print-file-name=libubsan.so)
sanitize: examples $(STAMP)/group-test ## the Python tests over a core with ASan and UBSan
	MCPKIT_SANITIZE=address,undefined $(PY) setup.py -q build --build-lib $(SANITIZED)
	LD_PRELOAD="$(SANITIZER_LIBRARIES)" ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_sigill=0:handle_sigfpe=0 \
	PYTHONMALLOC=malloc PYTHONPATH=$(SANITIZED) $(PY) -m pytest -o pythonpath="$(SANITIZED) tests" $(TESTS)

.PHONY: clean
clean: ## everything that was built; the virtual environment stays
	rm -rf build dist wheelhouse examples/build bench/build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src -name '*.so' -delete
	rm -f $(STAMP)/build
