# The project's commands. Only `sh`, `make` and a Python 3.11 or newer are needed.
.DEFAULT_GOAL := help
.PHONY: help env demo test test-all check bench bench-servers bench-timing soak matrix audit lock docs clean

PORT ?= 8000
RUN = .venv/bin/python -m
ENV = python=$$(sh tools/find_python.sh) && "$$python" -m tools.environment
export PORT ARGS STAGES

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | awk -F '\t' '{printf "  make %-13s %s\n", $$1, $$2}'

env: ## make .venv from the lock, with all groups (the other commands install what they need)
	@$(ENV)

demo: ## serve the demo site on 127.0.0.1:$(PORT), in the foreground
	@$(ENV) demo
	@$(RUN) tools.demo

test: ## run the tests against the built wheels (STAGES="sqlite postgres", ARGS="-k words")
	@$(ENV) test
	@$(RUN) tools.test

test-all: ## run the slow stages too: faults, tenants, other packages, Django's own suites
	@$(ENV) test
	@$(RUN) tools.test --all

check: ## format, lint, types, layers, migrations, docs, sizes, metadata
	@$(ENV) check
	@$(RUN) tools.check

bench: ## measure the cost of a request, write benchmarks/out/*.json
	@$(ENV) bench
	@$(RUN) benchmarks $(ARGS)

bench-servers: ## measure whole servers under wrk, and storms of sign-ins
	@$(ENV) bench
	@$(RUN) benchmarks.servers $(ARGS)

bench-timing: ## measure whether the time of a refused sign-in tells why (ARGS="--tries 2000")
	@$(ENV) bench
	@$(RUN) benchmarks.timing $(ARGS)

soak: ## run a site under load and faults, a model beside it (ARGS="--seconds 60 --store valkey")
	@$(ENV) bench
	@$(RUN) benchmarks.soak $(ARGS)

matrix: ## run the tests on every Python and Django that is supported and installed
	@$(ENV) check
	@$(RUN) tools.tally -- .venv/bin/nox

audit: ## look the locked packages up in PyPI's list of known holes (needs the network)
	@$(ENV) check
	@mkdir -p .cache/audit
	@.venv/bin/uv export --quiet --frozen --all-groups --no-emit-workspace --format pylock.toml --output-file .cache/audit/pylock.toml >/dev/null
	@.venv/bin/uv tool run pip-audit --strict --locked .cache/audit $(ARGS)

lock: ## renew uv.lock
	@$(ENV) check
	@.venv/bin/uv lock --upgrade

docs: ## write the pages that are made from the code, and build the documentation into site/
	@$(ENV) docs check
	@for page in architecture sequences reference openapi requirements settings_reference recipes home; do $(RUN) tests.pages.$$page; done
	@$(RUN) tests.callers.postman
	@.venv/bin/zensical build --strict

clean: ## remove what the other commands made
	rm -rf .venv .cache .nox site dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
