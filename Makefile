# The two commands that matter: `make run` and `make test`.

PYTHON ?= python3
BUS ?= embedded
VENV := .venv
HUB := $(VENV)/bin/alliance-hub
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet

# The tests wait more than they work, so two at a time; those of one file stay together and in their order.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder

# What is kept belongs to its bus, so each has a state of its own.
ifeq ($(BUS),embedded)
STATE ?= state/embedded
BUS_OPTION :=
else
STATE ?= state/kafka
BUS_OPTION := --bus kafka://127.0.0.1:9092
endif

.PHONY: run test test-long test-containers bench chaos soak kafka lock clean

run: $(VENV)/.run ## Run the whole hub on stand-ins of three forces' systems
ifdef FRESH
ifneq ($(BUS),embedded)
	@echo "To start anew on Kafka, stop the broker and start it with: make kafka FRESH=1"; exit 2
endif
	rm -rf $(STATE)
endif
	@exec $(HUB) demo --state $(STATE) $(BUS_OPTION) $(ARGS)

test: $(VENV)/.dev ## Lint, type-check and test
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

test-long: $(VENV)/.dev ## Run what takes long: faults around a broker, a guarded Kafka
	$(VENV)/bin/python -m pytest -m long --ignore tests/containers $(ARGS)

test-containers: $(VENV)/.dev ## Build the images, start docker-compose.yml on a Docker engine, restart all of it
	$(VENV)/bin/python -m pytest -m long tests/containers $(ARGS)

bench: $(VENV)/.dev ## Measure rate and CPU time a record
	$(VENV)/bin/python -m tests.bench $(ARGS)

chaos: $(VENV)/.dev ## Kill the hub at random, on both buses and stores, and compare the view with the truth
	$(VENV)/bin/python -m tests.chaos $(if $(FAULTS),--faults $(FAULTS)) $(if $(STORE),--store $(STORE)) \
		$(if $(SEED),--seed $(SEED)) $(if $(filter-out file,$(origin BUS)),--bus $(BUS)) $(ARGS)

soak: $(VENV)/.dev ## Run the hub under steady load for an hour; a chart and a verdict on what must stay flat
	$(VENV)/bin/python -m tests.soak $(ARGS)

kafka: $(VENV)/.run ## Start a Kafka broker for trying the hub on it (needs Java and Maven)
	@exec $(VENV)/bin/python deploy/kafka/broker.py --data state/broker \
		$(if $(FRESH),--forget state/broker --forget state/kafka)

lock: $(VENV)/.dev ## Pin every dependency anew
	$(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate --upgrade --extra build pyproject.toml -o requirements.lock
	$(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate --upgrade --extra build --extra dev pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) state dist build

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Alliance Hub needs Python 3.11 or newer; name one with PYTHON=…"; exit 3; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
