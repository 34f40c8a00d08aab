# Every target makes .venv itself where it is missing or older than its lock.
PYTHON ?= python3
READY := .venv/.ready
RUN := .venv/bin/

.PHONY: demo test test-all check bench bench-serving format clean

demo: $(READY)
	$(RUN)python examples/demo.py

test: $(READY)
	$(RUN)python -m pytest -n 2 --dist worksteal -m "not slow"

# The contract in processes of its own: the largest networks need the memory that others have not given back.
test-all: $(READY)
	$(RUN)python -m pytest -n 2 --dist worksteal -m "not contract"
	$(RUN)python -m pytest -n 2 --dist worksteal -m contract

check: $(READY)
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy

bench: $(READY)
	$(RUN)python -m benchmarks

# PEERS=mosec,fastapi or PEERS=all measures those as well, in environments made first.
bench-serving: $(READY)
	$(if $(PEERS),-$(RUN)python -m benchmarks.serving.peers)
	$(RUN)python -m benchmarks.serving

format: $(READY)
	$(RUN)ruff check --fix .
	$(RUN)ruff format .

clean:
	rm -rf .venv

$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(RUN)python -m pip install --quiet --require-hashes -r requirements/dev.txt
	PYTHONWARNINGS=ignore $(RUN)python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@
