# The project's commands. Only `sh`, `make` and a Python 3.11 or newer are needed.
.DEFAULT_GOAL := help
.PHONY: help env demo test check bench bench-servers bench-timing soak matrix audit lock docs clean

PORT ?= 8000
RUN = .venv/bin/python -m
export PORT ARGS STAGES

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | awk -F '\t' '{printf "  make %-13s %s\n", $$1, $$2}'

env: ## make .venv from the lock (the other commands do it when needed)
	@python=$$(sh tools/find_python.sh) && "$$python" -m tools.environment

demo: env ## serve the demo site on 127.0.0.1:$(PORT), in the foreground
	@$(RUN) tools.demo

test: env ## run the tests against the built wheel (STAGES="sqlite postgres", ARGS="-k words")
	@$(RUN) tools.test

check: env ## format, lint, types, layers, migrations, docs, sizes, metadata
	@$(RUN) tools.check

bench: env ## measure the cost of a request, write benchmarks/out/*.json
	@$(RUN) benchmarks $(ARGS)

bench-servers: env ## measure whole servers under wrk, and storms of sign-ins
	@$(RUN) benchmarks.servers $(ARGS)

bench-timing: env ## measure whether the time of a refused sign-in tells why (ARGS="--tries 2000")
	@$(RUN) benchmarks.timing $(ARGS)

soak: env ## run a site under load and faults, a model beside it (ARGS="--seconds 60 --store valkey")
	@$(RUN) benchmarks.soak $(ARGS)

matrix: env ## run the tests on every Python and Django that is supported and installed
	@$(RUN) tools.matrix

audit: env ## look the pinned dependencies up in PyPI's list of known holes (needs the network)
	@$(RUN) tools.audit $(ARGS)

lock: env ## renew the lock files in requirements/
	@$(RUN) tools.lock

docs: env ## build the documentation into site/, with the reference of the settings written anew
	@$(RUN) tools.settings_reference
	@.venv/bin/zensical build --strict

clean: ## remove what the other commands made
	rm -rf .venv .cache .nox site dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
