# The commands of this project; `make help` lists them. Everything lands in .venv/ and var/.

PYTHON_VERSION := $(shell cat .python-version)
UV_VERSION := 0.13.9
UV_BOOTSTRAP := .venv/bootstrap/bin/uv
UV := $(or $(shell command -v uv 2>/dev/null),$(UV_BOOTSTRAP))
PYTHON := .venv/bin/python
WITH_TEST_SETTINGS := $(PYTHON) -m tests.environment
WORKERS ?= 2
ARGS ?=

export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help run test lint types bench bench-data docs screenshots languages format requirements clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/runtime.stamp ## start everything here: database, broker, web server, worker, beat
	@exec $(PYTHON) -m idp.ops.run

test: .venv/development.stamp ## run all tests; ARGS="tests/unit -k environment" for some
	@$(PYTHON) -m tests.needs
	$(PYTHON) -m pytest -n $(WORKERS) $(ARGS)

lint: .venv/development.stamp ## style, imports between layers, templates, missing migrations
	ruff check .
	ruff format --check .
	lint-imports
	djlint --check --lint --quiet branding idp clients_admin tokens
	$(WITH_TEST_SETTINGS) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run --verbosity 0

types: .venv/development.stamp ## static types, strict in tokens/
	$(WITH_TEST_SETTINGS) -m mypy

bench: .venv/development.stamp ## measure requests, cost and size beside the stock toolkit; ARGS="--only growth" beside many tokens
	$(PYTHON) -m tests.bench $(ARGS)

bench-data: .venv/development.stamp ## keep a database of 10,000,000 living tokens for that; ARGS=--fresh loads it anew
	$(PYTHON) -m tests.bench.data $(ARGS)

docs: .venv/development.stamp ## write the generated pages of docs/
	@mkdir -p docs/operations
	$(PYTHON) manage.py settings_help > docs/operations/settings.txt
	$(PYTHON) -m idp.audit.document
	$(PYTHON) -m clients_admin.flags_document

screenshots: .venv/development.stamp ## take the pictures of docs/images/screens anew
	PICTURES=1 $(PYTHON) -m pytest -n $(WORKERS) $(shell grep -rlE "pictures import keep|import pictures" tests/browser)

languages: .venv/runtime.stamp ## compile branding/locale/*.po (needs Debian's gettext)
	cd branding && django-admin compilemessages --verbosity 0

format: .venv/development.stamp ## let ruff and djlint rewrite the code
	ruff check --fix .
	ruff format .
	djlint --reformat --quiet branding idp clients_admin tokens

requirements: .venv/development.stamp ## compile requirements*.in; ARGS=--upgrade takes newer releases
	$(UV) pip compile requirements.in -o requirements.txt $(COMPILE) $(ARGS)
	$(UV) pip compile requirements-dev.in -o requirements-dev.txt $(COMPILE) $(ARGS)

clean: ## remove the virtual environment and caches; var/ with its data stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

COMPILE := --quiet --universal --python-version $(PYTHON_VERSION) --generate-hashes \
	--no-emit-index-url --custom-compile-command "make requirements"

# Stamps are newer than what they were made from, so a second start does nothing here.

.venv/runtime.stamp: requirements.txt | .venv/bin/python
	@echo "Installing what the product runs on ..."
	@$(UV) pip install --quiet --compile-bytecode --python $(PYTHON) --require-hashes -r requirements.txt
	@touch $@

.venv/development.stamp: requirements-dev.txt .venv/runtime.stamp
	@echo "Installing what checks it ..."
	@$(UV) pip install --quiet --compile-bytecode --python $(PYTHON) --require-hashes -r requirements-dev.txt
	@touch $@

.venv/bin/python: | $(UV)
	@$(UV) venv --quiet --allow-existing --python $(PYTHON_VERSION) .venv || { \
	  echo "Python $(PYTHON_VERSION) is missing and could not be installed here: install it, then run make again." >&2; exit 1; }

$(UV_BOOTSTRAP):
	@command -v python3 >/dev/null || { \
	  echo "Python is missing: install Python $(PYTHON_VERSION) (or uv), then run make again." >&2; exit 1; }
	@echo "Fetching uv $(UV_VERSION) ..."
	@python3 -m venv .venv/bootstrap >/dev/null || { rm -rf .venv/bootstrap; \
	  echo "This Python cannot make virtual environments: install python3-venv (or uv), then run make again." >&2; exit 1; }
	@.venv/bootstrap/bin/python -m pip install -qq --disable-pip-version-check uv==$(UV_VERSION)
