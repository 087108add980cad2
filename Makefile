# make serve: run muster here, on SQLite.  make check: test while you work.  make test: prove it all.
# Each sets up everything that it needs first.
.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RUN := .venv/.installed-run
ALL := .venv/.installed
# Compiled code is kept: without it each server, command and worker of a test compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*##/:/'

# A stamp is newer than the files that it depends on, so a second run needs no network. `make serve` needs the first stamp only:
# the runtime and the build backend, without browsers and test tools. The locks are complete, so nothing is resolved (--no-deps):
# an older pip takes `pydantic[email]` for another requirement than the pinned pydantic, and looks for a newer one.
$(RUN): requirements/run.lock requirements/build.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "muster needs Python 3.11 or later on the PATH" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes --no-deps -r requirements/run.lock -r requirements/build.lock
	$(PIP) --no-build-isolation --no-deps --editable .
	@touch $(RUN)

$(ALL): $(RUN) requirements/dev.lock tests/clients/npm/package-lock.json
	$(PIP) --require-hashes --no-deps -r requirements/dev.lock
	$(BIN)/npm ci --silent --no-audit --no-fund --ignore-scripts --prefer-offline --cache .venv/npm --prefix tests/clients/npm
	@touch $(ALL)

install: $(ALL) ## make .venv with everything in it: the runtime, the tests' tools and clients

serve: $(RUN) ## run the service on ./muster.db; installs the runtime only
	$(BIN)/muster serve --first-key

check: install ## lint, types, import layers and the fast tests: about a minute on two cores
	@$(MAKE) --no-print-directory --jobs 2 lint fast

# The fast tests start no process and need no PostgreSQL. The ignored files have none of them, and slow imports.
# Properties get 25 new examples here, and the same hundred each time in make test. Forks share what one
# process has imported and collected; workers of xdist would do it again. Tests wait at times, so four.
fast: install
	$(BIN)/python -m pytest -q -p tests.support.forks --forks 4 -p no:schemathesis --hypothesis-profile check -m "not outside and not postgres and not slow" \
		--ignore tests/cli --ignore tests/clients --ignore tests/outside --ignore tests/console/test_browser.py

# The order of tests is random. The end of the output shows its seed; --randomly-seed=NUMBER repeats it.
test: install ## run every test, or those of one marker: make test ONLY=http
	$(BIN)/python -m pytest -n auto --dist loadgroup $(if $(ONLY),-m "$(ONLY)")

explore: install ## try a thousand new examples of each property of the fast tests
	$(BIN)/python -m pytest -q -n 2 -p no:schemathesis --hypothesis-profile explore -m "not outside and not postgres and not slow" \
		--ignore tests/cli --ignore tests/clients --ignore tests/outside --ignore tests/console/test_browser.py

# A killed process (torture, kill -9) leaves no data. Measuring doubles the time of the tests, so make test does not.
coverage: install ## measure the lines and branches that the tests run; ONLY as for test
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n auto --dist loadgroup $(if $(ONLY),-m "$(ONLY)")
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/python -m tests.support.coverage_figures $(if $(ONLY),,--at-least 95)

screenshots: install ## take the pictures of the console and of the tutorials in docs/images
	$(BIN)/python -m tests.console.screenshots
	$(BIN)/python -m tests.tutorials.pictures

reference: install ## write the pages of docs/reference that are generated from the code
	$(BIN)/python -m tools.reference

lint: install ## ruff, mypy --strict, import layers, zizmor
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file bench/mypy.ini
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet --persona=pedantic .github

format: install ## reformat and fix with ruff
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install ## measure a suite in some minutes: make bench SUITE=reads MINUTES=5; all without (needs wrk, and npm for SCIMMY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/bench.lock
	$(BIN)/python -m bench $(SUITE) $(if $(MINUTES),--minutes $(MINUTES))

conformance: install ## run the conformance suites on both engines, about 10 minutes; SUITE=okta-spec runs one
	$(BIN)/python -m conformance $(if $(SUITE),--suite $(SUITE))

torture: install ## a hundred kill -9 of the server, and as many of PostgreSQL, under load
	TMPDIR=$${TMPDIR:-/var/tmp} MUSTER_TEST_ROUNDS=100 $(BIN)/python -m pytest -s --timeout 3600 -k kill_9

soak: install ## a million refused requests and half an hour of mixed load; fails if memory or latency grows
	$(BIN)/python -m bench.soak

lock: ## resolve the dependencies again (needs uv on the PATH)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		--group dev pyproject.toml -o requirements/dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		--constraint requirements/dev.lock --group bench -o requirements/bench.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		--constraint requirements/dev.lock --extra otel pyproject.toml -o requirements/run.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		--constraint requirements/dev.lock --group build -o requirements/build.lock

docs: install ## build the documentation in .build/site, strictly, and pack it for the service
	$(BIN)/python -m tools.guide

docs-serve: install ## show the documentation at http://127.0.0.1:8300 while you write
	$(BIN)/python -m zensical serve

# The same commit gives the same bytes: tests/project/test_wheel.py builds twice.
build: docs ## build the wheel in dist/, with the documentation in it, and its bill of materials
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/python -m tools.supply_chain materials dist

audit: install ## known vulnerabilities and licences of the locked packages; needs the network
	$(BIN)/python -m tools.supply_chain audit requirements/*.lock

clean: ## remove everything that the targets above created
	rm -rf .venv .build .cache src/muster/http/guide/site .coverage* tests/clients/npm/node_modules dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: docs docs-serve explore screenshots reference help install serve check fast test coverage lint format bench conformance torture soak lock build audit clean
