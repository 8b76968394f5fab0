# make book | check | test | train | bench | lint | clean.  PYTHON=python3.12 picks the interpreter, SCALE=paper the runs.
PYTHON ?= python3
SCALE  ?= laptop
BIN    := .venv/bin
STAMP  := .venv/.complete

.DEFAULT_GOAL := help
.PHONY: help book check test train bench lint manifest clean

help:
	@echo "make book    execute changed chapters, build _build/html/index.html  (SCALE=$(SCALE))"
	@echo "make check   the same, and fail when a number leaves its interval in book/ledger.json"
	@echo "make test    all tests, the pages in headless Chromium included"
	@echo "make train   train the runs of a scale that are missing              (SCALE=$(SCALE))"
	@echo "make bench   time it against the published recipe, on idle cores"
	@echo "make lint    ruff"
	@echo "make manifest  write checkpoints/SHA256SUMS anew"
	@echo "make clean   remove what make made, except .venv"

# Built aside and stamped last: an interrupted install is done again, never half used.
$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("ghr needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# As modules: scripts of a .venv name the folder in which it was made, and do not start once the repository was moved.
book: $(STAMP)
	$(BIN)/python -m ghr book --scale $(SCALE)

check: $(STAMP)
	$(BIN)/python -m ghr book --scale $(SCALE) --check

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

train: $(STAMP)
	$(BIN)/python -m ghr train --scale $(SCALE)

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py

lint: $(STAMP)
	$(BIN)/python -m ruff check .

manifest:
	cd checkpoints && git ls-files -z '*.safetensors' | xargs -0 sha256sum > SHA256SUMS

clean:
	rm -rf _build build .pytest_cache .ruff_cache .hypothesis ghr.egg-info
