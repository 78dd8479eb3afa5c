"""benchmark: figures, log lines, MI."""

from __future__ import annotations

import re

import pytest

from engine.errors import ConfigErrors, MiError
from modules.benchmark import Figures
from tests.helpers import Harness, make_request
from tests.modules.small_parts import script, show

BODY = 'bm_log_timer("t"); bm_start_timer("t"); $var(x) = 1; bm_log_timer("t"); ' + show("$BM_time_diff")


def test_figures() -> None:
    figures = Figures()
    assert str(figures) == "0/0/0/0/0.000000"
    for took in (5, 2, 9):
        figures.add(took)
    assert str(figures) == "3/16/2/9/5.333333"


def test_log_line_every_second_time() -> None:
    with Harness(script("benchmark", BODY, {"benchmark.enable": 1, "benchmark.granularity": 2})) as server:
        for number in range(1, 4):
            server.send(make_request(call_id=f"c{number}"))
        lines = [line for line in server.log if "benchmark (timer t [0])" in line]
        assert len(lines) == 2 and "INFO" in lines[0]
        assert re.search(r"LR: 2/\d+/\d+/\d+/\d+\.\d{6} \| GB: 2/", lines[0])


def test_one_timer_by_mi() -> None:
    with Harness(script("benchmark", BODY, {"benchmark.granularity": 0})) as server:
        server.send(make_request())
        assert server.mi("bm_poll_results") == {"Timers": [{"name": "t", "global": "0/0/0/0/0.000000",
            "local": "0/0/0/0/0.000000"}]}
        assert server.mi("bm_enable_timer", ["t", 1]) == "OK"
        server.send(make_request(call_id="two"))
        assert server.mi("bm_poll_results")["Timers"][0]["local"].startswith("1/")
        polled = server.mi("bm_poll_results")["Timers"][0]
        assert polled["global"].startswith("1/") and polled["local"].startswith("0/")
        assert server.mi("bm_enable_global", ["-1"]) == "OK" and server.mi("bm_loglevel", ["4"]) == "OK"
        assert server.mi("bm_granularity", [5]) == "OK"
        for command, params in (("bm_poll_results", None), ("bm_enable_timer", ["x", 1]), ("bm_enable_global", [2]),
            ("bm_loglevel", [9]),
                                ("bm_granularity", [-1])):
            with pytest.raises(MiError):
                server.mi(command, params)


def test_a_long_name_is_refused() -> None:
    with pytest.raises(ConfigErrors, match="name of a timer"):
        Harness(script("benchmark", f'bm_start_timer("{"x" * 40}");'))
