# `make` shows what can be made. Everything happens inside .venv, which `make` builds itself.

# The first of these that runs and is new enough, or: make lab PYTHON=/path/to/python3.11
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(or $(shell for python in python3.11 python3.12 python3.13 python3; do \
	"$$python" -c "$(NEW_ENOUGH)" 2>/dev/null && echo "$$python" && break; done),python3)
BIN := .venv/bin

# For a machine without an NVIDIA GPU: make lab CPU=1 installs PyTorch's CPU build, on
# Linux without NVIDIA's libraries.
CPU ?=
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
CPU_TORCH = $(BIN)/python -m pip install --no-deps --index-url $(TORCH_INDEX) \
	$$(sed -nE 's/^(torch(==[0-9.]+)?)( .*)?$$/\1/p' requirements.txt)

.PHONY: help lab test test-all notebooks bench slides clean same-python

help:
	@echo "make lab        open the lessons in JupyterLab; at first, without an NVIDIA GPU: CPU=1"
	@echo "make test       run every notebook and the quick tests"
	@echo "make test-all   the same, then the slow tests"
	@echo "make notebooks  run the notebooks again and store their outputs; of one: LESSON=10"
	@echo "make bench      measure starts, lessons and servers; print ratios"
	@echo "make slides     show the lessons as slides: make slides LESSON=05"
	@echo "make clean      remove all that was generated, .venv too"

# More options for JupyterLab: make lab LAB_OPTIONS="--no-browser --port 8899"
lab: .venv/installed
	$(BIN)/jupyter lab --config config/jupyter_lab.py $(LAB_OPTIONS)

# The first lessons make what the others read; after them two run at a time.
FIRST_LESSONS = $(wildcard notebooks/0[0-4]_*.ipynb)
test: .venv/installed
	$(BIN)/python -m pytest --nbval $(FIRST_LESSONS)
	$(BIN)/python -m pytest --nbval --numprocesses 2 \
		$(addprefix --ignore=,$(FIRST_LESSONS))

test-all: test
	$(BIN)/python -m pytest -m slow

# Which lessons: make notebooks LESSON=10; make slides LESSON=05
LESSON ?=

# Without times and progress bars, and with each cell's output in one piece: what nbval compares.
notebooks: .venv/installed
	TQDM_DISABLE=1 $(BIN)/jupyter nbconvert --to notebook --execute --inplace \
		--ExecutePreprocessor.record_timing=False \
		--NotebookExporter.preprocessors=nbconvert.preprocessors.CoalesceStreamsPreprocessor \
		--CoalesceStreamsPreprocessor.enabled=True notebooks/$(or $(LESSON),[0-9])*.ipynb

bench: .venv/installed
	$(BIN)/python tests/bench.py

slides: .venv/installed
	$(BIN)/jupyter lab --config config/jupyter_lab.py $(LAB_OPTIONS) \
		--LabApp.default_url=/rise/$(wildcard notebooks/$(or $(LESSON),00)_*.ipynb)

clean:
	rm -rf .venv .pytest_cache .ruff_cache logs clinic key_file.json models/*.pth models/*.pth.* model_store/*.mar model_store/*.war
	find . -name __pycache__ -prune -exec rm -rf {} + -o -name .ipynb_checkpoints -prune -exec rm -rf {} +

# The mark is set last, so that an installation that was cut off is taken up again.
.venv/installed: requirements.txt constraints.txt | same-python
	@$(PYTHON) -c "$(NEW_ENOUGH)" 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not: install Python 3.11, then: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c "import venv, ensurepip" 2>/dev/null || { \
		echo "$(PYTHON) lacks the venv module: install it (Debian, Ubuntu: sudo apt install python3-venv), then run make again"; exit 1; }
	@$(PYTHON) -m venv .venv
	@echo "Installing the packages of requirements.txt into .venv: a few minutes, once."
	@{ $(if $(filter 1,$(CPU)),$(CPU_TORCH) &&) \
		$(BIN)/python -m pip install -r requirements.txt; } 2>.venv/pip-errors.txt || { \
		echo "pip could not install the packages: check the network, read .venv/pip-errors.txt, then run make again"; exit 1; }
	@touch $@

# An environment that stands is kept. Say so where another Python is asked for.
same-python:
ifneq ($(origin PYTHON),file)
	@made=$$($(BIN)/python -V 2>/dev/null) || exit 0; asked=$$($(PYTHON) -V 2>&1); \
		test "$${made%.*}" = "$${asked%.*}" || { \
		echo ".venv was made with $$made, and $(PYTHON) is $$asked: remove the folder .venv, then run make again"; exit 1; }
endif
