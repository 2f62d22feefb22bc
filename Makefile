# Every command sets up what it needs first; CI calls the same ones. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := bash
RUN := .venv/bin/python
# pyenv refuses to run `python3` at all where it has no 3.13; any Python from 3.11 will do for setting up.
BOOTSTRAP := $(shell python3 -c "" 2>/dev/null || echo PYENV_VERSION=system) python3 sandbox/bootstrap.py
# What the caller's shell says about the product or its tools must not reach it. What fetches from the registries goes without.
CLEAN := env -i PATH="$$PATH" HOME="$$HOME" LANG="$${LANG:-C.UTF-8}" $(if $(CI),CI="$(CI)")
# One process of tests keeps one core busy, where it starts no others: two at a time.
BOTH_CORES := -n 2 --dist worksteal
# These start processes, and measure how long they take.
BY_THE_CLOCK := tests/contract/test_functions_host.py
# Stories that share no stack with others.
APART := $(addprefix tests/e2e/test_,bench.py demo.py doctor.py live_tier.py)

.PHONY: help setup demo up test check format lint types architecture coverage unit contract e2e attacks mutants bench chaos lock clean \
	modules by-the-clock side-by-side stories apart package check-infra servicenow live live-clean openapi

help: ## this list
	@grep -hE '^[a-z0-9 -]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

setup: ## makes .venv/ and node_modules/; a second run is quick
	@$(BOOTSTRAP)

demo: setup ## the main job, visibly, from ticket to proof; exits 0 only if it happened
	@$(CLEAN) $(RUN) -m sandbox.demo

up: setup ## the same stack, left running, with commands to paste
	@$(CLEAN) $(RUN) -m sandbox.up $(if $(PORT),--port "$(PORT)")

test: setup ## every test: modules, then what measures time, then attacks and stories side by side; a summary each
	@$(MAKE) --no-print-directory --keep-going modules by-the-clock side-by-side

modules: setup
	@$(CLEAN) $(RUN) -m pytest tests/unit tests/contract --ignore $(BY_THE_CLOCK) $(BOTH_CORES)

by-the-clock: setup
	@$(CLEAN) $(RUN) -m pytest $(BY_THE_CLOCK)

side-by-side: setup
	@echo "Attacks and stories, two runs at a time: each is shown when it is over, some minutes from now."
	@$(MAKE) --no-print-directory --keep-going --jobs 2 --output-sync=target stories attacks apart

stories: setup
	@$(CLEAN) $(RUN) -m pytest tests/e2e $(addprefix --ignore ,$(APART))

apart: setup
	@$(CLEAN) $(RUN) -m pytest $(APART)

unit contract: setup ## one tier of the tests
	@$(CLEAN) $(RUN) -m pytest tests/$@ $(BOTH_CORES)

e2e: setup ## the stories, told by processes
	@$(CLEAN) $(RUN) -m pytest tests/$@

attacks: setup ## every attack by its name, whether it held, and how many did
	@$(CLEAN) $(RUN) -m pytest tests/attacks --verbose --no-header -p no:cacheprovider

coverage: setup ## every branch of the pure modules is taken by the unit tier, its long search for crashes left out
	@$(CLEAN) $(RUN) -m pytest tests/unit --ignore tests/unit/test_crashes.py --ignore tests/unit/test_state_machine.py \
		$(BOTH_CORES) --quiet --cov --cov-report=term-missing:skip-covered

check: setup lint types architecture coverage test ## format, lint, types, architecture, every branch of the pure modules, every test

format: setup ## formats the code
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

lint: setup
	@.venv/bin/ruff format --check . && .venv/bin/ruff check .

types: setup
	@.venv/bin/mypy

architecture: setup
	@.venv/bin/lint-imports --no-cache

mutants: setup ## changes what decides, one change after another: fails when no test sees one and docs/mutants.md does not say why
	@rm -rf mutants && $(CLEAN) .venv/bin/mutmut run --max-children 2 && $(CLEAN) .venv/bin/mutmut export-cicd-stats
	@! $(CLEAN) .venv/bin/mutmut results | grep -oE 'shared[^:]+' | grep -vxFf <(grep -oE 'shared\.[^` ]+' docs/mutants.md)

bench: package ## the figures of one run, as ratios, the package's among them; OUT=file.json keeps them
	@$(CLEAN) $(RUN) -m sandbox.bench --package dist/*.zip $(if $(OUT),--out "$(OUT)")

chaos: setup ## N= requests while everything fails, decided by SEED= (RATE= of all calls); fails unless nothing is lost; OUT=file.json
	@$(CLEAN) $(RUN) -m sandbox.chaos $(if $(N),--requests "$(N)") $(if $(SEED),--seed "$(SEED)") $(if $(RATE),--rate "$(RATE)") \
		$(if $(OUT),--out "$(OUT)")

package: setup ## the deployment zip under dist/, with its bill of materials; the same bytes for the same commit
	@rm -rf dist && $(RUN) -m infra.package

check-infra: setup servicenow ## everything that is deployed, checked offline: Bicep, ServiceNow app, monitoring, workflow, scripts, package
	@$(RUN) -m pytest tests/infra tests/package

servicenow: setup ## the ServiceNow side: type check, unit tests, build
	@$(BOOTSTRAP) --servicenow

openapi: setup ## docs/openapi.json anew, after a change to the HTTP routes
	@$(RUN) -m shared.cli.openapi > docs/openapi.json

live: setup ## tries a TEST tenant, named by LIVE_ settings (docs/live.md); OUT=file.json keeps the table
	@$(RUN) -m pytest tests/live $(if $(OUT),--out "$(OUT)")

live-clean: setup ## deletes the test users that a killed live run has left
	@$(RUN) -m pytest tests/live --clean

lock: setup ## compiles requirements.txt and requirements-dev.txt anew from pyproject.toml
	@$(BOOTSTRAP) --lock

clean: ## removes what was made here
	@rm -rf .venv node_modules .tools dist infra/servicenow/node_modules
