PYTHON ?= python3
CORES ?= 2
BIN := .venv/bin
# Compiling all modules takes half of an installation, and most are never imported. Python compiles
# those that are, unless it may not keep what it compiled.
LAZILY := $(if $(PYTHONDONTWRITEBYTECODE),,--no-compile)
PIP := $(BIN)/python -m pip install $(LAZILY) --quiet --disable-pip-version-check --constraint requirements.lock

.PHONY: install new demo test test-long lint audit stages demo-models docs site wheel lock clean

install: .venv/.base

new: .venv/.base
	$(BIN)/susx new $(ARGS)

demo: .venv/.demo
	$(BIN)/susx run --cores $(CORES) results/flags.json results/flags/report.html --configfile demo/config.yaml

# One worker more than cores: tests of a cluster and of kills wait more than they compute.
test: .venv/.dev
	$(BIN)/python -m pytest --numprocesses $$(($(CORES) + 1)) --dist loadscope --no-loadscope-reorder

test-long: .venv/.dev
	$(BIN)/python -m pytest -m long --numprocesses $$(($(CORES) + 1)) --dist loadscope --no-loadscope-reorder

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/mypy
	$(BIN)/mypy --explicit-package-bases tests

audit: .venv/.dev
	-$(PIP) pip-audit==2.10.1
	$(BIN)/python -m tests.audit

stages: .venv/.dev
	$(BIN)/python -m tests.stage_code

demo-models: .venv/.demo
	$(BIN)/python -m demo.train
	$(BIN)/python -m demo.evaluate_model
	$(BIN)/python -m demo.card
	$(BIN)/python -m demo.train_diffusion
	$(BIN)/python -m demo.evaluate_diffusion
	$(BIN)/python -m demo.diffusion_card

docs: .venv/.dev
	$(BIN)/python -m docs.generate_reference
	$(BIN)/python -m docs.generate_environments
	$(BIN)/python -m docs.generate_licences
	$(BIN)/python -m docs.generate_architecture

site: .venv/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel: .venv/.dev
	$(BIN)/python -m hatchling build

lock: .venv/.dev
	$(PIP) pip-tools==7.6.2
	$(BIN)/pip-compile --quiet --all-extras --allow-unsafe --strip-extras --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.lock
	sed -i '/^susx @/d; s/+cpu$$//' requirements.lock

clean:
	rm -rf work cache results check logs benchmarks demo/data site dist .snakemake

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("susx needs Python 3.11 or newer; run make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	touch $@

.venv/.base: .venv/.python pyproject.toml requirements.lock
	$(PIP) --editable '.[pipeline]'
	touch $@

.venv/.demo: .venv/.base
	$(PIP) --editable '.[pipeline,report,sd]'
	touch $@

.venv/.dev: .venv/.base
	$(PIP) --editable '.[faiss,heic,llm,onnx,pipeline,report,s3,sd,serve,siglip,sklearn,slurm,web,docs,dev]'
	$(PIP) --no-deps open-clip-torch  # a torchvision for another torch would break transformers
	touch $@
