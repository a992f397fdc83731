# Everything a fresh machine needs is Python 3.11, make and a package registry; Node comes from a wheel where absent.
# `make run` sets up, builds the page and serves; `make test` sets up and passes all tests.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PAGE := front_end/dist/index.html
PAGE_SOURCES := $(shell find front_end -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.PHONY: run test test-tools test-python test-page lint format bench page clean chromium servers

run: $(VENV)/.installed $(PAGE)
	$(BIN)/python ultimate.py $(ARGS)

# Packages for Python are unpacked on one core while the page is built and tested on another.
test:
	$(MAKE) -j2 test-page test-tools
	$(MAKE) test-python

test-tools: $(VENV)/.installed-dev chromium servers

test-python: $(PAGE) test-tools
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

test-page: $(PAGE)
	cd front_end && ./with_node.sh npm test

lint: $(VENV)/.installed-dev front_end/node_modules/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd front_end && ./with_node.sh npm run lint

format: $(VENV)/.installed-dev front_end/node_modules/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd front_end && ./with_node.sh npm run format

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks $(ARGS)

page: $(PAGE)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	$(PIP) -r requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements-cluster.txt $(VENV)/.installed
	$(PIP) -r requirements-dev.txt
	touch $@

front_end/node_modules/.installed: front_end/package-lock.json | $(VENV)/bin/python
	cd front_end && ./with_node.sh npm ci --no-fund --no-audit
	touch $@

$(PAGE): front_end/node_modules/.installed $(PAGE_SOURCES)
	cd front_end && ./with_node.sh npm run build
	touch $@

INSTALL = run="$$(command -v sudo >/dev/null && [ "$$(id -u)" != 0 ] && echo sudo || true)"; \
	  $$run apt-get update -qq && $$run apt-get install -y -qq --no-install-recommends

# The browser test drives the system's Chromium; the font lets screenshots show Chinese.
chromium:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  $(INSTALL) chromium fonts-wqy-microhei; }

# Tests of several processes run servers of their own; where these cannot be installed, they are skipped and say so.
servers: chromium  # not both at once: apt locks
	@{ command -v redis-server && { command -v initdb || ls /usr/lib/postgresql/*/bin/initdb; }; } >/dev/null 2>&1 || { \
	  $(INSTALL) redis-server postgresql || echo "Redis or PostgreSQL is missing; tests that need them are skipped."; }

clean:
	rm -rf front_end/dist front_end/node_modules .pytest_cache .mypy_cache .ruff_cache
