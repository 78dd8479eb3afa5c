# make run    create the environment, start the server on opensips_like.cfg
# make test   everything: unit tests, scenarios, the recordings of the reference
# make docs   the pages of the modules from their declarations;  make coverage-report  how many real scripts run whole
# make check  lint and types;  make bench  CPU per REGISTER and per call;  make demo  a wake-up, message by message
PYTHON ?= python3
VENV := .venv
OPENSIPS_LIKE_CORPUS ?= ../shared/corpus
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ready

.PHONY: run test golden check docs coverage-report bench demo clean

$(STAMP): setup.cfg pyproject.toml
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --upgrade pip 2>/dev/null || true
	@$(PY) -m pip install --quiet --disable-pip-version-check -e ".[test]"
	@touch $@

run: $(STAMP)
	@mkdir -p run
	@echo "Listening on 127.0.0.1:5060 (udp, tcp), management on http://127.0.0.1:8888/mi. Ctrl-C stops it."
	@echo "Next: in another terminal  make demo  shows a sleeping phone being woken for a call, message by message."
	@exec $(VENV)/bin/opensips-like -F -f opensips_like.cfg

test: $(STAMP)
	@$(PY) -m pytest

golden: $(STAMP)
	@$(PY) -m pytest tests/golden

check: $(STAMP)
	@$(PY) -m ruff check engine modules tests
	@$(PY) -m mypy

docs: $(STAMP)
	@$(PY) -m engine.manual docs

# A collection of scripts is not part of the repository; without one docs/coverage.md stays as it is.
coverage-report: $(STAMP)
	@$(PY) -m engine port --corpus "$(OPENSIPS_LIKE_CORPUS)" --output docs/coverage.md

bench: $(STAMP)
	@$(PY) -m tests.bench.run

demo: $(STAMP)
	@$(VENV)/bin/opensips-like demo

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
