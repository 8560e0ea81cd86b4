# Every target does its own set-up: Python 3.11 or newer with pip and venv is all that is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PAIR ?= mini

.DEFAULT_GOAL := help
.PHONY: help reproduce test bench lint mini clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -e '.[dev]'
	touch $(STAMP)

reproduce: $(STAMP) ## all tables and figures of the paper, into results/ (about 40 minutes on two cores); PAIR=, DATA=
	$(BIN)/obclip reproduce --pair $(PAIR) $(if $(DATA),--data $(DATA))

test: $(STAMP) lint ## check types, style and import walls, then run all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

bench: $(STAMP) ## measure the cloud's speed-up against multiply-accumulates saved, into results/bench (half an hour)
	$(BIN)/obclip bench

lint: $(STAMP) ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

mini: $(STAMP) ## train the embedded pair again (hours; needs npm and cairo); resumes where it stopped
	$(BIN)/pip install --quiet -e '.[mini]'
	$(BIN)/python -m obclip_cli.mini

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
