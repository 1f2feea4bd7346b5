# Everything needed on a fresh machine with Python 3.11 to 3.13, venv and make.

PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin

.PHONY: help demo test serve lint bench sbom clean

help:           ## show what there is
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

demo: $(VENV)/ready  ## send a simulated exam and a real clip through the service, look at what comes back
	@$(BIN)/nmus demo --out demo-output

serve: $(VENV)/ready  ## run the service: make serve [SETTINGS=nmus.toml]
	@$(BIN)/nmus serve $(if $(SETTINGS),--settings $(SETTINGS))

test: lint $(VENV)/tested  ## set up, check, and run all tests against the built wheel
	@rm -rf build && $(BIN)/pip install --quiet --no-deps --no-build-isolation --target build/wheel .
	@PYTHONPATH=$(CURDIR)/build/wheel $(BIN)/pytest -n 2 --dist loadgroup $(TESTS)

lint: $(VENV)/tested  ## style, types, architecture
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet . && $(BIN)/mypy && $(BIN)/lint-imports

bench: $(VENV)/tested  ## measure against DCMTK and Orthanc; prints ratios beside the goals
	@$(BIN)/python tests/benchmarks

sbom: $(VENV)/tested  ## write dist/nmus.cdx.json: every package with version and hashes (CycloneDX)
	@mkdir -p dist && $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible --sv 1.6 --of JSON -o dist/nmus.cdx.json deploy/requirements.txt 2>/dev/null
	@echo "dist/nmus.cdx.json"

clean:          ## remove the environments and what the demo made
	rm -rf $(VENV) demo-output build dist

# One environment serves all. The pins have versions and hashes, so the same files are installed everywhere; they are
# complete (`pip check` says so), and --no-deps keeps pip from looking for a newer file of what is asked for with an extra.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"nmus needs Python 3.11 to 3.13; {sys.executable} is {v[0]}.{v[1]}. Try: make PYTHON=python3.12 ...")'
	@echo "setting up $(VENV) ..." && $(PYTHON) -m venv $(VENV)

$(VENV)/ready: $(VENV)/bin/python deploy/requirements.txt pyproject.toml
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r deploy/requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/tested: $(VENV)/ready deploy/requirements-dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r deploy/requirements-dev.txt
	@$(BIN)/pip check --quiet --disable-pip-version-check
	@touch $@
