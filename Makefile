# The commands people use. Each installs first when .venv is missing or older than the lock.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install manifest demo test check bench-features bench-training bench-registry bench-serving dev lock clean

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
MANIFEST := dbt_project/target/manifest.json

# Nothing of ours reports its usage.
export DO_NOT_TRACK := 1
export BENTOML_DO_NOT_TRACK := True
export DAGSTER_DISABLE_TELEMETRY := yes
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export MLFLOW_DISABLE_TELEMETRY := true
export ORT_DISABLE_TELEMETRY := 1
# pyright's wrapper would look for a newer release at each start.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Byte code is not made at install: where no first import keeps it, each process compiles its
# libraries again (1.7 s for drift).
unexport PYTHONDONTWRITEBYTECODE

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) \
	  | awk -F ':.*## ' '{printf "make %-15s %s\n", $$1, $$2}'

install: $(INSTALLED) $(MANIFEST) ## Create .venv from the lock, and read the dbt project

demo: install ## The whole loop on a year of flights, raw data to a model retrained on drift
	$(BIN)/mlplat demo

test: install ## Every test; one whose service is missing is skipped and says which
	$(BIN)/pytest --numprocesses 2

check: install ## Lint, format, types, tests: what must be green before a review
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/pytest --numprocesses 2

bench-features: install ## Time the joins and the online store against Feast and bare clients
	$(BIN)/python -m bench.point_in_time
	$(BIN)/python -m bench.online_store

bench-training: install ## Rows a second and AUC against bare loops, LightGBM and others; after `make demo`
	$(BIN)/python -m bench.training

bench-registry: install ## The registry at 100 to 100,000 versions, MLflow's beside it
	$(BIN)/python -m bench.registry

bench-serving: install ## Requests a second on one core against BentoML, FastAPI, Ray Serve, MLflow; needs wrk
	$(BIN)/python -m bench.serving
	$(BIN)/python -m bench.serving_faults
	$(BIN)/python -m bench.serving_scaling

dev: install ## Dagster's web interface and daemon, and the serving process
	$(BIN)/mlplat dev

manifest: $(INSTALLED) ## Read the dbt project again
	@rm -f $(MANIFEST)
	@$(MAKE) --no-print-directory $(MANIFEST)

lock: ## Resolve constraints.txt anew from pyproject.toml (UPGRADE=1: take newer releases)
	$(PYTHON) -m venv .venv
	$(BIN)/python .ci/lock.py $(if $(UPGRADE),--upgrade)

clean: ## Remove what was installed and built; data in .mlplat stays
	rm -rf .venv dbt_project/target dbt_project/logs .pytest_cache .ruff_cache .hypothesis

$(INSTALLED): pyproject.toml constraints.txt
	@echo "Installing $$(grep -vc '^#' constraints.txt) packages into .venv; takes some minutes"
	@$(PYTHON) -m venv .venv
	@# Compiling everything beforehand takes 2 minutes; most of it is never imported.
	@$(BIN)/pip install --no-compile --editable '.[dev]' --constraint constraints.txt 2>&1 \
	  | tee .venv/install.log \
	  | awk '/^Collecting/ && ++n % 50 == 0 {print "  " n " packages found"; fflush()} \
	         /^Installing collected/ {print "  unpacking"; fflush()} /^ERROR|^error/' \
	  || { tail -n 20 .venv/install.log; exit 1; }
	@touch $@

# A folder's time changes when a model is removed from it, so folders count too.
$(MANIFEST): $(INSTALLED) $(shell find dbt_project/*.yml dbt_project/models dbt_project/macros)
	@echo "Reading the dbt project"
	@$(BIN)/python -c 'from resources.lake_attachment import install_extensions; install_extensions()'
	@$(BIN)/dbt --quiet parse --project-dir dbt_project --profiles-dir dbt_project
	@touch $@
