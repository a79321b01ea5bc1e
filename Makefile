# The whole developer and operator interface; `make help` lists it.
# Only python3, pip and make are assumed. What else is needed is installed here, and said.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SHELL  := /bin/bash
# A development stack does not wait hours for open sessions.
export AAI_DRAIN_LIMIT_S ?= 30

.DEFAULT_GOAL := help
.PHONY: help run stop test test-clients check format bench bench-speech bench-latency bench-recovery bench-gateway bench-detector chaos-asr protos clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(VENV)/.installed  ## install, start the universal stack, transcribe the samples, open the console
	@$(BIN)/aai-console up
	@$(BIN)/aai-console transcribe samples/*.wav
	@$(BIN)/aai-console status
	@if [ -t 0 ] && [ -t 1 ]; then $(BIN)/aai-console; \
	 else echo "The stack is running. Console: $(BIN)/aai-console   Stop: make stop"; fi

stop:  ## end everything that make run started
	@if [ -x $(BIN)/aai-console ]; then $(BIN)/aai-console down --drain $(AAI_DRAIN_LIMIT_S); else echo "nothing is installed, nothing runs"; fi

test: $(VENV)/.installed-dev  ## run all tests
	$(BIN)/pytest

# Environments are kept in CLIENTS_CACHE_DIR, by default ~/.cache/aai-streaming/clients.
test-clients: $(VENV)/.installed-dev  ## run real clients, unmodified, against both stacks
	@tests/support/install_packages.sh node npm
	@$(BIN)/python -m tests.clients.environments
	$(BIN)/pytest tests/clients

check: $(VENV)/.installed-dev  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev  ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: bench-speech bench-latency bench-recovery  ## score real speech through the stack, measure latency and recovery

bench-speech: $(VENV)/.installed-dev  ## word error rates of AUDIO=dir through a running stack, as a table
	$(BIN)/python -m tests.bench.score_speech --stack $(if $(AUDIO),--audio $(AUDIO))

bench-latency: $(VENV)/.installed-dev  ## six sessions at once: last word to final turn, and crosstalk
	$(BIN)/python -m tests.bench.turn_latency $(if $(AUDIO),--audio $(AUDIO))

bench-recovery: $(VENV)/.installed-dev  ## kill each program in turn: seconds until words come back
	$(BIN)/python -m tests.bench.recovery

chaos-asr: $(VENV)/.installed-dev  ## kill the ASR server twenty times in mid-turn: seconds until sessions go on
	$(BIN)/python -m tests.bench.asr_kills

bench-gateway: $(VENV)/.installed-dev  ## processor time per audio frame, sessions per core, 10,000 idle sockets
	$(BIN)/python -m tests.bench.gateway

bench-detector: $(VENV)/.installed-dev  ## compare the two speech detectors
	$(BIN)/python -m tests.bench.speech_detector $(if $(AUDIO),--audio $(AUDIO))

protos: $(VENV)/.installed-dev  ## generate protos/asr_v1_pb2*.py from the .proto
	$(BIN)/python -m grpc_tools.protoc -I . --python_out=. --pyi_out=. --grpc_python_out=. protos/asr_v1.proto

clean:  ## remove the virtual environment and caches, never var/
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@echo "Creating $(VENV)"
	@[ ! -e $(VENV) ] || { echo "$(VENV) exists but $(VENV)/bin/python cannot be run by you; remove $(VENV) or become its owner"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing python3-venv (apt)"; \
	    { apt-get update && apt-get install -y --no-install-recommends python3-venv; } >/dev/null && $(PYTHON) -m venv $(VENV); \
	  else echo "This Python cannot make virtual environments: install the package python3-venv"; exit 1; fi; }

# EXTRA=gpu adds the torch engine's dependencies.
$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing the Python packages (about half a minute)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.$(if $(EXTRA),[$(EXTRA)])'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@tests/support/install_packages.sh tmux
	@echo "Installing the test packages and torch (CPU)"
	@$(BIN)/pip install --quiet --disable-pip-version-check 'torch==2.13.0'
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
