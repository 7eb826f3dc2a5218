# make        lists the targets
# make fuzz   sets everything up and runs a bounded campaign; ARGS="--minutes 30" for more
# make test   sets everything up and passes the tests
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
LOCK   := requirements.lock
PIP    := $(BIN)/python -m pip --disable-pip-version-check
UV     := UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1 $(BIN)/uv
ARGS   ?=

.PHONY: help upgrade check-newest check-lowest fuzz contestants fuzz-atheris nightly test check lint types format clean benchmark-rediscover
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

define venv
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "tarbiter needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Say which: make PYTHON=python3.12" >&2; exit 2; }; \
test -x $(1)/bin/python || $(PYTHON) -m venv $(1) || { rm -rf $(1); \
	echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }
endef

# One stamp for the whole installation: it is older than pyproject.toml or the lock exactly when that has changed.
# An interrupted installation leaves no stamp, so the next call does it again. Everything, the build backend too, is
# of the lock: the second step looks at no index, and so fails when the lock does not have what pyproject.toml asks for.
$(STAMP): pyproject.toml extractor/pyproject.toml $(LOCK)
	@$(call venv,$(VENV))
	$(PIP) install --quiet --only-binary :all: --require-hashes -r $(LOCK)
	@$(PIP) install --quiet --no-index --no-build-isolation -e ./extractor -e '.[dev]' || { \
		echo "If $(LOCK) does not have what pyproject.toml asks for, write it anew: make upgrade" >&2; exit 2; }
	@touch $@

# uv resolves for every Python and platform at once, and can take the lowest versions, which pip cannot. Only what
# maintains the lock needs it, so it is not in the lock.
define uv
$(call venv,$(VENV)); $(PIP) install --quiet --upgrade 'uv>=0.9'
endef

# The second command asks whether each Python gets a wheel of everything: building would fetch what is not locked.
upgrade: ## write requirements.lock anew: the newest that pyproject.toml allows (ARGS="-P click" for that one only)
	@$(uv)
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-package onetar --extra dev \
		--custom-compile-command "make upgrade" $(or $(ARGS),--upgrade) -o $(LOCK) pyproject.toml
	@set -e; for python in 3.11 3.12 3.13 3.14; do \
		$(UV) pip install --quiet --dry-run --target $(VENV)/dry-run --python $(BIN)/python --python-version $$python \
			--python-platform linux --only-binary :all: --require-hashes -r $(LOCK) || { \
			echo "Python $$python has no wheel of everything: narrow the range in pyproject.toml" >&2; exit 2; }; \
	done

# What a range promises, outside the lock: a fresh environment of its own, then the tests.
define check-of
@$(uv)
@rm -rf $(VENV)-$(1)
@$(call venv,$(VENV)-$(1))
$(UV) pip install --python $(VENV)-$(1)/bin/python --only-binary :all: --resolution $(2) -r pyproject.toml --extra dev
$(UV) pip install --quiet --python $(VENV)-$(1)/bin/python --no-deps --no-build-isolation -e ./extractor -e .
$(VENV)-$(1)/bin/python -m pytest -n auto --dist worksteal $(ARGS)
endef

check-newest: ## pass the tests with the newest version of everything
	$(call check-of,newest,highest)

check-lowest: ## pass the tests with the lowest versions that pyproject.toml allows
	$(call check-of,lowest,lowest-direct)

# Findings (exit code 1) are what a campaign is for: only a campaign that could not run is a failure here.
fuzz: $(STAMP) ## run a bounded campaign, then say what differs (ARGS="--minutes 30 --seed 7")
	@status=0; $(BIN)/tarbiter fuzz $(or $(ARGS),--minutes 2) || status=$$?; \
	test $$status -le 1 || exit $$status

fuzz-atheris: $(STAMP) ## fuzz two parsers under coverage (ARGS="--seconds 600")
	@status=0; $(BIN)/python -m benchmarks.fuzz_atheris $(ARGS) || status=$$?; \
	test $$status -le 1 || exit $$status

# make ends with 2 for every failure. A job that tells new findings (1) from a campaign that could not run (2) calls
# `tarbiter nightly` itself.
MINUTES ?= 240
nightly: $(STAMP) ## fuzz with a store, then report (MINUTES=240); fails on new findings too
	$(BIN)/tarbiter nightly --minutes $(MINUTES) $(ARGS)

contestants: $(STAMP) ## install the contestants of the first ring that are built (ARGS="all", ARGS="node-tar@6.2.0")
	$(BIN)/tarbiter contestants install $(or $(ARGS),default)

test: $(STAMP) ## pass the tests (ARGS="-k sandbox")
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: lint types test ## all that CI asks

lint: $(STAMP) ## formatter and linter, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP) ## strict types
	$(BIN)/mypy

format: $(STAMP) ## let the formatter and the linter fix what they can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Exit code 1 says that some bug was not found: that is a result.
benchmark-rediscover: $(STAMP) ## find the bugs that are history again; resumable (ARGS="--seeds 1 --minutes 2 --only tar-rs")
	@status=0; $(BIN)/python -m benchmarks.rediscover $(or $(ARGS),--install) || status=$$?; \
	test $$status -le 1 || exit $$status

clean: ## remove the virtual environment and what the tools left
	rm -rf $(VENV) $(VENV)-newest $(VENV)-lowest .hypothesis .mypy_cache .pytest_cache .ruff_cache dist
