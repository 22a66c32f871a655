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

# Within `install`: an environment that is still empty begins with hard links to the packages of .venv, where that is finished. It
# needs most of them, and Python has compiled them. pip then brings what is missing; where no links can be made, it brings all.
# So they hold the tools of development, too, which no test imports.
define begun
if [ -e .venv/development ]; then for packages in $(1)/lib/python*/site-packages; do test -e $$packages/keras || \
	cp -al .venv/$${packages#$(1)/}/. $$packages/ 2> /dev/null || true; done; fi
endef

# $(call install,FOLDER,REQUIREMENTS): an environment, from the exact versions of constraints.txt. FOLDER may be a link to an
# environment that is kept elsewhere (see .ci/run): its scripts then begin with the place where it is.
define install
@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "mdn needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
@test -x $(1)/bin/pip || { echo "==> $(1): a new environment"; $(PYTHON) -m venv $(1); }
@$(begun)
@echo '==> $(1): installing $(2)'
@"$$(cd $(1) && pwd -P)/bin/python" -m pip --quiet --quiet --disable-pip-version-check install --no-compile -c constraints.txt -e $(2)
endef
DEVELOPMENT := ".[test,dev]"
DOCUMENTATION := ".[test,docs]"
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

.venv/studio: pyproject.toml constraints.txt
	$(call install,.venv,".[studio]")
	@touch $@ .venv/runtime

.PHONY: studio
studio: .venv/studio  ## Open the studio in your browser (ARGS="--port 9000 --no-browser")
	$(BIN)/mdn studio $(ARGS)

# Most of the tests' time is XLA compiling programs that run once: `test` does without LLVM's optimisations and without
# XLA's newer emitters, and keeps each program for all tests that compile it; `test-optimised` runs what rounding and
# reordering could break as users run it.
# JAX spends a quarter of its lowering on noting where in our code each operation stands, which no test reads.
UNOPTIMISED := JAX_TRACEBACK_IN_LOCATIONS_LIMIT=0 JAX_INCLUDE_FULL_TRACEBACKS_IN_LOCATIONS=0 XLA_FLAGS="--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false \
	--xla_cpu_multi_thread_eigen=false --xla_cpu_parallel_codegen_split_count=1 $(XLA_FLAGS)"
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
	$(KEPT) $(ONE_THREAD) KERAS_BACKEND=jax $(BIN)/python -m pytest $(WORKERS) $(ROUNDING) $(ARGS)

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

# What benchmarks/accelerator.py imports beyond JAX, PyTorch and what these bring along
ON_ACCELERATOR := keras absl-py cloudpickle h5py joblib markdown-it-py mdurl namex narwhals optree packaging Pygments rich scikit-learn \
	threadpoolctl typing_extensions
MANYLINUX := 17 26 27 28

.PHONY: accelerator-wheels
accelerator-wheels: .venv/development  ## Collect in build/accelerator what benchmarks/accelerator.py needs on a GPU machine
	@rm -rf build/accelerator
	$(BIN)/python -m pip --quiet --disable-pip-version-check download -c constraints.txt --no-deps --only-binary=:all: \
		--python-version 3.12 $(MANYLINUX:%=--platform manylinux_2_%_x86_64) --dest build/accelerator $(ON_ACCELERATOR)
	@du -sh build/accelerator

# An environment of its own: with it, tests would see packages that no user of theirs has, such as IPython
.venv-docs/development: pyproject.toml constraints.txt
	$(call install,.venv-docs,$(DOCUMENTATION))
	@touch $@

# The cells of pages run in processes of their own, with `mdn` on their path; their time, too, is XLA compiling programs that run once.
# The old site stays until the new one is whole.
SITE := .venv-docs/bin
.PHONY: docs
docs: .venv-docs/development  ## Build the site into site/: the cells of its pages run, and its links and its search are checked
	@rm -rf build/docs
	$(UNOPTIMISED) $(KEPT) $(ONE_THREAD) PATH="$(CURDIR)/$(SITE):$$PATH" $(SITE)/python -m sphinx -W -q -j $(JOBS) -d build/docs/trees $(ARGS) docs build/docs/site
	MDN_SITE="$(CURDIR)/build/docs/site" KERAS_BACKEND=jax $(SITE)/python -m pytest -q tests/test_site.py
	@rm -rf site && mv build/docs/site site && echo "==> site/index.html; copy the folder site/ to publish it"

.PHONY: docs-serve
docs-serve:  ## Show the site that `make docs` built in your browser, on this machine (PORT=8000)
	@test -f site/index.html || $(MAKE) docs
	$(PYTHON) -m http.server --bind 127.0.0.1 --directory site $(or $(PORT),8000)

.PHONY: dist
dist: .venv/development  ## Build dist/: the archive of the source, and from that the wheel; both are checked
	@rm -rf build/lib build/bdist* dist
	@PIP_CONSTRAINT=constraints.txt $(BIN)/python -m build --outdir dist > /dev/null
	$(BIN)/python -m twine check --strict dist/*
	MDN_DIST="$(CURDIR)/dist" KERAS_BACKEND=jax $(BIN)/python -m pytest -q tests/test_release.py
	@ls -sh dist

.PHONY: release-check
release-check: dist  ## Install the wheel on every supported Python found here, and run it; docs/releasing.md says more
	$(BIN)/python .ci/release.py $(ARGS)

.PHONY: clean
clean:  ## Remove what was built, and every cache
	rm -rf build dist site src/*.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache demo.html
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} + 2> /dev/null || true

.PHONY: distclean
distclean: clean  ## Remove the environments too
	rm -rf .venv .venv-docs .venv-torch .venv-tensorflow
