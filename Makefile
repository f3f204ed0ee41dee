# Everything here makes its own virtual environment first: it needs Python 3.11 with venv, and make.
# `make test` needs the registries of PyPI and npm too; node comes from the former.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find agentkeys daemon shell -type f -not -path '*/__pycache__/*')
# What needs more than Python and this checkout.
OTHER_TESTS := system clients shells browser examples
PYTEST := env -u PYTHONPATH $(BIN)/python -Im pytest

.PHONY: demo test test-system test-clients test-shells test-browser test-examples lint bench bench-fleet soak clean

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

# Needs Debian's bash-completion, fish, rclone and zsh.
test-shells: $(VENV)/installed
	$(PYTEST) tests/shells $(PYTEST_OPTIONS)

# Needs Debian's chromium and chromium-driver.
test-browser: $(VENV)/installed
	$(PYTEST) tests/browser $(PYTEST_OPTIONS)

# What is in examples/. Needs Debian's rclone and systemd, root for a systemd of its own, and the
# registries of PyPI and npm.
test-examples: $(VENV)/installed
	$(PYTEST) tests/examples $(PYTEST_OPTIONS)

lint: $(VENV)/installed
	$(BIN)/pip install --quiet --group lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/installed
	$(BIN)/python -I tests/bench/run.py

# Fourteen minutes; SOAK_OPTIONS="--minutes 1 --kills 10" for a first look.
soak: $(VENV)/installed
	$(BIN)/python -I tests/bench/soak.py $(SOAK_OPTIONS)

# What many daemons ask of one broker: a simulation with the real schedule, a minute long.
bench-fleet: $(VENV)/installed
	$(BIN)/python -I tests/bench/fleet.py

# The wheel that would be published, and what its tests need.
$(VENV)/installed: pyproject.toml README.md LICENSE $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	rm -rf dist
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/pip install --quiet --force-reinstall --no-deps dist/agentkeys-*.whl
	$(BIN)/pip install --quiet "$$(echo dist/agentkeys-*.whl)[sandbox]" --group test
	touch $@

clean:
	rm -rf $(VENV) .venv-clients .oidc-provider dist build .coverage* .pytest_cache .mypy_cache .ruff_cache
