# The doors to everything; `make help` lists them. Set-up is .ci/setup, which does only what is not done yet.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help lab env report test check format bench clean

# The case to work on: make lab CASE=path/to/case. Handed over in the environment, so that any character may stand in it.
CASE ?= data/www-files01
export CASE
python := .venv/bin/python

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

lab:  ## set up, then JupyterLab on the bundled case, or on another: make lab CASE=dir
	@.ci/setup
	@exec .venv/bin/nsm-nb lab "$$CASE"

env:  ## set up alone: .venv with everything in it
	@.ci/setup

report:  ## the report of a case, without a browser: make report CASE=dir
	@.ci/setup
	@.venv/bin/nsm-nb report "$$CASE"

test:  ## all tests, those in a real browser included
	@.ci/setup test
	@status=0; $(python) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder || status=$$?; cat .venv/missing; exit $$status

check:  ## format, lint, types
	@.ci/setup test
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy

format:  ## rewrite code and notebooks as they should stand in git
	@.ci/setup test
	$(python) -m ruff check --fix-only
	$(python) -m ruff format
	$(python) -m nsm_nb.lab notebooks/*.ipynb

bench:  ## measured speed, into build/
	@.ci/setup test
	$(python) -m benchmarks

clean:  ## remove what was made: .venv, caches, indexes; verdicts and reports stay
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis data/*/index
	find nsm_nb tests benchmarks notebooks -name __pycache__ -prune -exec rm -rf {} +
