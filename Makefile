# make demo   build a server from a real document, run it against a mock of its API, call tools through an MCP client
# make test   the tests; MCPGEN_CORPUS=FOLDER adds those over real documents
# make check  lint, types, and whether generated/ is up to date
# make bench  ratios against the MCP SDK and datamodel-codegen; needs MCPGEN_CORPUS
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check bench clean

demo: $(READY)
	$(BIN)/mcpgen try openstatus

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --strict generated/*/*_mcp
	$(BIN)/ruff check generated
	$(BIN)/mcpgen build --check

bench: $(READY)
	$(BIN)/python bench/run.py

clean:
	rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mcpgen needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
