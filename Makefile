# Every target does its own set-up: see scripts/setup.sh.

.DEFAULT_GOAL := help
.PHONY: help demo test faults check bench size clean

BIN := .venv/bin
# Processes that share the tests: two are what two cores were measured with.
WORKERS ?= 2
PYTEST_ARGS ?=
FAULTS_ARGS ?=

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /make \1 \t/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## train, build, deploy to an emulated Raspberry Pi, bench, report
	@scripts/setup.sh demo
	$(BIN)/edgeq demo

test: ## run all tests
	@scripts/setup.sh test
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -rfEs $(PYTEST_ARGS)

faults: ## inject every fault at the full count and print the table
	@scripts/setup.sh test
	$(BIN)/python tests/faults/fault_table.py $(FAULTS_ARGS)

check: ## lint, formatting and types
	@scripts/setup.sh check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: ## measure against the named peers; fails where a bar is missed
	@scripts/setup.sh test
	@for script in benchmarks/*.py; do \
		echo "== $$script"; $(BIN)/python "$$script" || failed="$$failed $$script"; \
	done; test -z "$$failed" || { echo "missed the bar:$$failed"; exit 1; }

size: ## measure the firmware and keep the sizes that edgeq check uses
	@scripts/setup.sh check
	@for target in mps2-an386 mps2-an500 mps2-an505 mps3-an547 riscv32; do \
		$(BIN)/edgeq firmware size --target $$target || exit 1; \
	done

clean: ## remove what these targets made in this folder
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
