# make run    create the environment, start the server on opensips_like.cfg
# make test   everything: unit tests, scenarios, the recordings of the reference
# make docs   the pages of the modules from their declarations;  make coverage-report  how many real scripts run whole
# make fast   compile the SIP room beside (build/fast): half the CPU per message; make run uses it while it is up to date
# make check  lint and types;  make bench  CPU per REGISTER and per call;  make demo  a wake-up, message by message
PYTHON ?= python3
VENV := .venv
OPENSIPS_LIKE_CORPUS ?= ../shared/corpus
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ready
FAST := build/fast
# The compiled copy counts only while no source file is newer than it.
FRESH = $(shell test -e $(FAST)/.built && test -z "$$(find engine modules -name '*.py' -newer $(FAST)/.built -print -quit)" && echo $(FAST))

.PHONY: run test golden check docs coverage-report bench demo clean

$(STAMP): setup.cfg pyproject.toml
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --upgrade pip 2>/dev/null || true
	@$(PY) -m pip install --quiet --disable-pip-version-check -e ".[test]"
	@touch $@

run: $(STAMP)
	@$(VENV)/bin/opensips-like db create --if-missing sqlite:./run/registrations.sqlite
	@echo "Listening on 127.0.0.1:5060 (udp, tcp), management on http://127.0.0.1:8888/mi. Ctrl-C stops it."
	@echo "Next: in another terminal  make demo  shows a sleeping phone being woken for a call, message by message."
	@if [ -n "$(FRESH)" ]; then PYTHONPATH=$(FRESH) exec $(PY) -P -m engine -F -f opensips_like.cfg; \
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

fast: $(STAMP)
	@rm -rf $(FAST) && mkdir -p $(FAST) && cp -r engine modules $(FAST)/
	@cd $(FAST) && $(abspath $(VENV))/bin/mypyc engine/sip/*.py engine/transaction/*.py > compile.log 2>&1 || { tail -20 compile.log; exit 1; }
	@rm -rf $(FAST)/build && touch $(FAST)/.built && echo "compiled copy in $(FAST)"

bench: $(STAMP)
	@$(PY) -m tests.bench.run

demo: $(STAMP)
	@$(VENV)/bin/opensips-like demo

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
