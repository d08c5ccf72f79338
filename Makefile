# make setup   make .venv with all packages; every target below does that first
# make up      set up, start the embedded stack, run a short rush on it, leave it running
# make test    set up, run all tests on a stack of their own (ARGS="-m gate -n 0": a kind, one by one)
# make bench   set up, run the benchmarks on a stack of their own
# make chaos   set up, cause faults at random for MINUTES (30) on a stack of its own; SEED repeats a run
# make drill   set up, cause a state of the runbook on a stack of its own for you to repair; STATE, SEED: which
# make model   set up, search large scopes of the protocol's models (needs g++; SCOPE="words of a name": one)
# make down    stop the stack that `make up` left running (its data stays)
# make check   format, lint, types, imports
# make docs    write the generated pages and dashboards, build the site into build/site

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)

# The tests start hundreds of processes of Python: each would compile the project anew.
WITH_BYTECODE := PYTHONDONTWRITEBYTECODE=

PIP_INSTALL := $(BIN)/pip install --quiet --progress-bar on --disable-pip-version-check
PIP_HINT := "The packages could not be installed (see above). Behind a proxy with its own certificate authority: PIP_CERT=FILE make ..."

.PHONY: help setup up test bench chaos drill model down check docs constraints clean
.DEFAULT_GOAL := help

help: ## show these lines
	@sed -n 's/^# make/make/p' Makefile

setup: $(READY)

up: $(READY)
	$(BIN)/coupon up --ports first-free
	$(BIN)/coupon rush

test: $(READY)
	$(WITH_BYTECODE) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder $(ARGS)

bench: $(READY)
	$(BIN)/python -m benchmarks $(ARGS)

chaos: $(READY)
	$(BIN)/python -m chaos --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED)) $(ARGS)

drill: $(READY)
	$(BIN)/python -m chaos.drill $(if $(STATE),--state "$(STATE)") $(if $(SEED),--seed $(SEED)) $(ARGS)

model: $(READY)
	$(BIN)/python -m tests.model.protocol $(SCOPE)

down: $(READY)
	$(BIN)/coupon down

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/python -m docs.make
	$(BIN)/python -m compose.dashboards
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@echo "Setting up $(VENV): installs $$(grep -c == constraints.txt) Python packages; half a minute the first time."
	@$(PIP_INSTALL) --require-hashes -r constraints.txt || { echo $(PIP_HINT); exit 1; }
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@echo "Set up."
	@rm -f $(VENV)/.ready-*; touch $@

constraints: ## resolve the versions anew (needs uv)
	echo 'setuptools>=77' | uv pip compile --quiet pyproject.toml - --all-extras --universal --generate-hashes \
	  --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --no-annotate --no-strip-extras -o constraints.txt

clean: ## remove what the setup made here
	rm -rf $(VENV) *.egg-info .coverage* .pytest_cache .mypy_cache .ruff_cache
