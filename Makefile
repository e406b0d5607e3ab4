# Everything that a developer runs. `make help` lists it; `make demo` and `make test` need Python >= 3.11, make and git only.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# What the demo needs, a third of what the checks need; modules are compiled as they are imported
RUNS := $(VENV)/.runs
TOOLED := $(VENV)/.tooled
# What the tests in the modeler need; where there is no npm they are skipped, and where it fails they say why
MODELER := tests/modeler/node_modules/.package-lock.json
# A current pip reads what is offered in half the time; with the build's tools beside it no further environment is made
# (hatchling builds this project; pyftpdlib comes as a source and needs setuptools).
QUIETLY := install --quiet --disable-pip-version-check --no-compile -c constraints.txt
TOOLS := $(QUIETLY) pip hatchling editables setuptools
# Tests run on all cores and two more: many wait for servers rather than for a processor.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 2)')

# Some images switch compiled modules off; every test process would then compile all of them again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo dev docs pictures test test-page test-cluster test-servers check collected generate released bench chaos feel-fuzz nightly sbom wsdl-corpus format lint types unit stale install clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUNS) ## Show the main job on the local engine: a REST call, a mail, an error caught, a mail that starts a process
	@$(BIN)/zeebe-connectors demo

dev: install ## Run engine, mail server and connectors; redeploy the diagrams of bpmn-examples/ as they change
	@$(BIN)/zeebe-connectors dev bpmn-examples

docs: install ## Build the documentation as a site in build/site, and refuse dead links and pages that nothing leads to
	$(BIN)/sphinx-build -W --keep-going -q -b html -c docs . build/site
	@echo "build/site/index.html"

pictures: install ## Take the pictures of README and docs anew, in the real modeler and of a run (needs Node and Chromium)
	$(BIN)/python -m tests.docs.pictures

test: ## Run every check: format, lint, types, generated files, unit, protocol servers, engine, Modeler
	@$(MAKE) --no-print-directory --jobs 2 install $(MODELER)
	@$(MAKE) --no-print-directory --jobs 2 format lint types stale collected
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not page"

test-page: install ## Look at every page of the operator's in a browser, in all states, sizes and colours; pictures in build/page
	$(BIN)/python -m pytest tests/admin/page tests/docs -m page

test-cluster: install ## Run the engine tests against your own cluster: ZEEBE_ADDRESS=host:26500 make test-cluster
	@test -n "$$ZEEBE_ADDRESS" || { echo "name the cluster's gateway: ZEEBE_ADDRESS=host:26500 make test-cluster"; exit 2; }
	$(BIN)/python -m pytest tests/integration -m "engine and not modeler" --engine "$$ZEEBE_ADDRESS"

check: install format lint types stale unit ## The quick checks: all but engine, Modeler and slow tests; tests run on all cores

test-servers: install ## Run the tests against servers of Debian's packages: it names those that are missing
	@for package in mariadb-server:mariadbd vsftpd:vsftpd openssh-server:sshd libcoap3-bin:coap-server-gnutls; do \
	  PATH=$$PATH:/usr/sbin command -v $${package#*:} >/dev/null || echo "missing: apt-get install $${package%:*}"; done
	@test -x var/proftpd/usr/sbin/proftpd || { mkdir -p var/proftpd && cd var/proftpd && \
	  apt-get download -qq proftpd-core proftpd-mod-crypto && for file in *.deb; do dpkg-deb -x $$file .; done; }
	@ldd var/proftpd/usr/sbin/proftpd | sed -n 's/^[[:space:]]*\(lib[^ ]*\) => not found/missing: the package of \1, for ProFTPD/p'
	@$(BIN)/python -c "import DTLSSocket, oracledb" 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[coaps,sql-oracle]'
	PROFTPD=$(CURDIR)/var/proftpd SERVERS=all $(BIN)/python -m pytest -m servers

format: install
	$(BIN)/ruff format --check .

lint: install
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

# Compiles all tests once and not in each test process, on the core that the types leave free
collected: install
	@found=$$($(BIN)/python -m pytest --collect-only -qq) || { echo "$$found"; exit 1; }

unit: install
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not engine and not modeler and not slow and not page" $(TESTS)

test-versions: ## Run the quick tests on Python 3.11 to 3.14, those that uv, pyenv or PATH has here; TESTS="…" for a part
	@$(PYTHON) tests/versions.py $(TESTS)

stale: install
	$(BIN)/python -m zeebe_connectors.templates --check

generate: install ## Write the element templates, the connectors' pages and the README's table anew
	$(BIN)/python -m zeebe_connectors.templates
	$(BIN)/python -m zeebe_connectors.feel.document

released: install ## Record the templates' versions as released: from then on a change to one needs a new version
	$(BIN)/python -m zeebe_connectors.templates --release

bench: install ## Measure beside bare workers: jobs, mails, SOAP calls, expressions; then mails that start processes
	$(BIN)/python benchmarks/run.py --rounds 5
	$(BIN)/python benchmarks/rpc.py
	$(BIN)/python benchmarks/growth.py
	@command -v valgrind >/dev/null && $(BIN)/python benchmarks/where_cpu_goes.py || $(BIN)/python benchmarks/where_cpu_goes.py --only calls
	$(BIN)/python benchmarks/smtp.py
	$(BIN)/python benchmarks/soap.py
	$(BIN)/python benchmarks/sql.py
	$(BIN)/python benchmarks/files.py
	$(BIN)/python benchmarks/feel.py
	$(BIN)/python -m benchmarks.inbound
	$(BIN)/python -m benchmarks.page  # plots in build/benchmarks

chaos: install ## Deliver mails while runtime, connections and engine are killed, and count the processes (long)
	$(BIN)/python -m tests.integration.inbound_chaos

feel-fuzz: install ## Compare random expressions with Camunda's own FEEL engine (needs a JVM)
	$(BIN)/python -m tests.feel.oracle.fuzz

sbom: install ## Write build/sbom.json (CycloneDX) and build/hashes.txt: what is installed beside us, with versions and hashes
	@mkdir -p build
	@test -x build/cyclonedx/bin/cyclonedx-py || { $(PYTHON) -m venv build/cyclonedx && \
	  build/cyclonedx/bin/pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0; }
	$(BIN)/pip install --dry-run --ignore-installed --quiet --disable-pip-version-check \
	  --report build/report.json -c constraints.txt '.[all]'
	$(BIN)/python benchmarks/hashes.py build/report.json > build/hashes.txt
	build/cyclonedx/bin/cyclonedx-py requirements build/hashes.txt --of JSON -o build/sbom.json

nightly: install ## The long checks: a gigabyte over SFTP and FTPES, the quick tests on uvloop, random and hostile inputs in full, `make chaos`
	$(BIN)/python benchmarks/files.py --mb 1024 --rounds 1
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --uvloop -m "not engine and not modeler and not slow and not page"
	FEEL_RANDOM=1000000 $(BIN)/python -m pytest tests/feel --timeout 0 -k random
	FUZZ_SECONDS=600 $(BIN)/python -m pytest tests/integration/hostile/test_random_inputs.py --timeout 0
	FULL_SIZES=1 $(BIN)/python -m pytest tests/integration/hostile tests/integration/test_worker_faults.py \
	  tests/engine/test_kill.py tests/connectors/smtp/test_once.py --deselect tests/integration/hostile/test_random_inputs.py
	$(BIN)/python -m tests.integration.inbound_chaos

wsdl-corpus: install ## Import WSDLs of many makes and call each operation against a service that answers by the schema
	$(BIN)/python -m tests.connectors.soap.corpus

install: $(INSTALLED)

$(TOOLED): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m pip --python $(BIN)/python $(TOOLS) 2>/dev/null || $(BIN)/python -m ensurepip >/dev/null
	@$(BIN)/python -m pip $(TOOLS)
	@touch $@

$(RUNS): $(TOOLED)
	@$(BIN)/python -m pip $(QUIETLY) --no-build-isolation -e '.[imap]'
	@touch $@

$(INSTALLED): $(TOOLED)
	@$(BIN)/python -m pip $(QUIETLY) --no-build-isolation -e '.[all]' --group dev
	@$(BIN)/python -m compileall -q src  # tests start many processes
	@touch $(RUNS) $@

$(MODELER): tests/modeler/package-lock.json
	@! command -v npm >/dev/null || { cd tests/modeler && npm ci --silent --no-audit --no-fund && touch ../../$@; } || true

clean: ## Remove what the commands above made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis var tests/modeler/node_modules
