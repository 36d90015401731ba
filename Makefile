# Every task of a checkout, one command each. Needs Python 3.11 or newer and a package registry; writes only below this
# directory (.venv, .treesync, .cache).
#
#   make run                the server with a demo tree on http://127.0.0.1:8000 (PORT=… overrides)
#   make test               every test
#   make lint types         ruff, mypy
#   make simulate SEEDS=N   N seeds of the simulation, from FIRST on, for a night
#   make storm OPS=n        one queue replayed from everywhere at once, for a night
#   make torture SCHEDULES=n SEED=s INSTANCES=i   kills, cuts, freezes and restored backups around real processes, for a night
#   make drill DRILL=name TIMES=n SEED=s   one kind of trouble, many times over (tests/torture/drills.py has the names)
#   make reconnect-storm CLIENTS=n     clients that lose their server at once, and come back
#   make soak MINUTES=n     ordinary work for so long: what grows?  (480 for a night; samples in .cache/soak)
#   make fuzz FRAMES=n      hostile frames and messages, for a night; GUIDED=s follows coverage besides (atheris)
#   make probes N=n         attempts to reach another tenant's things, for a night
#   make bench              the benchmarks, 20 minutes; writes benchmarks/RESULTS.md and its plots
#   make bench-quick        the same, few and short, 5 minutes; writes .cache/benchmarks
#   make bench-peers        the same load on y-websocket and pycrdt-websocket; needs Node
#   make lock               requirements.lock from what is installed, after the tests passed with it
#   make sbom               dist/treesync.cdx.json, the bill of materials of a release (CycloneDX)
#   make audit              asks the advisory databases about every locked version; fails where it cannot ask
#   make clean              removes what the others made; the data in .treesync stays

PORT ?= 8000
SEEDS ?= 500
OPS ?= 100000
FIRST ?= 0
SCHEDULES ?= 20
INSTANCES ?= 2
DRILL ?= unknown-commits
TIMES ?= 100
SEED ?= 0
CLIENTS ?= 2000
MINUTES ?= 20
FRAMES ?= 100000
GUIDED ?=
N ?= 100000
# pytest workers; a file stays with one worker, so that its server is started once, and the longest come first
# (tests/ordering.py), which pytest-xdist's own order would undo
WORKERS ?= 2
TESTS ?= tests

# LOCKED=1: install the exact versions of requirements.lock
LOCKED ?=

# the first of these that is 3.11 or newer
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)

VENV := .venv
BIN := $(VENV)/bin
# not compiled at once: that takes a third of the time, and most modules are never imported
PIP := PIP_CACHE_DIR=$(CURDIR)/.cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --no-compile \
	$(if $(LOCKED),--constraint requirements.lock)

.PHONY: run test lint types format simulate storm torture drill reconnect-storm soak fuzz probes bench bench-quick bench-peers lock sbom audit clean install

run: export PORT := $(PORT)
run: $(VENV)/.run
	$(BIN)/treesync serve --demo

test: $(VENV)/.dev
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=25 $(TESTS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

simulate: $(VENV)/.dev
	$(BIN)/python -m tests.simulation --first $(FIRST) --seeds $(SEEDS)

storm: $(VENV)/.dev
	$(BIN)/python -m tests.simulation --replay-storm --ops $(OPS) --seed $(SEED)

torture: $(VENV)/.dev
	$(BIN)/python -m tests.torture --schedules $(SCHEDULES) --seed $(SEED) --instances $(INSTANCES)

drill: $(VENV)/.dev
	$(BIN)/python -m tests.torture.drills $(DRILL) --times $(TIMES) --seed $(SEED)

reconnect-storm: $(VENV)/.dev
	$(BIN)/python -m tests.reconnect --clients $(CLIENTS)

soak: $(VENV)/.dev
	$(BIN)/python -m tests.soak --minutes $(MINUTES)

fuzz: $(VENV)/.dev
	$(if $(GUIDED),$(PIP) 'atheris>=3.1')
	$(BIN)/python -m tests.fuzz --frames $(FRAMES) --seed $(SEED) $(if $(GUIDED),--guided $(GUIDED))

probes: $(VENV)/.dev
	$(BIN)/python -m tests.probes --probes $(N) --seed $(SEED)

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

# installs peers below .cache with pip and npm
bench-peers: $(VENV)/.dev
	$(BIN)/python -m benchmarks.peers_yjs

bench-quick: $(VENV)/.dev
	$(BIN)/python -m benchmarks --quick

lock: $(VENV)/.dev
	mkdir -p .cache
	$(BIN)/python -m supply lock > .cache/requirements.lock
	mv .cache/requirements.lock requirements.lock

sbom: $(VENV)/.dev
	mkdir -p dist
	$(BIN)/python -m supply bill > dist/treesync.cdx.json

# in an environment of its own: what it needs is no part of the project
audit: $(VENV)/.dev .cache/audit/bin/pip-audit
	$(BIN)/python -m supply audit .cache/audit/bin/pip-audit

.cache/audit/bin/pip-audit:
	$(PYTHON) -m venv .cache/audit
	.cache/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit

install: $(VENV)/.dev

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is as old as the last installation, which is repeated when the list of dependencies has changed.
$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "treesync needs Python 3.11 or newer with venv; set PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip  # the one that comes with Python 3.11 takes twice as long for all that follows
	touch $@

$(VENV)/.run: pyproject.toml | $(VENV)/.made
	$(PIP) --editable '.[local]'
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.made
	$(PIP) --editable '.[dev]'
	touch $(VENV)/.run $@
