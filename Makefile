# Two commands do everything: `make demo` and `make test`.
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= python3

# processes that tests start read the compiled package, also where the environment forbids to write it
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test slow lint docs package bench clean

demo: $(VENV)/.installed
	$(BIN)/ncp search --tasks seg,cls-50-1000,video --max-gmacs 4 --out out

test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

slow: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "slow and not alone"
	$(BIN)/python -m pytest -m "slow and alone"

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

package: $(VENV)/.installed
	.ci/package $(abspath $(BIN))/python

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) out build
