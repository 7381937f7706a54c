# make test, make demo: each does all the set-up it needs on a fresh machine; the second call starts at once.
# Choose an interpreter (3.11 or newer) with: make test PYTHON=/path/to/python3.12

.DELETE_ON_ERROR:
.PHONY: help setup test demo parity lint bench gpu-check gpu-check-build gpu-check-tests gpu-check-bench \
	gpu-check-peers clean

# The first that runs and is new enough; a version manager's placeholder that only prints an error is passed over.
is_new_enough = $(1) -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	if $(call is_new_enough,$$p); then echo $$p; break; fi; done)
VENV ?= .venv
EXTRAS := tracking,video,data,lmdb,board,test
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NATIVE_SOURCES := $(shell find kernels -name '*.cc' -o -name '*.h' -o -name '*.cu')

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(STAMP) ## a virtual environment with the package and its native kernels

$(STAMP): pyproject.toml setup.py $(NATIVE_SOURCES)
	@$(call is_new_enough,$(PYTHON)) || { echo "make: Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]'
	touch $@

# Most of a test's time goes into compiling, on one core: several files are tested at a time.
PYTEST = $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test: $(STAMP) ## the whole test suite
	$(PYTEST) $(TESTS)

demo: $(STAMP) ## photo -> avatar -> reenactment at three levels, written to demo/
	$(BIN)/omg demo --output demo

# Comparisons that need torch are made once, in an environment of their own; the tests read the .npz files they leave.
parity: $(STAMP) ## remake the reference values of tests/parity (installs torch for the CPU)
	test -x $(VENV)-parity/bin/python || $(PYTHON) -m venv $(VENV)-parity
	$(VENV)-parity/bin/python -m pip install --quiet --disable-pip-version-check -r tests/parity/requirements.txt
	for script in tests/parity/make_*.py; do echo "$$script"; $(VENV)-parity/bin/python "$$script" || exit 1; done
	$(BIN)/python -m pytest tests/parity

lint: $(STAMP) ## ruff
	$(BIN)/ruff check .

bench: $(STAMP) ## rasterizer timings on this machine
	$(BIN)/omg bench rasterizer

# Run from the tree with the machine's own Python, so that they work on GPU images without an environment of ours.
GPU_CHECK = PYTHONPATH=$(CURDIR):$(PYTHONPATH) $(PYTHON) experiments/gpu_check.py

gpu-check: ## on this machine's GPU: the four parts below, each some minutes
	@status=0; for part in build tests bench peers; do \
		$(MAKE) --no-print-directory gpu-check-$$part || status=1; done; exit $$status

gpu-check-build: ## native kernels, in place
	@$(GPU_CHECK) build

gpu-check-tests: ## tests/gpu, and compute-sanitizer on a small case
	@$(GPU_CHECK) tests

gpu-check-bench: ## rasterizer timings, and the avatar's frames per second
	@$(GPU_CHECK) bench

# splax refuses to run without SCIPY_ARRAY_API.
gpu-check-peers: ## the rasterizer beside gsplat and splax, where they are installed
	@SCIPY_ARRAY_API=1 $(GPU_CHECK) peers

clean: ## what these commands and .ci/run made, downloads excepted
	rm -rf $(VENV) $(VENV)-parity .venv-ci-3.12 build dist demo omg_jax.egg-info omg_jax/_native*.so
