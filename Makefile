# make demo   try Conductor on a sample project, with a scripted worker
# make test   run the tests
# The first interpreter that really runs and is new enough: a pyenv shim may be there and lead nowhere.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -m "not network and not slow"

.PHONY: demo test lint format clean

demo: $(VENV)/.installed
	@$(BIN)/conductor demo || test $$? -eq 3  # a demo that is paused is no failure

test: $(VENV)/.installed-dev
	$(BIN)/pytest -n 2 $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Conductor into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV)

# make bench   measure Conductor next to mini-swe-agent (about ten minutes); see benchmarks/README.md
.PHONY: bench
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.kills
	$(BIN)/python -m benchmarks.steps
	$(BIN)/python -m benchmarks.memory

# make mutants   make small mistakes in the views and in what asks you, one by one, and name those no test notices (one to two hours; name modules for less)
.PHONY: mutants
mutants: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.mutants

# make test-views   hold views against ast: the whole standard library, litellm and pydantic (some minutes)
.PHONY: test-views
test-views: $(VENV)/.installed-dev
	CONDUCTOR_ALL_FILES=1 $(BIN)/pytest -n 2 tests/views

# make test-local API_BASE=http://127.0.0.1:11434/v1 MODEL=openai/qwen2.5-coder   try a model that you serve yourself
.PHONY: test-local
test-local: $(VENV)/.installed-dev
	CONDUCTOR_LOCAL_API_BASE="$(API_BASE)" CONDUCTOR_LOCAL_MODEL="$(MODEL)" $(BIN)/pytest tests/local
