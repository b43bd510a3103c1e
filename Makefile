# Every target sets up what it needs first, and can be run again: the second time finds it done.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Python compiles a module when it is first imported: most of what is installed never is.
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
INSTALL := install --no-compile -c constraints.txt

.PHONY: help install server quickstart test test-long test-lowest test-corpora test-faults test-transformers wheel wasm sanitize fuzz docs lint \
	format clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/installed ## a virtual environment in .venv with everything the project is tested with

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) $(INSTALL) -e ".[dev]"
	@touch $@

server: .venv-server/installed ## a second environment, with only what a server needs: no torch

.venv-server/required: requirements-server.txt constraints.txt | $(BIN)/python
	$(PYTHON) -m venv --without-pip .venv-server
	$(PIP) --python .venv-server $(INSTALL) -r requirements-server.txt
	@touch $@

# The core is compiled by then.
.venv-server/installed: .venv-server/required | install
	$(PIP) --python .venv-server install --no-compile --no-deps -e .
	@touch $@

quickstart: install ## train a classifier on the embedded dataset, score it and use it (two minutes)
	$(BIN)/python -m textcnn.quickstart

test: ## lint, then every test, on two cores
	$(MAKE) -j2 server lint wasm
	OMP_NUM_THREADS=1 TEXTCNN_SERVER_PYTHON=.venv-server/bin/python $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-long: install ## the tests that the others take a short form of: whole notebooks (ten minutes)
	TEXTCNN_LONG=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 tests/test_notebooks.py

test-lowest: ## a short selection of the tests with the lowest versions of constraints-lowest.txt, in .venv-lowest
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-lowest.txt -e . \
		"accelerate>=1.1" "pytest>=8" "pytest-timeout>=2.3"
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -k "not as_it_is and not accounted_for" tests/test_artifact.py \
		tests/test_estimator_checks.py tests/model/test_transformers.py tests/model/test_config.py \
		tests/training/test_bag_start.py tests/runtime/test_explanation_views.py

test-corpora: install ## the tokenizer's ids on every text of the datasets in TEXTCNN_DATA (half an hour)
	TEXTCNN_EVERY_TEXT=1 $(BIN)/python -m pytest tests/runtime/test_tokenizer.py -k real_texts

test-faults: install ## damage, kills, full disks and races at length; the table goes to faults.md (an hour)
	TEXTCNN_FAULTS=long TEXTCNN_FAULTS_REPORT=faults.md $(BIN)/python -m pytest tests/faults -o timeout=7200

test-transformers: install ## the tests that transformers has for every model, from its source distribution
	$(PIP) download --no-deps --no-binary :all: --dest .transformers \
		transformers==$$(sed -n 's/^transformers==//p' constraints.txt)
	TRANSFORMERS_SUITE=$$(ls .transformers/transformers-*.tar.gz | tail -1) $(BIN)/python -m pytest \
		tests/model/test_common_suite.py -o addopts=-rfEs -o filterwarnings=default

wheel: install ## dist/: one wheel for every Python of this platform, and the source distribution
	$(PIP) $(INSTALL) build
	TEXTCNN_WASM=1 $(BIN)/python -m build --outdir dist

wasm: install ## textcnn/core/textcnn.wasm: the compiled core for exported pages, with the compiler of ziglang
	$(PIP) $(INSTALL) ziglang
	$(BIN)/python textcnn/core/build.py wasm

sanitize: install ## the core's fuzzing under the address and undefined-behaviour sanitizers, at length (half an hour)
	TEXTCNN_SANITIZE=10000 $(BIN)/python -m pytest tests/core/test_sanitizers.py -o timeout=3600

fuzz: install ## libFuzzer on the core for ten minutes, with clang
	CXX=clang++ $(BIN)/python tests/core/run_fuzzer.py --seconds 600

docs: install ## the documentation, as pages in site/
	$(BIN)/mkdocs build --strict

lint: install ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## put the code into its style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment and everything that runs have written
	rm -rf $(VENV) .venv-server .venv-lowest .transformers runs site dist .pytest_cache .mypy_cache .ruff_cache textcnn/core/.build \
		textcnn/core/libtextcnn.* textcnn/core/textcnn.dll textcnn/core/textcnn.wasm
