# The usual doors of the project; `make help` lists them. Everything is installed into a virtual environment of this
# folder, so nothing needs root and nothing outside is touched.
#
#   PYTHON  the Python to build on (3.11 or newer):  make test PYTHON=python3.12
#   VENV    the environment:                         make test VENV=/tmp/environment
#   JOBS    test processes:                          make test JOBS=4
#   EMULATOR  the environment of the emulator, whose CuPy excludes the others:  make emulate EMULATOR=/tmp/emulator
#   PEERS   frameworks to compare with, an environment each:  make bench-peers PEERS="torch jax"
#   BENCH   what `make bench` is told:                 make bench BENCH="training --nets resnet18 --threads 1"

PYTHON ?= python3
VENV ?= .venv
EMULATOR ?= .venv-emulator
PEERS ?= torch tensorflow jax chainer
BENCH ?= all
JOBS ?= 2
BIN := $(VENV)/bin
# An activated environment or a PYTHONPATH must not leak into this one.
unexport PYTHONPATH PYTHONHOME

# The test processes share the cores; BLAS threads of each would only fight over them.
ONE_THREAD := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test oracles browser emulator emulate check-kernels static coverage lint format typecheck bench bench-peers
.PHONY: clean distclean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.installed-plot  ## train LeNet on the bundled digits; ends with the test accuracy
	@$(BIN)/gpunet train --run-dir "runs/demo-$$(date +%Y%m%d-%H%M%S)"

test: $(VENV)/.installed-test  ## all tests, with line coverage; those that need an absent oracle skip and say so
	$(PYTEST) --cov --cov-report=term --durations=5

oracles: $(VENV)/.installed-oracles  ## the tests judged by PyTorch and ONNX; an absent oracle fails
	GPUNET_REQUIRE_ORACLES=1 $(PYTEST) -m oracle --durations=5

browser: $(VENV)/.installed-browser  ## the report's page in a real browser; needs Chromium or Chrome
	GPUNET_REQUIRE_BROWSER=1 $(ONE_THREAD) $(BIN)/python -m pytest tests/report/test_page_in_browser.py --durations=5

emulator: $(EMULATOR)/.installed  ## only make the environment of `gpunet emulate`; needs g++

emulate: $(EMULATOR)/.installed  ## the suite of the CuPy backend, and the emulator's own, on a device made of the CPU
	GPUNET_REQUIRE_CUPY=1 $(ONE_THREAD) $(EMULATOR)/bin/gpunet emulate -- \
		python -m pytest -m gpu -n $(JOBS) --dist loadgroup --durations=5 \
		--cov --cov-config=tests/coverage_on_cupy.ini --cov-report=term
	GPUNET_REQUIRE_EMULATOR=1 $(ONE_THREAD) $(EMULATOR)/bin/python -m pytest -n $(JOBS) --dist loadgroup tests/emulator
	$(EMULATOR)/bin/gpunet emulate -- gpunet compare --model resnet20 --batch-size 4

check-kernels: $(EMULATOR)/.installed  ## every kernel under the emulator's checks and two more orders of threads
	@for options in "--check bounds" "--check memory" "--check races" "--schedule 1" "--schedule 7"; do \
		echo "gpunet emulate $$options"; \
		GPUNET_REQUIRE_CUPY=1 $(ONE_THREAD) $(EMULATOR)/bin/gpunet emulate $$options -- \
			python -m pytest -q -m gpu tests/backends/cupy/test_every_kernel.py || exit 1; \
	done

static: $(EMULATOR)/.installed  ## NVRTC and the tracer on every kernel: registers, spills, sectors, against the budgets
	$(EMULATOR)/bin/python -m benchmarks.static_kernels --require-trace
	GPUNET_REQUIRE_NVRTC=1 GPUNET_REQUIRE_EMULATOR=1 $(EMULATOR)/bin/python -m pytest -q tests/benchmarks

coverage: $(VENV)/.installed-test  ## as test, with an HTML report in htmlcov/
	$(PYTEST) --cov --cov-report=term --cov-report=html

lint: $(VENV)/.installed-test  ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed-test  ## ruff: mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: $(VENV)/.installed-test  ## mypy
	$(BIN)/mypy

bench: $(VENV)/.installed-plot  ## the tables of benchmarks/results/, with whatever peers are installed
	$(BIN)/gpunet bench $(BENCH)

bench-peers:  ## environments of PyTorch, TensorFlow, JAX and Chainer for `make bench`; gigabytes
	@for peer in $(PEERS); do $(MAKE) --no-print-directory .venv-peers/$$peer/.installed || \
		echo "without $$peer, which cannot be installed here: the error is above" >&2; done

clean:  ## remove what builds, tests and tools left; keep runs/ and the environment
	rm -rf build dist *.egg-info .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -not -path './$(EMULATOR)/*' -not -path './.venv-peers/*' \
		-not -path './.git/*' -prune -exec rm -rf {} +

distclean: clean  ## clean, and remove the environments
	rm -rf $(VENV) $(EMULATOR) .venv-peers

# One stamp for each set of extras: an environment is filled again only when the project's own requirements change.
REQUIREMENTS := setup.py pyproject.toml gpunet/_version.py
INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check

%/.created:
	@command -v $(PYTHON) >/dev/null || { \
		echo "error: there is no '$(PYTHON)'. Install Python 3.11 or newer, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $$($(PYTHON) --version 2>&1) is too old: gpunet needs 3.11 or newer. Try: make PYTHON=python3.12" >&2; exit 1; }
	@echo "making the environment $*"
	@$(PYTHON) -m venv $* || { rm -rf $*; \
		echo "error: '$(PYTHON) -m venv' failed (above). On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.installed-plot: $(VENV)/.created $(REQUIREMENTS)
	@echo "installing gpunet with [plot] into $(VENV)"
	@$(INSTALL) -e '.[plot]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.created $(REQUIREMENTS)
	@echo "installing gpunet with [test,data,plot,onnx] into $(VENV)"
	@$(INSTALL) -e '.[test,data,plot,onnx]'
	@touch $@ $(VENV)/.installed-plot

$(VENV)/.installed-oracles: $(VENV)/.installed-test
	@echo "installing gpunet with [test,data,plot,onnx,oracles] into $(VENV)"
	@$(INSTALL) -e '.[test,data,plot,onnx,oracles]'
	@touch $@

$(VENV)/.installed-browser: $(VENV)/.installed-test
	@echo "installing gpunet with [test,data,plot,browser] into $(VENV)"
	@$(INSTALL) -e '.[test,data,plot,browser]'
	@touch $@

$(EMULATOR)/.installed: $(EMULATOR)/.created $(REQUIREMENTS)
	@command -v g++ >/dev/null || { \
		echo "error: the emulator compiles kernels with g++. On Debian and Ubuntu: apt install g++" >&2; exit 1; }
	@echo "installing gpunet with [test,data,plot,emulator,static] into $(EMULATOR)"
	@$(EMULATOR)/bin/python -m pip install --quiet --quiet --disable-pip-version-check -e '.[test,data,plot,onnx,emulator,static]'
	@touch $@

# What the peers' environments hold. PyTorch's version is that of the oracles. Chainer is of 2022: its setup.py needs
# setuptools' pkg_resources, and it a NumPy that still has the old aliases.
PEER_torch := torch==2.13.0 numpy
PEER_tensorflow := tensorflow-cpu
PEER_jax := jax
PEER_chainer := --no-build-isolation chainer==7.8.1 "numpy<1.24"
BUILT_BY_chainer := "setuptools<80" wheel

$(PEERS:%=.venv-peers/%/.installed): .venv-peers/%/.installed: .venv-peers/%/.created
	@echo "installing $* into .venv-peers/$*"
	@.venv-peers/$*/bin/python -m pip install --quiet --quiet --disable-pip-version-check threadpoolctl $(BUILT_BY_$*)
	@.venv-peers/$*/bin/python -m pip install --quiet --quiet --disable-pip-version-check $(PEER_$*)
	@touch $@
