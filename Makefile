# make run    create the environment, start the server on opensips_like.cfg
# make test   everything: unit tests, scenarios, the recordings of the reference
# make docs   the pages of the modules from their declarations;  make coverage-report  how many real scripts run whole
# make fast   compile the SIP room beside (build/fast), once after each change of it; make run and make bench do so when a C compiler is there
# make check  lint and types;  make bench  CPU per REGISTER and call, scripts, contacts (minutes);  make demo  a wake-up, message by message
PYTHON ?= python3
VENV := .venv
OPENSIPS_LIKE_CORPUS ?= ../shared/corpus
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ready
FAST := build/fast
# What mypyc compiles: everything else of the copy is the source as it is.
ROOM := $(wildcard engine/sip/*.py engine/transaction/*.py)
# FAST_RUN=no runs the sources themselves; so does a machine without a C compiler.
FAST_RUN ?= $(shell command -v cc >/dev/null 2>&1 && echo yes || echo no)

.PHONY: run test golden check docs coverage-report fast copy bench demo clean

$(STAMP): setup.cfg pyproject.toml
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --upgrade pip 2>/dev/null || true
	@$(PY) -m pip install --quiet --disable-pip-version-check -e ".[test]"
	@touch $@

run: $(STAMP) $(if $(filter yes,$(FAST_RUN)),copy)
	@$(VENV)/bin/opensips-like db create --if-missing sqlite:./run/registrations.sqlite
	@echo "Listening on 127.0.0.1:5060 (udp, tcp), management on http://127.0.0.1:8888/mi. Ctrl-C stops it."
	@echo "Next: in another terminal  make demo  shows a sleeping phone being woken for a call, message by message."
	@if [ "$(FAST_RUN)" = yes ] && [ -e $(FAST)/.compiled ]; then PYTHONPATH=$(FAST) exec $(PY) -P -m engine -F -f opensips_like.cfg; \
	else exec $(VENV)/bin/opensips-like -F -f opensips_like.cfg; fi

test: $(STAMP)
	@$(PY) -m pytest

golden: $(STAMP)
	@$(PY) -m pytest tests/golden

check: $(STAMP)
	@$(PY) -m ruff check --line-length 150 --select E,F,W,B --ignore B905,B008 --exclude tests/golden engine modules tests
	@$(PY) -m mypy

docs: $(STAMP)
	@$(PY) -m engine.manual docs

# A collection of scripts is not part of the repository; without one docs/coverage.md stays as it is.
coverage-report: $(STAMP)
	@$(PY) -m engine port --corpus "$(OPENSIPS_LIKE_CORPUS)" --output docs/coverage.md

$(FAST)/.compiled: $(ROOM) | $(STAMP)
	@echo "Compiling the SIP room (once, less than a minute; FAST_RUN=no does without) ..."
	@rm -rf $(FAST) && mkdir -p $(FAST) && cp -r engine modules $(FAST)/
	@cd $(FAST) && if $(abspath $(VENV))/bin/mypyc $(ROOM) > compile.log 2>&1; then touch .compiled; \
	else tail -5 compile.log; echo "not compiled; the sources run as they are"; fi
	@rm -rf $(FAST)/build

# The rest of the copy follows its sources at every start.
copy: $(FAST)/.compiled
	@cp -ru engine modules $(FAST)/

fast: copy
	@test -e $(FAST)/.compiled && echo "compiled copy in $(FAST)"

bench: $(STAMP) $(if $(filter yes,$(FAST_RUN)),copy)
	@$(PY) -m tests.bench.run
	@$(PY) -m tests.bench.bench_script
	@$(PY) -m tests.bench.bench_scale

demo: $(STAMP)
	@$(VENV)/bin/opensips-like demo

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
