"""Time recurrences: "does this moment fall into these opening hours?", as check_time_rec() and routing tables write them.

A recurrence is a line of fields separated by "|", after RFC 2445 section 4.3.10:

    timezone | dtstart | dtend | duration | freq | until | interval | byday | bymday | byyday | byweekno | bymonth

The time zone may be left out (a field that does not begin with a capital letter is dtstart already), as may fields at the end.
Without freq it is one interval. With freq the part of dtstart and dtend below the smallest unit repeats: the time of day, or
from a day of the week, month or year to another one. Several recurrences are joined by "&" or by "/" (one of them per level),
turned round by "!" and grouped in parentheses. Manual: OpenSIPS 3.6, cfgutils, check_time_rec(); BYDAY without a number means
every such day of the month or year (RFC 2445), where OpenSIPS takes the first one only.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

DAY: Final = 86400
WEEK: Final = 7 * DAY
_MONTH: Final = 31 * DAY
_YEAR: Final = 366 * DAY
_FOREVER: Final = 0xFFFFFFFF

_WEEKDAYS: Final = {"mo": 0, "tu": 1, "we": 2, "th": 3, "fr": 4, "sa": 5, "su": 6}
_FREQS: Final = ("daily", "weekly", "monthly", "yearly")
_DATETIME: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})\Z")
_DURATION: Final = re.compile(
    r"(?:P(?:([0-9]+)W)?(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?)?"
    r"|(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?)\Z", re.IGNORECASE,
)
_ONE_DAY: Final = re.compile(r"([+-]?[0-9]+)?(mo|tu|we|th|fr|sa|su)\Z", re.IGNORECASE)


def _moment(text: str, zone: tzinfo | None) -> float:
    """Seconds since 1970 of 20240131T235959 in a zone (None: the system's)."""
    match = _DATETIME.match(text)
    if match is None:
        raise ValueError(f"bad date and time {text!r}")
    made = datetime(*map(int, match.groups()))  # type: ignore[arg-type]
    return made.replace(tzinfo=zone).timestamp() if zone is not None else made.timestamp()


def _duration(text: str) -> int:
    """Seconds of P1DT2H."""
    match = _DURATION.match(text)
    if match is None or not any(match.groups()):
        raise ValueError(f"bad duration {text!r}")
    weeks, days, *times = (int(part or 0) for part in match.groups())
    hours, minutes, seconds = times[0] + times[3], times[1] + times[4], times[2] + times[5]
    return weeks * WEEK + days * DAY + hours * 3600 + minutes * 60 + seconds


def _numbers(text: str) -> tuple[int, ...]:
    """1,-1,15 as numbers other than 0."""
    found = []
    for piece in text.split(","):
        try:
            number = int(piece.strip())
        except ValueError:
            raise ValueError(f"bad list of numbers {text!r}") from None
        if number == 0:
            raise ValueError(f"0 in the list {text!r}")
        found.append(number)
    return tuple(found)


def _days(text: str) -> tuple[tuple[int, int], ...]:
    """MO,-1FR as (number or 0, day of the week)."""
    found = []
    for piece in text.split(","):
        match = _ONE_DAY.match(piece.strip().replace(" ", ""))
        if match is None:
            raise ValueError(f"bad list of week days {text!r}")
        found.append((int(match[1] or 0), _WEEKDAYS[match[2].lower()]))
    return tuple(found)


def _week_of(day: datetime) -> int:
    """Week of the year as strftime %W has it: weeks begin on Monday, days before the first one are in week 0."""
    return int(day.strftime("%W"))


@dataclass(frozen=True, slots=True)
class Recurrence:
    """One recurrence. matches() takes seconds since 1970."""

    zone: tzinfo | None
    start: float
    end: float
    freq: str = ""
    until: float | None = None
    interval: int = 1
    byday: tuple[tuple[int, int], ...] = ()
    bymday: tuple[int, ...] = ()
    byyday: tuple[int, ...] = ()
    byweekno: tuple[int, ...] = ()
    bymonth: tuple[int, ...] = ()

    def _local(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(seconds, self.zone)

    def matches(self, seconds: float) -> bool:
        """Whether the moment falls into it."""
        if seconds < self.start:
            return False
        if not self.freq:
            return seconds < self.end
        moment, begin = self._local(seconds), self._local(self.start)
        return (
            self._right_interval(moment, begin) and self._in_unit(moment, begin) and self._by_rules(moment)
            and (self.until is None or seconds <= self.until)
        )

    def _right_interval(self, moment: datetime, begin: datetime) -> bool:
        if self.interval <= 1:
            return True
        if self.freq == "yearly":
            distance = moment.year - begin.year
        elif self.freq == "monthly":
            distance = (moment.year - begin.year) * 12 + moment.month - begin.month
        elif self.freq == "weekly":
            mondays = [day.date() - timedelta(day.weekday()) for day in (moment, begin)]
            distance = (mondays[0] - mondays[1]).days // 7
        else:
            distance = (moment.date() - begin.date()).days
        return distance % self.interval == 0

    @property
    def unit(self) -> str:
        """The smallest unit in which it repeats."""
        return _unit(self.freq, bool(self.byday or self.bymday or self.byyday), bool(self.byweekno), bool(self.bymonth))

    def _in_unit(self, moment: datetime, begin: datetime) -> bool:
        unit, duration = self.unit, self.end - self.start
        if duration >= {"daily": DAY, "weekly": WEEK, "monthly": _MONTH, "yearly": _YEAR}[unit]:
            return True
        end = self._local(self.end)
        if unit == "daily":
            one_day = begin.day == end.day
            first, last, now = _second_of_day(begin), _second_of_day(end), _second_of_day(moment)
            return first <= now < last if one_day else now >= first or now < last
        first_day, last_day, day = (_day_in(unit, one) for one in (begin, end, moment))
        low, high = (first_day, _second_of_day(begin)), (last_day, _second_of_day(end))
        here = (day, _second_of_day(moment))
        if first_day < last_day:
            return low <= here < high
        if last_day < first_day:
            return here >= low or here < high
        if day != first_day:
            return duration > DAY
        return low <= here < high

    def _by_rules(self, moment: datetime) -> bool:
        year_days = 366 if calendar.isleap(moment.year) else 365
        month_days = calendar.monthrange(moment.year, moment.month)[1]
        year_day = moment.timetuple().tm_yday
        if self.bymonth and not _listed(moment.month, self.bymonth, 12):
            return False
        if self.byweekno and self.freq == "yearly":
            last_week = _week_of(datetime(moment.year, 12, 31))
            if not _listed(_week_of(moment), self.byweekno, last_week):
                return False
        if self.byyday and not _listed(year_day, self.byyday, year_days):
            return False
        if self.bymday and not _listed(moment.day, self.bymday, month_days):
            return False
        if not self.byday:
            return True
        if self.freq == "yearly":
            from_begin, from_end = (year_day - 1) // 7 + 1, (year_days - year_day) // 7 + 1
        else:
            from_begin, from_end = (moment.day - 1) // 7 + 1, (month_days - moment.day) // 7 + 1
        counted = self.freq in ("monthly", "yearly")
        wanted = (0, from_begin, -from_end)
        return any(weekday == moment.weekday() and (not counted or number in wanted) for number, weekday in self.byday)


def _second_of_day(moment: datetime) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _day_in(unit: str, moment: datetime) -> int:
    if unit == "weekly":
        # The week of an interval begins on Sunday here, as in OpenSIPS.
        return moment.isoweekday() % 7
    return moment.day if unit == "monthly" else moment.timetuple().tm_yday


def _listed(value: int, numbers: tuple[int, ...], most: int) -> bool:
    """Whether a number from 1 to most is in a list where negative ones count from the end."""
    return value in numbers or value - most - 1 in numbers


def _unit(freq: str, days: bool, weeks: bool, months: bool) -> str:
    if freq == "daily" or days:
        return "daily"
    if freq == "weekly" or weeks:
        return "weekly"
    if freq == "monthly" or months:
        return "monthly"
    return "yearly"


def _rest_of_unit(freq: str, unit: str, begin: datetime) -> float:
    """How long the first interval is when neither dtend nor duration says."""
    into_day = _second_of_day(begin)
    if not freq:
        return _FOREVER
    if unit == "daily":
        return DAY - into_day
    if unit == "weekly":
        return WEEK - (begin.isoweekday() % 7) * DAY - into_day
    if unit == "monthly":
        return _MONTH - begin.day * DAY - into_day
    return _YEAR - begin.timetuple().tm_yday * DAY - into_day


def parse_recurrence(text: str) -> Recurrence:
    """One recurrence from its line. Raises ValueError."""
    fields = [piece.strip() for piece in text.split("|")]
    zone: tzinfo | None = None
    if fields and not fields[0][:1].isdigit():
        name = fields.pop(0)
        if name:
            if not "A" <= name[0] <= "Z":
                raise ValueError(f"bad time zone {name!r}")
            try:
                zone = UTC if name == "UTC" else ZoneInfo(name)
            except (KeyError, ValueError, OSError):
                raise ValueError(f"unknown time zone {name!r}") from None
    if len(fields) > 11:
        raise ValueError("too many fields")
    start, end, length, freq, until, interval, byday, bymday, byyday, byweekno, bymonth = fields + [""] * (11 - len(fields))
    freq = freq.lower()
    if freq and freq not in _FREQS:
        raise ValueError(f"bad frequency {freq!r}")
    if not freq and any((until, interval, byday, bymday, byyday, byweekno, bymonth)):
        raise ValueError("fields behind a missing freq")
    begin = _moment(start, zone) if start else 0.0
    if interval and not interval.isdigit():
        raise ValueError(f"bad interval {interval!r}")
    if length:
        finish = begin + _duration(length)
    elif end:
        finish = _moment(end, zone)
    else:
        unit = _unit(freq, bool(byday or bymday or byyday), bool(byweekno), bool(bymonth))
        finish = begin + _rest_of_unit(freq, unit, datetime.fromtimestamp(begin, zone))
    return Recurrence(
        zone, begin, finish, freq, _moment(until, zone) if until else None, int(interval or 1) or 1,
        _days(byday) if byday else (), *(_numbers(one) if one else () for one in (bymday, byyday, byweekno, bymonth)),
    )


@dataclass(slots=True)
class Expression:
    """Recurrences joined by one operator: "&", "/" or "" for a single operand."""

    operands: list[tuple[bool, Recurrence | Expression]] = field(default_factory=list)
    """(turned round, operand)."""
    operator: str = ""

    def matches(self, seconds: float) -> bool:
        """Whether the moment fulfils it."""
        results = (operand.matches(seconds) is not inverted for inverted, operand in self.operands)
        return any(results) if self.operator == "/" else all(results)


class _Reader:
    """Recursive descent over an expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def _skip(self) -> str:
        """The next character that is no blank, "" at the end."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at:self.at + 1]

    def expression(self, inner: bool) -> Expression:
        """Operands up to the end or the closing parenthesis."""
        made = Expression()
        while True:
            inverted = False
            while self._skip() == "!":
                inverted = not inverted
                self.at += 1
            made.operands.append((inverted, self._operand()))
            operator = self._skip()
            if operator == ")" and inner or operator == "" and not inner:
                return made
            if operator not in ("&", "/"):
                raise ValueError(f"{operator or 'end'!r} where an operator is expected")
            if made.operator not in ("", operator):
                raise ValueError("'&' and '/' need parentheses between them")
            made.operator = operator
            self.at += 1

    def _operand(self) -> Recurrence | Expression:
        if self._skip() == "(":
            self.at += 1
            made = self.expression(True)
            self.at += 1
            return made
        begin = self.at
        has_field = False
        while self.at < len(self.text):
            char = self.text[self.at]
            # Before the first separator a slash belongs to the name of the time zone.
            if char.isspace() or char in "&)" or (char == "/" and has_field):
                break
            if char in "!(":
                raise ValueError(f"unexpected {char!r}")
            has_field = has_field or char == "|"
            self.at += 1
        if self.at == begin:
            raise ValueError("a recurrence is missing")
        return parse_recurrence(self.text[begin:self.at])


@lru_cache(maxsize=256)
def parse_expression(text: str) -> Expression:
    """A recurrence or several with operators. Raises ValueError."""
    return _Reader(text.strip()).expression(False)
