# make demo     sets everything up and runs the main job (real accidents through a real gateway)
# make test     sets everything up and passes all tests (under 10 minutes)
# make browser  finds or installs Chromium, which the dashboard's tests look through (`CHROMIUM=/path` for another)
# make install  the .venv alone
# make bench    the serving benchmark, peers beside us (an hour; see benchmarks/README.md)
# make check    lint, types, layers

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV := $(shell command -v uv 2>/dev/null)
JOBS ?= 2
CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome google-chrome-stable,$(shell command -v $(name))))
export CHROMIUM

.PHONY: install browser demo test test-slow bench check format proto docs clean

install: $(STAMP)

$(STAMP): pyproject.toml
ifneq ($(UV),)
	test -x $(BIN)/python || $(UV) venv -q --python $(PYTHON) $(VENV)
	VIRTUAL_ENV=$(abspath $(VENV)) $(UV) pip install -q --compile-bytecode -e '.[dev]'
else
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
endif
	touch $@

browser:
ifneq ($(CHROMIUM),)
	@echo "The dashboard is looked at through $(CHROMIUM)"
else
	@test "$$(id -u)" = 0 && command -v apt-get >/dev/null || { \
	  echo "No Chromium here. Install one (Debian: sudo apt-get install chromium), or say where it is: make $(MAKECMDGOALS) CHROMIUM=/path"; \
	  exit 1; }
	apt-get update -q && apt-get install -qy --no-install-recommends chromium
endif

demo: install
	$(BIN)/tidegate demo

check: install
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
ifeq ($(CHROMIUM),)
	@printf '\n*** NO CHROMIUM: the dashboard is NOT tested in a browser. `make browser` installs one. ***\n\n'
endif
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadgroup

test-slow: install
	$(BIN)/python -m pytest -m slow --timeout 1800

bench: install
	$(BIN)/python -m benchmarks.serving

format: install
	$(BIN)/ruff check --fix src tests benchmarks examples
	$(BIN)/ruff format src tests benchmarks examples

docs: install
	$(BIN)/python -m tidegate.cli.reference docs/reference

proto: install
	$(BIN)/python -m tidegate.gateway.grpc.regenerate

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
