# The whole developer interface; continuous integration calls the same targets.
PYTHON := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: check test acceptance protos docs run fmt

check: .venv/bin/ruff
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	python -m protos.generate --check
	buf lint
	buf breaking --against protos/baseline.binpb

test:
	python3 -m splitkeep test

acceptance: .venv/bin/ruff
	python -m tests.acceptance.run
	$(MAKE) docs

protos: .venv/bin/ruff
	python -m protos.generate

docs: .venv/bin/ruff
	python -m tests.architecture.reference_pages

run:
	python3 -m splitkeep dev

fmt: .venv/bin/ruff
	ruff format .
	ruff check --fix .

.venv/bin/ruff:
	python3 -m splitkeep setup
