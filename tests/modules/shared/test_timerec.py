"""Time recurrences: fields, units, lists, operators."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.shared.timerec import parse_expression, parse_recurrence


def at(text: str) -> float:
    """Seconds of 2021-01-04 08:00 in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


WORK = "UTC|20210104T080000|20210104T180000||WEEKLY|20211231T180000||MO,TU,WE,TH,FR"
LUNCH = "UTC|20210104T120000|20210104T140000||WEEKLY|||MO,TU,WE,TH,FR"


@pytest.mark.parametrize("text, moment, matches", [
    ("UTC|20200101T000000|20200102T000000", "2020-01-01 00:00", True),
    ("UTC|20200101T000000|20200102T000000", "2020-01-02 00:00", False),
    ("UTC|20200101T000000||P1D", "2020-01-01 23:59:59", True),
    ("UTC|20200101T000000||P1DT1H", "2020-01-02 00:59", True),
    ("UTC|20200101T000000||30m", "2020-01-01 00:30", False),
    ("UTC|20200101T000000", "2035-01-01", True),
    ("UTC|20200101T000000", "2019-12-31 23:59", False),
    (WORK, "2021-06-01 12:00", True), (WORK, "2021-06-01 07:59", False), (WORK, "2021-06-05 12:00", False),
    (WORK, "2022-01-03 12:00", False), (WORK, "2021-06-01 18:00", False),
    ("UTC|20210101T220000|20210102T060000||DAILY", "2021-03-01 23:00", True),
    ("UTC|20210101T220000|20210102T060000||DAILY", "2021-03-01 05:59", True),
    ("UTC|20210101T220000|20210102T060000||DAILY", "2021-03-01 06:00", False),
    ("UTC|20210101T000000|20210102T000000||DAILY||2", "2021-01-03 12:00", True),
    ("UTC|20210101T000000|20210102T000000||DAILY||2", "2021-01-04 12:00", False),
    ("UTC|20210104T000000|20210105T000000||WEEKLY||2|MO", "2021-01-18 12:00", True),
    ("UTC|20210104T000000|20210105T000000||WEEKLY||2|MO", "2021-01-11 12:00", False),
    ("UTC|20210104T170000|20210108T090000||WEEKLY", "2021-02-10 12:00", True),
    ("UTC|20210104T170000|20210108T090000||WEEKLY", "2021-02-08 16:00", False),
    ("UTC|20210104T170000|20210108T090000||WEEKLY", "2021-02-12 09:00", False),
    ("UTC|20210108T170000|20210111T080000||WEEKLY", "2021-02-14 12:00", True),
    ("UTC|20210108T170000|20210111T080000||WEEKLY", "2021-02-10 12:00", False),
    ("UTC|20210101T000000|20210102T000000||MONTHLY|||1MO", "2021-02-01 12:00", True),
    ("UTC|20210101T000000|20210102T000000||MONTHLY|||1MO", "2021-02-08 12:00", False),
    ("UTC|20210101T000000|20210102T000000||MONTHLY|||-1FR", "2021-02-26 12:00", True),
    ("UTC|20210101T000000|20210102T000000||MONTHLY|||MO", "2021-02-15 12:00", True),
    ("UTC|20210101T000000|20210102T000000||MONTHLY||||-1", "2021-02-28 12:00", True),
    ("UTC|20210101T000000|20210102T000000||MONTHLY||||-1", "2021-03-28 12:00", False),
    ("UTC|20210110T000000|20210120T000000||MONTHLY", "2021-05-15 12:00", True),
    ("UTC|20210110T000000|20210120T000000||MONTHLY", "2021-05-20 12:00", False),
    ("UTC|20210101T000000|20210102T000000||YEARLY||||||1,-1|6", "2021-06-01", False),
    ("UTC|20210101T000000|20210102T000000||DAILY||||||| 6,-1", "2021-12-24 12:00", True),
    ("UTC|20210101T000000|20210102T000000||DAILY||||1,-1", "2021-12-31 12:00", True),
    ("America/New_York|20210104T090000|20210104T170000||DAILY", "2021-07-01 13:30", True),
    ("America/New_York|20210104T090000|20210104T170000||DAILY", "2021-07-01 12:30", False),
    ("America/New_York|20210104T090000|20210104T170000||DAILY", "2021-01-05 14:30", True),
])
def test_recurrences(text: str, moment: str, matches: bool) -> None:
    assert parse_recurrence(text).matches(at(moment)) is matches


@pytest.mark.parametrize("text, moment, matches", [
    (f"{WORK} & !{LUNCH}", "2021-06-01 11:00", True), (f"{WORK} & !{LUNCH}", "2021-06-01 13:00", False),
    (f"{WORK}&!({LUNCH} / UTC|20210601T000000|20210602T000000)", "2021-06-01 11:00", False),
    (f"!!{WORK}", "2021-06-01 11:00", True),
    ("Europe/Rome|20210427T000000|20210428T000000 / Europe/London|20211227T000000|20211228T000000", "2021-12-27 12:00", True),
    ("(UTC|20210101T000000|20210102T000000/UTC|20210103T000000|20210104T000000)", "2021-01-03 12:00", True),
])
def test_expressions(text: str, moment: str, matches: bool) -> None:
    assert parse_expression(text).matches(at(moment)) is matches


@pytest.mark.parametrize("text", [
    "", "x", "|20201301T000000", "20200101", "UTC|20200101T000000||P", "UTC|20200101T000000|||HOURLY",
    "Nowhere/City|20200101T000000", "20200101T000000|||daily||x", "20200101T000000|||daily|||XX", "20200101T000000|||daily||||0",
    "20200101T000000||||20210101T000000", "20200101T000000 20200101T000000",
    "20200101T000000 & 20200101T000000 / 20200101T000000", "(20200101T000000", "20200101T000000)", "&",
    "20200101T000000 &", "!", "20200101T000000|" + "|" * 12,
])
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError):
        parse_expression(text)


@given(st.text(alphabet="0123456789TUC|/&!() PDMO,-", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_expression(text).matches(1_600_000_000)
    except (ValueError, OverflowError):
        pass
