# Every target does its own set-up: Python 3.11 or newer with pip and venv is all that is needed.
# TORCH=cpu takes the CPU wheels of torch, which are smaller by gigabytes; without it pip's own choice (CUDA on Linux).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PAIR ?= mini
SIZE ?= quick
EXTRAS ?= dev
TORCH ?=

.DEFAULT_GOAL := help
.PHONY: help setup reproduce test bench lint mini clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@echo "obclip: installing into $(VENV); on Linux pip's CUDA wheels of torch take most of it (README, Five minutes)"
ifeq ($(TORCH),cpu)
	$(BIN)/pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu
endif
	$(BIN)/pip install -e '.[$(EXTRAS)]'
	@touch $(STAMP)

setup: $(STAMP) ## everything that is needed, with pip's own progress; TORCH=cpu without CUDA, EXTRAS=serve without tests
	@echo "obclip: ready; $(BIN)/obclip --help"

reproduce: $(STAMP) ## all tables and figures of the paper, into results/quick, at smaller sizes; SIZE=full: into results/, in hours, what is finished is read; PAIR=, DATA=
	$(BIN)/obclip reproduce --pair $(PAIR) --size $(SIZE) $(if $(DATA),--data $(DATA))

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
	$(BIN)/pip install -e '.[mini]'
	$(BIN)/python -m obclip_cli.mini

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
