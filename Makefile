# `make` alone lists the targets. Everything installs into .venv. `make run` needs Python >= 3.11 and make; whatever has to
# do with a cluster (kube, check, all tests) also Go, which builds its programs once.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
FAULTS := tests/faults/test_reliability.py tests/faults/test_reliability_postgres.py
PROCESSES ?= 4
UNIT_PROCESSES ?= 3
UNIT := not (cluster or postgres or browser or root or download or process or slow or long)
T ?=
IMAGE ?=

.PHONY: long help install run kube image unit coverage test faults reliability proof e2e check fmt docs docs-fields crds schema screenshots tasks version manifests bench bench-operator clean lock

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "trackpush needs Python 3.11 or newer, found " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --quiet -c constraints.txt --group dev -e .
	@touch $@

install: $(READY) ## install the program and the development tools into .venv, as every other target does

run: $(READY) ## the main job: three clients, all aggregators, a live table (ARGS=--once ends by itself)
	$(BIN)/trackpush demo $(ARGS)

kube: $(READY) ## build the programs of the test cluster (etcd, API server, kubectl, helm) into the cache, once
	@command -v go >/dev/null || { echo "the test cluster is built from Go modules: install Go 1.26 or newer, and put it on the PATH" >&2; exit 1; }
	$(BIN)/python tests/kube/rig/build.py kubebox helm >/dev/null

image: $(READY) ## build the image that the chart pulls into dist/trackpush-image.tar, without a container engine (IMAGE=name:tag for another name)
	$(BIN)/python images/build.py dist/trackpush-image.tar $(IMAGE)

# Where this is set, each process would compile the assertions of all tests in each run, for ten seconds.
unit: export PYTHONDONTWRITEBYTECODE :=
# `make test` tries five times as many examples of each property.
unit: export TRACKPUSH_EXAMPLES ?= 0.2
# Hundreds of tests create a journal and sync it: in memory, if there is enough, they do not wait for the disk.
unit: export TMPDIR := $(shell [ "$$(df --output=avail /dev/shm 2>/dev/null | tail -n 1)" -gt 1000000 ] 2>/dev/null && echo /dev/shm || echo "$${TMPDIR:-/tmp}")
unit: $(READY) ## the tests that need nothing but Python: two and a half minutes of CPU time (T=tests/pusher for some, in seconds; UNIT_PROCESSES=3 share them; ARGS="-k name")
	$(BIN)/python -m pytest $(or $(T),--ignore=tests/node) $(if $(findstring .py,$(T)),,-n $(UNIT_PROCESSES) --dist worksteal) -o tmp_path_retention_policy=failed -m "$(UNIT)" $(ARGS)

test: $(READY) kube ## all tests but the long ones (ARGS="-k name" for some; PROCESSES=4 share them)
	PYTHONPATH=tests $(BIN)/python tests/support/collector.py
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --durations=10 --ignore=tests/node \
		-m "not long" $(ARGS)

coverage: $(READY) kube ## make test, and the lines that no test has run (make unit ARGS=--cov for the unit tests alone)
	PYTHONPATH=tests $(BIN)/python tests/support/collector.py
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --ignore=tests/node -m "not long" --cov $(ARGS)

long: $(READY) kube ## the tests that take a minute each, and a million fuzzed bodies for each aggregator (TRACKPUSH_FUZZ=100000 fewer)
	$(BIN)/python -m pytest --durations=10 --timeout=600 -m long --ignore=tests/node $(addprefix --ignore=,$(FAULTS))

faults: $(READY) kube ## all fault tests, the long ones too (needs root)
	$(BIN)/python -m pytest --durations=20 --timeout=600 $(FAULTS)

reliability: $(READY) kube ## the same, the burst for a minute and a hundred kills; writes what was seen into docs/reliability.md
	TRACKPUSH_RELIABILITY=1 TRACKPUSH_BURST_SECONDS=60 TRACKPUSH_KILLS=100 $(BIN)/python -m pytest --durations=20 --timeout=600 $(FAULTS)

proof: $(READY) ## ten thousand power failures of the journal and of the spool, and each call of SQLite that can fail
	TRACKPUSH_POWER_FAILURES=10000 TRACKPUSH_FAULT_STEP=1 $(BIN)/python -m pytest --durations=10 --timeout=3600 tests/power -k "many or folder"

e2e: $(READY) kube ## the operator and the chart on a real node in a network namespace (needs root); prints figures
	$(BIN)/python tests/kube/rig/build.py coredns traefik >/dev/null
	$(BIN)/python -m pytest -s --durations=10 --timeout=600 tests/node

check: $(READY) kube ## format, lint, types, import contracts, generated files up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=benchmarks $(BIN)/mypy benchmarks
	$(BIN)/lint-imports
	$(BIN)/python site_tools/words.py
	$(BIN)/python site_tools/names.py
	$(BIN)/trackpush crds --check crds
	$(BIN)/trackpush schema --check docs/schemas
	$(BIN)/trackpush aggregators test
	$(BIN)/python manifests/render.py --check manifests/install.yaml
	$(BIN)/python site_tools/fields.py --check
	$(BIN)/python site_tools/snippets.py --check
	$(BIN)/python site_tools/catalog_pages.py --check
	$(BIN)/python site_tools/version.py --check
	$(MKDOCS) --site-dir .cache/site

docs: $(READY) ## build the site from docs/ into dist/site, offline; a broken link fails
	$(MKDOCS) --site-dir dist/site

docs-fields: $(READY) ## generate the tables of fields and codes in docs/kinds and docs/aggregators
	$(BIN)/python site_tools/fields.py
	$(BIN)/python site_tools/snippets.py
	$(BIN)/python site_tools/catalog_pages.py

version: $(READY) ## write pyproject's version wherever it is named; V=0.2.0 begins a release: RELEASING.md
	$(BIN)/python site_tools/version.py $(V)

fmt: $(READY) ## format and fix what can be fixed
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

crds: $(READY) ## generate crds/*.yaml from the models
	$(BIN)/trackpush crds crds

schema: $(READY) ## generate docs/schemas/*.json: the notification, and the admin API's description
	$(BIN)/trackpush schema docs/schemas

screenshots: $(READY) ## take the screenshots of the console in docs/images
	TRACKPUSH_SCREENSHOTS=$(CURDIR)/docs/images $(BIN)/python -m pytest -q tests/browser/test_screenshots.py

tasks: $(READY) ## do the fifteen tasks of docs/console.md in a browser, and write steps and seconds into its table
	TRACKPUSH_TASKS=1 $(BIN)/python -m pytest -q tests/browser/test_fifteen_tasks.py

manifests: $(READY) kube ## render manifests/install.yaml from the chart, with the kinds in it
	rm -f helm/trackpush/files/crds/*.yaml && cp crds/*.yaml helm/trackpush/files/crds/
	$(BIN)/python manifests/render.py manifests/install.yaml

bench: $(READY) ## all benchmarks, side by side in one run, as ratios (ARGS=--quick only shows that it runs)
	$(BIN)/python benchmarks/run.py $(ARGS)

bench-operator: $(READY) kube ## the operator with 5,000 clients on a real API server, as ratios (ARGS="--clients 500" fewer)
	$(BIN)/python benchmarks/scale.py $(ARGS)

lock: ## pin the newest versions that pyproject.toml allows into constraints.txt
	rm -rf .cache/lock && $(PYTHON) -m venv .cache/lock
	.cache/lock/bin/python -m pip install --quiet --upgrade pip
	.cache/lock/bin/python -m pip install --quiet --group dev -e .
	.cache/lock/bin/python -m pip freeze --all --exclude-editable | grep -v '^setuptools==' > constraints.txt

clean: ## remove what the targets made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .trackpush
