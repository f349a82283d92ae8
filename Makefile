# Every command a person or CI needs; `make` lists them. Each sets up what it needs first.
PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
READY  := $(VENV)/.runs
# One more than there are processors: half of the tests' time is waiting for processes and timers.
WORKERS ?= $(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 1)))

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint fmt type bench proto crds verify wheel clean cluster-up cluster-down images e2e e2e-install e2e-kinds e2e-mesh bench-cluster

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make a virtual environment with everything installed

$(STAMP): $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[server]' --group test --group lint --group proto
	@touch $@

# What runs the examples: a third of the whole, and whoever asks for the demo is waiting for it.
$(READY): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.11 or newer, or say PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group examples
	@touch $@

demo: $(READY) ## tune a real model on real data: 20 trials, 4 at a time, with a live table
	PATH="$(abspath $(BIN)):$$PATH" katib run examples/quickstart/experiment.yaml --replace

test: setup ## run all tests
	$(BIN)/python -m pytest -n $(WORKERS)

lint: setup ## formatting, lint rules, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

fmt: setup ## format the code and apply safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: setup ## types only
	$(BIN)/mypy

CLUSTER := $(BIN)/python tests/cluster/cluster

cluster-up: setup ## bring up a real Kubernetes on this machine (Linux, root, Go 1.26; 7 minutes the first time) with our images
	@$(CLUSTER) up --images

cluster-down: setup ## end that Kubernetes; binaries and images stay
	@$(CLUSTER) down

images: setup ## build the container images (buildah, podman or docker); KATIB_IMAGE_PREFIX and KATIB_IMAGE_TAG name them
	@$(CLUSTER) images

e2e: setup ## run the tests that need a cluster: on KUBECONFIG's, or on this machine's, which it brings up
	KATIB_E2E=1 $(BIN)/python -m pytest -n 2 --dist loadfile tests/cluster

INSTALL_TESTS := tests/cluster/test_install*.py tests/cluster/test_foreign_definitions.py tests/cluster/test_network_policies.py
e2e-install: setup ## install every overlay on that cluster, with databases, certificates and NetworkPolicies: 15 minutes
	KATIB_E2E=1 KATIB_E2E_INSTALL=1 $(BIN)/python -m pytest -n 0 $(INSTALL_TESTS)

e2e-mesh: setup ## run trials and servers with Istio's proxies, native and classic, which are built first: 25 minutes, and 5 after that
	KATIB_E2E=1 KATIB_E2E_INSTALL=1 $(BIN)/python -m pytest -n 0 tests/cluster/test_istio.py

e2e-kinds: setup ## run trials by the controllers of other kinds of jobs (Kubeflow's, JobSet, KubeRay, Kueue), which are built first: 15 minutes
	KATIB_E2E=1 KATIB_E2E_KINDS=1 $(BIN)/python -m pytest -n 0 tests/cluster/test_kinds*.py

bench-cluster: setup ## measure the figures promised for Kubernetes, on the same cluster
	KATIB_E2E=1 $(BIN)/python tests/cluster/bench.py

bench: setup ## measure every figure the project promises and print them as one table
	$(BIN)/python tests/benchmarks/run.py

proto: setup ## make the messages of katib.rpc anew from proto/
	$(call protoc,proto/katib/v1beta1,api,v1beta1)
	$(call protoc,proto/katib/v1,request_parts,request_parts)
	$(call protoc,proto/katib/v1,store,store_v1)
	$(call protoc,proto/katib/v1,experiment,experiments_v1)

# folder, file and the name it has in katib.rpc
define protoc
	$(BIN)/python -m grpc_tools.protoc --proto_path=$(1) --include_imports --descriptor_set_out=katib/rpc/$(3).binpb --pyi_out=katib/rpc $(2).proto
	mv katib/rpc/$(2)_pb2.pyi katib/rpc/$(3).pyi
endef

crds: setup ## make the definitions of the custom resources anew from katib/api
	$(BIN)/python -m katib.api.crd deploy/crds

verify: proto crds ## check that everything generated is what its source says
	git diff --exit-code -- katib/rpc deploy/crds

wheel: setup ## build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## remove what these commands made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
