# Lethe's commands; `make` alone lists them. All of them run in .venv, which the first one sets up.

PRESET = miniature
CORES = all
PROFILE =
TARGET =
OUTPUT =
A =
B =
ARGS =
PYTEST =
PYTHON ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help reproduce report provenance assets plan export compare test test-cluster lint clean-venv known-preset elsewhere

PROFILES = $(notdir $(patsubst %/profile.yaml,%,$(wildcard profiles/*/profile.yaml)))
PRESETS = $(strip miniature $(patsubst workflow/presets/%.yaml,%,$(wildcard workflow/presets/*.yaml)))
# A name in .yaml is a file of the user's; the miniature is config.yaml, which the Snakefile reads by itself.
CONFIGFILE = $(or $(filter %.yaml,$(PRESET)),$(if $(filter miniature,$(PRESET)),config.yaml,workflow/presets/$(PRESET).yaml))
CONFIG = $(if $(filter-out miniature,$(PRESET)),--configfile $(CONFIGFILE))
# Results lie under the name that the preset gives itself.
RESULTS = results/$(shell sed -n 's/^preset: *//p' $(CONFIGFILE))

IN_VENV = PATH="$(CURDIR)/.venv/bin:$$PATH"
# A target goes first: --configfile would take it for a second config file.
SNAKEMAKE = $(IN_VENV) snakemake $(TARGET) $(CONFIG)
REPORT = $(IN_VENV) python -m lethe.report --configfile $(CONFIGFILE)
# A profile says itself how many jobs may run; so many cores of this machine would be a limit on all of a cluster.
WHERE = $(if $(filter-out default,$(PROFILE)),--workflow-profile profiles/$(PROFILE),--cores $(CORES))

help: ## list the commands
	@echo "make COMMAND [NAME=value ...]"
	@echo
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1:\2/p' Makefile | while IFS=: read -r name text; do \
	  printf '  %-18s %s\n' "$$name" "$$text"; done
	@echo
	@echo "  PRESET=miniature   one of: $(PRESETS); or a file of yours: PRESET=mine.yaml"
	@echo "  CORES=all          how many processor cores Snakemake may use"
	@echo "  PROFILE=           a folder of profiles/: PROFILE=slurm runs the jobs on a SLURM cluster"
	@echo "  TARGET=            make this target or file of the workflow only; for export, the model"
	@echo "  OUTPUT=            what export and compare write"
	@echo "  ARGS=              more options for Snakemake: ARGS=-n shows the plan and makes nothing"
	@echo "  PYTEST=            options for pytest: PYTEST='-k gradients'"
	@echo "  PYTHON=            the Python (3.11 or newer) to make .venv from"

reproduce: known-preset .venv/.stamp ## set up, make all tables and figures of a preset (or TARGET), and the report
	@$(IN_VENV) snakemake $(or $(TARGET),report) $(CONFIG) $(WHERE) $(ARGS)
ifeq ($(and $(TARGET),$(if $(filter -n --dry-run --dryrun,$(ARGS)),,wet)),wet)
	@$(REPORT)
endif

report: known-preset .venv/.stamp ## write results/PRESET/report.html from the results there are
	@$(REPORT)

provenance: known-preset .venv/.stamp ## Snakemake's own report: rules, runtimes, captions (results/PRESET/provenance.html)
	@$(SNAKEMAKE) --report $(RESULTS)/provenance.html

assets: known-preset .venv/.stamp ## fetch what a preset needs that Lethe does not ship
	@$(IN_VENV) python -m lethe.assets --preset $(PRESET) $(ARGS)

plan: known-preset .venv/.stamp ## what a preset will take: downloads, jobs, GPU hours, memory, disk; ARGS='--card h100'
	@$(IN_VENV) python -m lethe.costs --preset $(PRESET) $(ARGS)

export: known-preset .venv/.stamp ## pack an unlearned model (TARGET=results/.../seed0) with card and records, to give away
	@$(IN_VENV) python -m lethe.export --preset $(PRESET) --model '$(TARGET)' $(if $(OUTPUT),--output '$(OUTPUT)') $(ARGS)

compare: .venv/.stamp ## two runs' records: make compare A=results/one B=results/two; fails where B is worse
	@$(IN_VENV) python -m lethe.compare $(if $(A),'$(A)') $(if $(B),'$(B)') $(if $(OUTPUT),--output '$(OUTPUT)') $(ARGS)

# Quick tests first; both kinds side by side, since much of a Snakemake run is planning, which takes one core.
test: .venv/.stamp ## set up, then run the tests
ifeq ($(PYTEST),)
	@$(IN_VENV) python -m pytest -n 2 --dist loadfile -m 'not workflow and not cluster'
	@$(IN_VENV) python -m pytest -n 2 --dist loadfile -m workflow
else
	@$(IN_VENV) python -m pytest $(PYTEST)
endif

test-cluster: .venv/.stamp ## set up, then run the workflow through a SLURM started on this machine (root)
	@$(IN_VENV) python -m pytest -m cluster tests/cluster $(PYTEST)

lint: .venv/.stamp ## check style and format of the Python code and of the workflow
	@$(IN_VENV) ruff check --output-format concise
	@$(IN_VENV) ruff format --check --quiet
	@$(IN_VENV) snakefmt --check Snakefile workflow/rules
	@$(IN_VENV) snakemake --lint

clean-venv: ## remove .venv
	@rm -rf .venv

known-preset:
	@if [ '$(PRESET)' != miniature ] && [ ! -f '$(CONFIGFILE)' ]; then \
	  echo "there is no preset '$(PRESET)': no file $(CONFIGFILE)" >&2; \
	  echo "  remedy: choose one of: $(PRESETS); or name a file of yours: PRESET=mine.yaml" >&2; exit 2; fi
	@if [ -n '$(PROFILE)' ] && [ ! -f 'profiles/$(PROFILE)/profile.yaml' ]; then \
	  echo "there is no profile '$(PROFILE)': no file profiles/$(PROFILE)/profile.yaml" >&2; \
	  echo "  remedy: choose one of: $(PROFILES)" >&2; \
	  exit 2; fi

# ----------------------------------------------------------------------------------------------------- the set-up
# The stamp is written last and names the folder, as the commands in .venv/bin do: after an interruption, a move or a
# copy it is missing or wrong, and .venv is made again from nothing, so that it holds what the pins say and no more.
SETTLED := $(shell [ "$$(cat .venv/.stamp 2>/dev/null)" = "$$(pwd -P)" ] && \
  .venv/bin/python -c '' 2>/dev/null && echo yes)
# An active .venv must not be what its successor is made with.
OUTSIDE = PATH="$(subst $(CURDIR)/.venv/bin:,,$(PATH))"

.venv/.stamp: pyproject.toml envs/constraints.txt $(if $(SETTLED),,elsewhere)
	@$(OUTSIDE); \
	for python in $(if $(PYTHON),'$(PYTHON)',python3.11 python3); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; done; \
	if [ -z "$$python" ]; then \
	  echo "Lethe needs Python 3.11 or newer; none answers to: $(or $(PYTHON),python3.11 python3)" >&2; \
	  echo "  remedy: install it, or name it: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; fi; \
	echo "setting up .venv with $$python: once, a minute or two, 6 GB"; \
	rm -rf .venv; \
	if command -v uv >/dev/null; then \
	  uv venv --quiet --python "$$python" .venv && \
	  uv pip install --quiet --python .venv/bin/python -c envs/constraints.txt -e '.[workflow,dev]'; \
	else \
	  "$$python" -m venv .venv && \
	  .venv/bin/python -m pip install -qq --disable-pip-version-check \
	    -c envs/constraints.txt -e '.[workflow,dev]'; \
	fi || { echo "the set-up of .venv failed, for the reason above" >&2; exit 1; }
	@pwd -P > $@
