# Everything here needs only make, a POSIX shell and Python 3.11 or newer.
# A target with a help text (after two hashes) is listed by `make help`.

PYTHON ?= python3
UV ?= uv
ARGS ?=

SHELL = /bin/sh
VENV = .venv
PY = $(VENV)/bin/python
# The lock is whole: with --no-deps pip takes it as it is. Asked to look for itself, it finds that a newer
# coverage came out, wants that for coverage[toml], and refuses it for want of a hash.
PIP_INSTALL = $(PY) -m pip install -qq --disable-pip-version-check --no-input --no-deps --require-hashes
SOURCES = service relay migrations tests ops

.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help run setup test check fmt bench chaos fuzz schema lock audit sbom clean

help:  ## list these targets
	@echo 'Everyclick: short links that never lose a click, on nothing but Postgres.'
	@echo
	@while IFS= read -r line; do case "$$line" in \
	    [a-z]*:*'## '*) printf '  make %-8s %s\n' "$${line%%:*}" "$${line##*## }" ;; \
	esac; done < Makefile
	@echo
	@echo 'PYTHON=python3.12 chooses the Python, ARGS="..." is handed on to the command behind a target.'

# `exec` leaves no shell between make and Python: a Ctrl-C in the terminal reaches Python once, and make waits
# for it. Python then stops everything and exits 0, so make has nothing to complain about.
run: $(VENV)/.runtime  ## install, bring up Postgres, start service and relay; Ctrl-C stops all of it
	@exec $(PY) -m ops.run $(ARGS)

setup: $(VENV)/.dev  ## install everything into .venv, run nothing

test: $(VENV)/.dev  ## run the whole suite; ARGS="-k redirect" for a part of it
	@$(PY) -m pytest $(ARGS)

check: $(VENV)/.dev  ## lint, format, types, import rules
	@$(PY) -m ruff check $(SOURCES)
	@$(PY) -m ruff format --check $(SOURCES)
	@$(PY) -m mypy $(SOURCES)
	@$(VENV)/bin/lint-imports --no-logo

fmt: $(VENV)/.dev  ## format the code and apply the safe fixes
	@$(PY) -m ruff check --fix-only $(SOURCES)
	@$(PY) -m ruff format $(SOURCES)

bench: $(VENV)/.dev  ## measure redirects and relay on this machine
	@if [ ! -f ops/bench.py ] && [ ! -d ops/bench ]; then echo 'make bench: ops/bench is not there yet' >&2; exit 2; fi
	@exec $(PY) -m ops.bench $(ARGS)

chaos: $(VENV)/.dev  ## break things under load, then count every click; FULL=1 for all of it, an hour
	@exec $(PY) -m ops.chaos $(if $(FULL),--full) $(ARGS)

fuzz: $(VENV)/.dev  ## send 100,000 requests that nobody should; ARGS="--cases 1000 --seed 7"
	@exec $(PY) -m ops.fuzz $(ARGS)

schema: $(VENV)/.dev  ## write migrations/schema.sql anew from the migrations
	@exec $(PY) -m ops.schema $(ARGS)

# Universal (every platform, Python 3.11 and newer), every file's hash, no index named. What is pinned stays
# pinned; ARGS=--upgrade moves all of it, ARGS="--upgrade-package aiohttp" one.
LOCK = $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command 'make lock'
lock:  ## pin the dependencies anew (needs uv); ARGS=--upgrade for newer ones
	@command -v $(UV) >/dev/null || { \
	    echo 'make lock needs uv: pip install uv, or UV=/path/to/uv' >&2; exit 2; }
	@$(LOCK) $(ARGS) -o ops/lock/runtime.txt
	@$(LOCK) $(ARGS) --group dev -c ops/lock/runtime.txt -o ops/lock/dev.txt

audit: $(VENV)/.dev  ## look the locked packages up among known vulnerabilities (asks the package index)
	@$(VENV)/bin/pip-audit --requirement ops/lock/runtime.txt --require-hashes --disable-pip --strict $(ARGS)

sbom: $(VENV)/.dev  ## print the bill of materials of the locked packages, CycloneDX in JSON
	@$(PY) -m ops.sbom

clean:  ## remove .venv, caches and build output; data in .everyclick stays
	@rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find $(SOURCES) -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# The virtual environment. Stamp files say what is in it, so that a second run installs nothing.
$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { \
	    echo 'Everyclick needs Python 3.11 or newer, and there is no $(PYTHON) here. Name one: make PYTHON=/path/to/python3' >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Everyclick needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -c 'import platform; print(platform.python_version())')." >&2; \
	    for newer in python3.14 python3.13 python3.12 python3.11; do \
	        if $$newer -c '' 2>/dev/null; then echo "Try: make $(MAKECMDGOALS) PYTHON=$$newer" >&2; break; fi; done; exit 2; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo '$(PYTHON) could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv' >&2; exit 2; }
	@touch $@

$(VENV)/.runtime: ops/lock/runtime.txt | $(VENV)/.made
	@echo 'installing into $(VENV) …'
	@$(PIP_INSTALL) -r ops/lock/runtime.txt
	@touch $@

# dev.txt holds all of runtime.txt, at the same versions.
$(VENV)/.dev: ops/lock/dev.txt | $(VENV)/.made
	@echo 'installing into $(VENV), with the development tools …'
	@$(PIP_INSTALL) -r ops/lock/dev.txt
	@touch $(VENV)/.runtime $@
