# Two commands: `make run` opens the studio, `make test` runs every test. Each does all of its own set-up.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip install --quiet --disable-pip-version-check
PORT   ?= 7860

export OMP_WAIT_POLICY ?= PASSIVE
export GRADIO_ANALYTICS_ENABLED := False

.PHONY: run test test-fast bench bench-screen setup model clean help

run: setup model          ## open the studio on http://127.0.0.1:7860 with the demo data set
	@$(PY) app.py --port $(PORT)

test: $(VENV)/.test-installed model   ## run everything, Chromium included
	@sh tests/install_chromium.sh
	@$(PY) -m pytest tests -n 2 --dist loadfile

test-fast: $(VENV)/.test-installed    ## unit and contract tests only (under a minute)
	@$(PY) -m pytest tests -m "not browser and not slow" -n 2 --dist loadfile

bench: $(VENV)/.test-installed model  ## measure the scoring engine (some minutes; not a test)
	@$(PY) -m tests.bench

bench-screen: $(VENV)/.test-installed ## measure the screen at 158,000 and a million records in a real Chromium (about half an hour; not a test)
	@sh tests/install_chromium.sh
	@$(PY) -m tests.bench.screen

setup: $(VENV)/.installed

# Pillow 13 fixes JPEG decoder overflows; Gradio 6.31 still asks for <13 but works with it, hence the second step.
$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Align² Studio needs Python 3.11. Install it, or say where it is: make run PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up .venv (about 3 minutes, once) ..."
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements.txt
	@$(PIP) --no-deps pillow==13.0.0
	@touch $@

$(VENV)/.test-installed: $(VENV)/.installed requirements-test.txt requirements-ray.txt
	@$(PIP) -r requirements-test.txt
	@touch $@

model: setup              ## fetch and convert the embedded model (once; checked by sha256)
	@$(PY) -m pipeline.models.fetch

clean:                    ## remove the virtual environment (workspace and models stay)
	rm -rf $(VENV)

help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /	/'
