# Two commands on a fresh machine with git, make and Python (3.11 to 3.13, with venv):
#   make run     install from the lock, open the console on the demo mission
#   make test    install from the lock, run every check

UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
UV := VIRTUAL_ENV=$(CURDIR)/$(VENV) UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 $(BIN)/uv

# uv does not read what a machine sets for pip; pass it on, so that one setting serves both.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
ifdef PIP_EXTRA_INDEX_URL
export UV_INDEX ?= $(PIP_EXTRA_INDEX_URL)
endif
ifdef PIP_NO_INDEX
export UV_NO_INDEX ?= $(PIP_NO_INDEX)
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif
ifdef PIP_CERT
export SSL_CERT_FILE ?= $(PIP_CERT)
endif

# Ask for one interpreter with `make PYTHON=python3.12 run`; otherwise the first that is not too old or too new.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)

.PHONY: run test check lint types imports pytest bench campaign lock lock-check demo-cast screenshots clean

run: $(INSTALLED)
	@$(BIN)/cubesat-tui

test: $(INSTALLED) check

check: lint types imports pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/basedpyright

imports: $(INSTALLED)
	$(BIN)/lint-imports

# One worker a core, four at most. First the tests that watch real terminals: they mostly wait, and what they time must
# not have to share the cores with the others; the newcomer's first minute, timed from start to model, with nobody. One
# that failed beside others is asked once more, alone: what the neighbours did to it passes then, what is broken does
# not, and both are printed. `make WORKERS=0 pytest` runs one test after the other, as plain `pytest`.
WORKERS ?= auto
TERMINALS := tests/e2e --ignore=tests/e2e/test_first_minute.py

pytest: $(INSTALLED)
	$(BIN)/python -m pytest tests/e2e/test_first_minute.py
	($(BIN)/python -m pytest $(TERMINALS) -n $(WORKERS) --maxprocesses 4 --dist worksteal || $(BIN)/python -m pytest $(TERMINALS) --last-failed --last-failed-no-failures none)
	$(BIN)/python -m pytest --ignore=tests/e2e -n $(WORKERS) --maxprocesses 4 --dist worksteal

# Every budget, each beside its peer in the same run; exit 1 on a miss that bench/waivers.toml does not name.
bench: $(INSTALLED)
	$(BIN)/python -m bench

# The long tests: many seeds, many kills, the first minute in real time.
campaign: $(INSTALLED)
	CUBESAT_TUI_CAMPAIGN=1 $(BIN)/python -m pytest --timeout=900

# A real run of the console in a terminal, recorded: docs/demo.cast and docs/demo.gif.
demo-cast: $(INSTALLED)
	$(BIN)/python docs/demo_cast.py

# Every screen of a real run, at both sizes: docs/screenshots/.
screenshots: $(INSTALLED)
	$(BIN)/python docs/screenshots.py

lock: $(BIN)/uv
	$(UV) pip compile --universal --python-version 3.11 --generate-hashes --group dev pyproject.toml \
		-o requirements.lock --no-header --no-annotate --no-emit-index-url --quiet

# The lock resolves for the newest Python too: exactly its own pins, nothing else.
lock-check: $(BIN)/uv
	$(UV) pip compile --python-version 3.13 --group dev pyproject.toml --constraint requirements.lock \
		--only-binary :all: --no-header --no-annotate --quiet > /dev/null
	@echo "requirements.lock resolves for Python 3.13"

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11, 3.12 or 3.13 found; name one: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "make: $(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }

$(BIN)/uv: | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# Bytecode is made here, once: without it the first trainer spends six more CPU seconds before its first fit.
$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/uv
	$(UV) pip sync --quiet --compile-bytecode requirements.lock
	$(UV) pip install --quiet --no-deps -e .
	@$(BIN)/python -m compileall -q telemetry sim trainer exports cubesat_tui
	@touch $@
