# One command per question. `make run` serves the example tools, `make test` proves everything; both set themselves up.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV ?= .venv
PYTHON ?= python3
PY := $(VENV)/bin/python
STAMP := $(VENV)/.mcpkit
ADDRESS ?= 127.0.0.1:3000
export PYTHONPATH := src
export PIP_DISABLE_PIP_VERSION_CHECK := 1

CORE := $(wildcard src/mcpkit/core/*.pyx src/mcpkit/core/*.pxd cext/*.h cext/*/*.[ch] cext/*/*/*.h)

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

$(STAMP)/venv:
	@$(PYTHON) tools/preflight.py
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q --upgrade 'pip>=25.1'
	@mkdir -p $(STAMP) && touch $@

# The package itself is installed editable, without its C core, which `build` puts beside the sources.
$(STAMP)/packages: $(STAMP)/venv pyproject.toml
	$(PY) -m pip install -q --group build --group test --group lint
	MCPKIT_ROOMS=none $(PY) -m pip install -q --no-build-isolation --editable .
	@touch $@

.PHONY: venv build
venv: $(STAMP)/packages ## the virtual environment in .venv

build: $(STAMP)/build ## the C core, beside the sources

$(STAMP)/build: $(STAMP)/packages setup.py $(CORE)
	$(PY) setup.py -q build_ext --inplace
	@touch $@
