# `make serve` and `make test` need nothing but Python 3.11 and this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SCANNER := $(VENV)/scanner# for a test; it needs an older cryptography than we do, and may be missing
SOURCES := config worker plugins master
COREFILE ?= config/examples/Corefile

.PHONY: serve test soak check bench clean

serve: $(INSTALLED)
	exec $(BIN)/shardns -conf $(COREFILE)

# Several at a time of those that do not mind, the long ones first; then, each by itself, the tests that measure.
test: $(INSTALLED)
	$(BIN)/pytest -q -n 4 --dist load --maxschedchunk 1 -m "not alone and not brief and not soak"; status=$$?; \
	  $(BIN)/pytest -q -m "alone and not brief and not soak" && exit $$status

# What takes more patience than a change has: ten minutes of failing upstreams, a million names, the other conform runs.
soak: $(INSTALLED)
	$(BIN)/pytest -q -m soak

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p shardns
	$(BIN)/mypy tests

bench: $(INSTALLED)
	$(BIN)/python -m tests.bench $(ARGS)

# Installs once; again when the dependencies change. Compiles what pip compiles where an installation is not editable:
# a start would do it again and again where it may not write (0.4 s).
$(INSTALLED): pyproject.toml setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	-test -x $(SCANNER)/bin/sslyze || ($(PYTHON) -m venv $(SCANNER) && \
	  $(SCANNER)/bin/python -m pip install --quiet --disable-pip-version-check sslyze)
	$(BIN)/python -m compileall -q $(SOURCES)
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
