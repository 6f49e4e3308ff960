# Everything an operator or a developer types. `make demo` needs nothing but Python 3.11 and, for RabbitMQ, root once.
.PHONY: setup demo up test check chaos bench
SETUP := deploy/local/setup.sh
BIN := .venv/bin
COMMA := ,

setup:
	@$(SETUP) local,dev$(if $(GPU),$(COMMA)gpu)

demo:
	@began=$$(date +%s); $(SETUP) local && exec $(BIN)/scribe demo $(if $(AUDIO),"$(AUDIO)") --install-seconds $$(($$(date +%s) - began))

up:
	@$(SETUP) local
	@exec $(BIN)/scribe up

test: setup
	$(BIN)/pytest

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The fault campaign; FULL=1 for the full loads and faults, ONLY=1,2 for some of its scenarios.
chaos: setup
	$(BIN)/python -m tests.chaos $(if $(FULL),--full) $(if $(ONLY),--only $(ONLY))

# Speed, as ratios against a peer in the same run; SMALL=1 for a few minutes, GPU=1 on CUDA, ONLY=1,3 for some rows.
bench: setup
	$(BIN)/python -m tests.bench $(if $(SMALL),--small) $(if $(GPU),--gpu) $(if $(ONLY),--only $(ONLY))
