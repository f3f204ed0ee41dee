# Everything here makes its own virtual environment first: it needs Python 3.11 with venv, and make.
# `make test` needs the registries of PyPI and npm too; node comes from the former.
# How the lock files in requirements/ are made and used: CONTRIBUTING.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find agentkeys daemon shell -type f -not -path '*/__pycache__/*')
# What the environment always has.
LOCKS := build runtime sandbox test
# What needs more than Python and this checkout.
OTHER_TESTS := system clients shells browser examples
PYTEST := env -u PYTHONPATH $(BIN)/python -Im pytest
PIP := $(BIN)/python -Im pip --disable-pip-version-check
# What a lock names, byte for byte; a wheel runs no code where it is installed.
INSTALL := $(PIP) install --quiet --require-hashes --only-binary :all:

.PHONY: demo test test-system test-clients test-shells test-browser test-examples lint fuzz bench bench-fleet soak
.PHONY: lock lock-check audit dist clean

demo: $(VENV)/installed
	$(BIN)/agentkeys demo

test: $(VENV)/installed
	$(PYTEST) --cov --cov-report=term:skip-covered $(OTHER_TESTS:%=--ignore=tests/%) $(PYTEST_OPTIONS)

# Needs Debian's gnome-keyring, dbus and systemd, and root for the tests with a second user.
test-system: $(VENV)/installed
	$(PYTEST) tests/system $(PYTEST_OPTIONS)

# Real clients, each in an environment of its own under .venv-clients, and the README's table.
# Needs Debian's awscli, nodejs, npm, rclone, restic and s3cmd, and the registries of PyPI and npm.
test-clients: $(VENV)/installed
	$(PYTEST) tests/clients $(PYTEST_OPTIONS)

# Needs Debian's bash-completion, fish, jq, rclone and zsh.
test-shells: $(VENV)/installed
	$(PYTEST) tests/shells $(PYTEST_OPTIONS)

# Needs Debian's chromium and chromium-driver.
test-browser: $(VENV)/installed
	$(PYTEST) tests/browser $(PYTEST_OPTIONS)

# What is in examples/. Needs Debian's rclone and systemd, root for a systemd of its own, and the
# registries of PyPI and npm.
test-examples: $(VENV)/installed
	$(PYTEST) tests/examples $(PYTEST_OPTIONS)

lint: $(VENV)/installed $(VENV)/lint.locked lock-check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Ten minutes, on Linux on x86-64; FUZZ_OPTIONS="--seconds 60" for a first look.
fuzz: $(VENV)/installed $(VENV)/fuzz.locked
	$(BIN)/python -I tests/fuzz/run.py $(FUZZ_OPTIONS)

bench: $(VENV)/installed
	$(BIN)/python -I tests/bench/run.py

# Fourteen minutes; SOAK_OPTIONS="--minutes 1 --kills 10" for a first look.
soak: $(VENV)/installed
	$(BIN)/python -I tests/bench/soak.py $(SOAK_OPTIONS)

# What many daemons ask of one broker: a simulation with the real schedule, a minute long.
bench-fleet: $(VENV)/installed
	$(BIN)/python -I tests/bench/fleet.py

# Makes the locks anew after a change of pyproject.toml; LOCK_OPTIONS=--upgrade takes newer versions.
lock: $(VENV)/locked
	$(BIN)/python -I tools/lock.py $(LOCK_OPTIONS)

# Needs no network.
lock-check: $(VENV)/locked
	$(BIN)/python -I tools/lock_check.py

# Fails with 75, which make shows, where no advisories can be had.
audit: $(VENV)/audit.locked
	$(BIN)/python -I tools/audit.py

# What would be published, with its bill of materials and sums: the same bytes wherever it is made.
dist: $(VENV)/locked
	$(BIN)/python -I tools/dist.py

# The wheel that would be published.
$(VENV)/installed: $(VENV)/locked pyproject.toml README.md LICENSE $(SOURCES)
	rm -rf $(VENV)/wheel
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir $(VENV)/wheel .
	$(PIP) install --quiet --force-reinstall --no-deps $(VENV)/wheel/agentkeys-*.whl
	$(PIP) check
	touch $@

# What builds it, what it needs, and what its tests need; pip first, since it installs the rest.
$(VENV)/locked: $(LOCKS:%=requirements/%.txt)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --requirement requirements/build.txt
	$(INSTALL) $(LOCKS:%=--requirement requirements/%.txt)
	touch $@

$(VENV)/%.locked: requirements/%.txt $(VENV)/locked
	$(INSTALL) --requirement $<
	touch $@

clean:
	rm -rf $(VENV) .venv-clients .oidc-provider dist build .coverage* .pytest_cache .mypy_cache .ruff_cache
