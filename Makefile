# Everything a fresh machine needs is Python 3.11, make and a package registry; Node comes from a wheel where absent.
# `make run` sets up, builds the page and serves; `make test` sets up and passes all tests.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PAGE := front_end/dist/index.html
PAGE_SOURCES := $(shell find front_end -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.PHONY: run test test-python test-page lint format bench page clean

run: $(VENV)/.installed $(PAGE)
	$(BIN)/python ultimate.py $(ARGS)

test: test-page test-python

test-python: $(VENV)/.installed-dev $(PAGE) chromium
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

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(PIP) -r requirements-dev.txt
	touch $@

front_end/node_modules/.installed: front_end/package-lock.json | $(VENV)/bin/python
	cd front_end && ./with_node.sh npm ci --no-fund --no-audit
	touch $@

$(PAGE): front_end/node_modules/.installed $(PAGE_SOURCES)
	cd front_end && ./with_node.sh npm run build
	touch $@

# The browser test drives the system's Chromium; the font lets screenshots show Chinese.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  run="$$(command -v sudo >/dev/null && [ "$$(id -u)" != 0 ] && echo sudo || true)"; \
	  $$run apt-get update -qq && $$run apt-get install -y -qq --no-install-recommends chromium fonts-wqy-microhei; }

clean:
	rm -rf front_end/dist front_end/node_modules .pytest_cache .mypy_cache .ruff_cache
