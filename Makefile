# Everything here sets itself up: Python >= 3.11, pip and make are all it needs.

PYTHON ?= python3
JOBS   ?= 2
ARGS   ?=

# The CPU build of TensorFlow, where there is one
TENSORFLOW ?= $(if $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m)),tensorflow-cpu,tensorflow)

# Real data for the tests marked `data`: MDN_DATA, or ../shared/data where that exists
MDN_DATA ?= $(wildcard ../shared/data)
ifneq ($(strip $(MDN_DATA)),)
override MDN_DATA := $(abspath $(MDN_DATA))
export MDN_DATA
endif

# Without the bytecode that Python keeps, each process that imports Keras would compile it anew, for ten seconds.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
# What of the tests speaks of mathematics, and so must hold on every backend
CORE := -m "not jax and not project"

# $(call install,FOLDER,REQUIREMENTS): an environment, from the exact versions of constraints.txt. FOLDER may be a link to an
# environment that is kept elsewhere (see .ci/run): its scripts then begin with the place where it is.
define install
@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "mdn needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
@test -x $(1)/bin/pip || { echo "==> $(1): a new environment"; $(PYTHON) -m venv $(1); }
@echo '==> $(1): installing $(2)'
@"$$(cd $(1) && pwd -P)/bin/python" -m pip --quiet --quiet --disable-pip-version-check install --no-compile -c constraints.txt -e $(2)
endef
DEVELOPMENT := ".[test,dev]"
ON_TORCH := ".[test,torch]"
ON_TENSORFLOW := ".[test]" $(TENSORFLOW)

.DEFAULT_GOAL := help

.PHONY: help
help:  ## Print these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.NOTPARALLEL:

.venv/runtime: pyproject.toml constraints.txt
	$(call install,.venv,".")
	@touch $@

.venv/development: pyproject.toml constraints.txt
	$(call install,.venv,$(DEVELOPMENT))
	@touch $@ .venv/runtime

.venv-torch/development: pyproject.toml constraints.txt
	$(call install,.venv-torch,$(ON_TORCH))
	@touch $@

.venv-tensorflow/development: pyproject.toml constraints.txt
	$(call install,.venv-tensorflow,$(ON_TENSORFLOW))
	@touch $@

.PHONY: demo
demo: .venv/runtime  ## Watch a network learn what least squares cannot (ARGS=--quick: in short)
	$(BIN)/mdn demo --out demo.html $(ARGS)

# Most of the tests' time is XLA compiling programs that run once: `test` does without LLVM's optimisations and without
# XLA's newer emitters, and keeps each program for all tests that compile it; `test-optimised` runs what rounding and
# reordering could break as users run it.
UNOPTIMISED := XLA_FLAGS="--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false \
	--xla_cpu_multi_thread_eigen=false $(XLA_FLAGS)"
# One thread a worker: two workers that each use both cores wait for one another.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
KEPT := JAX_COMPILATION_CACHE_DIR="$(CURDIR)/.pytest_cache/programs" JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 \
	JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
WORKERS := -n $(JOBS) --dist loadgroup --no-loadscope-reorder
ROUNDING := tests/test_extremes.py tests/test_contract_matrix.py -k "extremes or prob or cdf or survival"

.PHONY: test
test: .venv/development  ## Run all tests on JAX (JOBS=2 at a time; ARGS go to pytest)
	$(UNOPTIMISED) $(KEPT) $(ONE_THREAD) KERAS_BACKEND=jax $(BIN)/python -m pytest $(WORKERS) $(ARGS)

.PHONY: test-optimised
test-optimised: .venv/development  ## Run the tests of densities and extremes on JAX as users run it
	KERAS_BACKEND=jax $(BIN)/python -m pytest $(WORKERS) $(ROUNDING) $(ARGS)

.PHONY: test-torch
test-torch: .venv-torch/development  ## Run the core's tests on PyTorch
	$(ONE_THREAD) KERAS_BACKEND=torch .venv-torch/bin/python -m pytest $(WORKERS) $(CORE) $(ARGS)

.PHONY: test-tensorflow
test-tensorflow: .venv-tensorflow/development  ## Run the core's tests on TensorFlow
	$(ONE_THREAD) KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=2 .venv-tensorflow/bin/python -m pytest $(WORKERS) $(CORE) $(ARGS)

.PHONY: fuzz
fuzz: .venv/development  ## Read changed files until something fails that should not (ARGS="--seconds 3600 --seed 7")
	KERAS_BACKEND=jax $(BIN)/python tests/fuzz/run.py $(or $(ARGS),--seconds 600)

.PHONY: lint
lint: .venv/development  ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: .venv/development  ## Mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: types
types: .venv/development  ## Check the types
	$(BIN)/mypy

.PHONY: layers
layers: .venv/development  ## Check that imports run downwards only
	$(BIN)/lint-imports

.PHONY: bench
bench: .venv/development  ## Time the core beside its peers, in one run
	KERAS_BACKEND=jax $(BIN)/python benchmarks/core.py $(ARGS)

.PHONY: wheel
wheel: .venv/development  ## Build dist/mdn-*.whl
	@rm -rf build dist
	@$(BIN)/python -m build --wheel --outdir dist > /dev/null
	@ls dist/*.whl

.PHONY: test-wheel
test-wheel: wheel  ## Install the wheel in an empty environment and run its demo outside the source tree
	@rm -rf build/elsewhere && mkdir -p build/elsewhere && $(PYTHON) -m venv build/elsewhere/env
	@build/elsewhere/env/bin/python -m pip --quiet --quiet --disable-pip-version-check install -c constraints.txt dist/mdn-*.whl
	cd build/elsewhere && env/bin/mdn demo --quick --out demo.html

.PHONY: clean
clean:  ## Remove what was built, and every cache
	rm -rf build dist src/*.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache demo.html
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} + 2> /dev/null || true

.PHONY: distclean
distclean: clean  ## Remove the environments too
	rm -rf .venv .venv-torch .venv-tensorflow
