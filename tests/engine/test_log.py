"""engine.log: lines, levels, targets, formats."""

import json
import os

from engine.log import DEBUG, ERROR, INFO, Line, LogRoot, facility_of
from tests.helpers import EPOCH, LineLog


def text_of(log: LineLog) -> str:
    log.flush()
    return "".join(log.lines)


def test_line_names_level_module_and_function() -> None:
    log = LineLog()
    log.bound("tm").error("no %s for %d", "route", 7)
    stamp = text_of(log)[:15]
    assert text_of(log) == f"{stamp} [{os.getpid()}] ERROR:tm:test_line_names_level_module_and_function: no route for 7\n"
    log.bound("x").warning("100% sure")
    assert text_of(log).endswith("WARNING:x:test_line_names_level_module_and_function: 100% sure\n")


def test_levels_follow_in_every_view() -> None:
    log = LineLog()
    view = log.bound("registrar")
    view.info("hidden")
    log.set_level(INFO)
    view.info("shown")
    view.debug("hidden")
    assert view.level == INFO
    log.set_level(None)
    view.info("hidden again")
    assert text_of(log).count("\n") == 1
    assert "shown" in text_of(log)


def test_xlog_has_its_own_level_and_adds_nothing() -> None:
    log = LineLog()
    log.xlog(2, "one ")
    log.xlog(ERROR, "two\n")
    log.xlog(DEBUG, "three\n")
    log.set_xlog_level(DEBUG)
    log.xlog(DEBUG, "four\n")
    lines = [line.partition("] ")[2] for line in log.lines]
    assert lines == ["NOTICE:one ", "ERROR:two\n", "DBG:four\n"]
    log.xlog_shows_level = False
    log.prefix = "node1:"
    log.xlog(2, "five\n")
    assert log.lines[-1].endswith("] node1:five\n")


def test_prefix_and_filter() -> None:
    log = LineLog()
    log.prefix = "edge:"
    log.stderror.level_filter = ERROR
    log.notice("hidden")
    log.error("shown")
    log.stderror.muted = True
    log.error("muted")
    assert text_of(log).endswith("] edge:ERROR:core:test_prefix_and_filter: shown\n")
    assert len(log.lines) == 1


def test_json_lines() -> None:
    log = LineLog()
    log.stderror.format = "json"
    log.bound("sl").error('said "%s"', "no")
    found = json.loads(text_of(log))
    assert found.pop("time")
    assert found == {
        "pid": os.getpid(), "level": "ERROR", "module": "sl", "function": "test_json_lines", "message": 'said "no"\n'}
    log.lines.clear()
    log.stderror.format = "json_cee"
    log.xlog(2, "text\n")
    assert text_of(log).startswith("@cee: {")
    assert json.loads(text_of(log)[6:])["message"] == "text\n"


def test_bytes_of_messages_come_out_as_they_were() -> None:
    read_end, write_end = os.pipe()
    log = LogRoot(write_end)
    log.xlog(2, b"caf\xc3\xa9\n".decode("latin-1"))
    log.error("not latin: \u4f60")
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        data = pipe.read()
    assert b"NOTICE:caf\xc3\xa9\n" in data
    assert "not latin: \u4f60".encode() in data


def test_buffered_lines_wait_for_the_turn_but_errors_do_not() -> None:
    later: list[object] = []
    log = LineLog()
    log.buffer_with(later.append)
    log.notice("one")
    log.notice("two")
    assert (len(later), log.lines) == (1, [])
    log.error("three")
    assert len(log.lines) == 3
    log.buffer_with(None)
    log.notice("four")
    assert len(log.lines) == 4


def test_events_are_raised_once_and_not_by_themselves() -> None:
    seen: list[Line] = []
    log = LineLog()

    def listener(line: Line) -> None:
        seen.append(line)
        log.error("inside")

    log.event.enabled = True
    log.on_event = listener
    log.error("outside")
    assert [line.text for line in seen] == ["outside"]
    assert seen[0].stamp == log.lines[0][:15]


def test_exceptions_show_the_way() -> None:
    log = LineLog()
    try:
        raise KeyError("x")
    except KeyError as error:
        log.bound("tm").exception(error, "unexpected")
    assert "ERROR:tm:test_exceptions_show_the_way: unexpected: KeyError: 'x'" in text_of(log)
    assert f"{__file__}:" in text_of(log)


def test_time_is_that_of_the_clock() -> None:
    moments = [EPOCH]
    log = LineLog(lambda: moments[0])
    log.error("a")
    moments[0] += 1
    log.error("b")
    assert log.lines[0][:15] != log.lines[1][:15]
    assert log.lines[0][:12] == log.lines[1][:12]


def test_facilities() -> None:
    assert facility_of("LOG_LOCAL0") is not None
    assert facility_of("LOG_WARNING") is None
