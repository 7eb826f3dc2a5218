# make        lists the targets
# make fuzz   sets everything up and runs a bounded campaign; ARGS="--minutes 30" for more
# make test   sets everything up and passes the tests
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=

.PHONY: help fuzz fuzz-atheris nightly nightly-run test check lint types format clean benchmark-rediscover contestants
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# One stamp for the whole installation: it is older than pyproject.toml exactly when that has changed.
# An interrupted installation leaves no stamp, so the next call does it again.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "tarbiter needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Say which: make PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

# Findings (exit code 1) are what a campaign is for: only a campaign that could not run is a failure here.
fuzz: $(STAMP) ## run a bounded campaign, then say what differs (ARGS="--minutes 30 --seed 7")
	@status=0; $(BIN)/tarbiter fuzz $(or $(ARGS),--minutes 2) || status=$$?; \
	test $$status -le 1 || exit $$status

.PHONY: 

test: $(STAMP) ## pass the tests (ARGS="-k sandbox")
	$(BIN)/python -m pytest -n auto $(ARGS)

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
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache dist
