"""acc's parameters, its life, and the writing of reports to whatever backends are wanted."""

from __future__ import annotations

from typing import Any, Final

from engine.db.interface import Driver, check_version, find_driver
from engine.db.url import DbUrl
from engine.errors import ConfigError, DbError
from engine.log import NOTICE, facility_of
from engine.module import Module, event, modparam, needs, wants
from modules.acc import reports
from modules.acc.account import BACKENDS, DB, EVI, LOG, Account, Facts
from modules.acc.account import MISSED as MISSED_FLAG
from modules.dialog.api import Dialogs
from modules.rr.api import Rr
from modules.tm.api import Tm

TABLE_VERSION: Final = 7
_NO_AAA: Final = "accounting by RADIUS or Diameter (aaa) is not available; log, db and evi are"


def no_aaa(text: str) -> str:
    """aaa_url: there is no AAA module."""
    if text:
        raise ConfigError(_NO_AAA)
    return text


def parse_fields(text: str) -> tuple[str, list[tuple[str, str]]]:
    """"db: tag->name; tag" as (backend, [(tag, name)]). Raises ValueError."""
    backend, colon, rest = text.strip().partition(":")
    backend = backend.strip()
    if not colon or backend not in BACKENDS:
        raise ValueError(f'{text!r} does not begin with a backend: "log:", "db:" or "evi:"')
    if backend == "aaa":
        raise ConfigError(_NO_AAA)
    found = []
    for piece in rest.split(";"):
        tag, arrow, name = piece.partition("->")
        if tag.strip():
            found.append((tag.strip(), name.strip() if arrow else tag.strip()))
    return backend, found


def parse_facility(text: str) -> int:
    """LOG_LOCAL0 and so on."""
    found = facility_of(text)
    if found is None:
        raise ValueError(f"{text} is no log facility")
    return found


def types_of(text: str) -> int:
    """"log|db" as a mask of backends. Raises ConfigError."""
    mask = 0
    for word in text.split("|"):
        word = word.strip().lower()
        if word == "aaa":
            raise ConfigError(_NO_AAA)
        if word not in BACKENDS:
            raise ConfigError(f"invalid accounting backend: <{word}>", hint="there are log, db and evi, separated by |")
        mask |= BACKENDS[word]
    return mask


class Base(Module):
    """Parameters, and where reports go."""

    tm: Tm = needs("tm")
    dialogs: Dialogs | None = wants("dialog")
    rr: Rr | None = wants("rr")

    early_media = modparam(int, 0, help="1: provisional replies with a body are reported, too")
    report_cancels = modparam(int, 0, help="1: do_accounting() works for CANCEL")
    detect_direction = modparam(int, 0, help="1: From and To of requests from the callee change places")
    extra_fields = modparam(str, None, multi=True, parse=parse_fields, help='"db: tag->column; tag": what $acc_extra() sets')
    leg_fields = modparam(str, None, multi=True, parse=parse_fields, help='"db: tag->column; tag": what $acc_leg() sets')
    log_level = modparam(int, NOTICE, help="level of the lines, -3 to 4")
    log_facility = modparam(str, None, parse=parse_facility, help="syslog facility of the lines")
    aaa_url = modparam(str, "", parse=no_aaa, help="accounting by RADIUS: not available")
    service_type = modparam(int, -1, effect="there is no accounting by RADIUS")
    db_url = modparam(str, "", help="database for rows; without one there are none")
    db_table_acc = modparam(str, "acc", help="table of answered transactions and calls")
    db_table_missed_calls = modparam(str, "missed_calls", help="table of missed calls")
    db_table_avp = modparam(str, "", effect="the third parameter of do_accounting() names the table")
    acc_method_column = modparam(str, "method", help="column of the method")
    acc_from_tag_column = modparam(str, "from_tag", help="column of the From tag")
    acc_to_tag_column = modparam(str, "to_tag", help="column of the To tag")
    acc_callid_column = modparam(str, "callid", help="column of the Call-ID")
    acc_sip_code_column = modparam(str, "sip_code", help="column of the final reply's code")
    acc_sip_reason_column = modparam(str, "sip_reason", help="column of its reason phrase")
    acc_time_column = modparam(str, "time", help="column of the time")

    E_ACC_EVENT = event("method", "from_tag", "to_tag", "callid", "sip_code", "sip_reason", "time")
    E_ACC_CDR = event(
        "method", "from_tag", "to_tag", "callid", "sip_code", "sip_reason", "time", "duration", "ms_duration", "setuptime",
        "created")
    E_ACC_MISSED_EVENT = event(
        "method", "from_tag", "to_tag", "callid", "sip_code", "sip_reason", "time", "setuptime", "created")

    def mod_init(self) -> None:
        self._extra = {backend: self._names(backend, self.extra_fields) for backend in BACKENDS}
        self._legs = {backend: self._names(backend, self.leg_fields) for backend in BACKENDS}
        self.extra_tags = {tag for _, fields in self.extra_fields for tag, _ in fields}
        self.leg_tags = {tag for _, fields in self.leg_fields for tag, _ in fields}
        self._columns = (
            self.acc_method_column, self.acc_from_tag_column, self.acc_to_tag_column, self.acc_callid_column,
            self.acc_sip_code_column, self.acc_sip_reason_column, self.acc_time_column,
        )
        self._brief = self.server.speaks_31
        self._url = self.db_url or self.server.settings.db_default_url
        self._driver: tuple[Driver, DbUrl] | None = None
        self._database = reports.Database(self.server, self.log)
        if self._url:
            self._driver = find_driver(self.server.registry, self._url)
        elif self._extra["db"] or self._legs["db"]:
            raise ConfigError("acc: fields for the database, but no database", hint='set modparam("acc", "db_url", ...)')
        if self.detect_direction:
            if self.rr is None:
                raise ConfigError("acc: detect_direction needs the module rr", hint='add loadmodule "rr.so"')
            if not getattr(self.rr, "append_fromtag", 1):
                raise ConfigError("acc: detect_direction needs append_fromtag of the module rr, which is off")

    @staticmethod
    def _names(backend: str, fields: list[tuple[str, list[tuple[str, str]]]]) -> dict[str, str]:
        """Tag -> name for a backend."""
        return {tag: name for of, pairs in fields if of == backend for tag, name in pairs}

    async def child_init(self) -> None:
        if self._driver is None:
            return
        driver, url = self._driver
        try:
            await check_version(await self._database.open(driver, url), self.db_table_acc, TABLE_VERSION)
        except DbError as error:
            raise ConfigError(f"acc: database {url}: {error}") from None

    async def destroy(self) -> None:
        await self._database.close()

    # ---- reports ----

    def log_line(self, text: str) -> None:
        """A line of the log, without the name of the module."""
        if self.log.level >= self.log_level:
            self.server.log.write(self.log_level, "", "", text, facility=self.log_facility)

    def report(self, mask: int, title: str, table: str, facts: Facts, account: Account, missed: bool) -> None:
        """A transaction, to the backends of a mask, in the order of the reference."""
        if mask & EVI:
            self.to_events(facts, account, missed)
        if mask & LOG:
            self.to_log(title, facts, account)
        if mask & DB:
            self._database.put(table, self.rows_of(facts, account, missed))

    def report_missed(self, facts: Facts, account: Account) -> None:
        """A missed call; it is reported once, unless do_accounting() asks again."""
        wanted = account.flags & (LOG | DB | EVI) * MISSED_FLAG
        self.report(wanted // MISSED_FLAG, reports.MISSED, self.db_table_missed_calls, facts, account, True)
        account.flags &= ~wanted

    def report_call(self, account: Account) -> None:
        """The CDR of a call that has ended."""
        facts = account.answered
        if facts is None:
            return
        ms_duration = reports.duration_ms(account)
        more = {
            "duration": -(-ms_duration // 1000), "ms_duration": ms_duration, "setuptime": int(facts.time) - account.created,
            "created": account.created,
        }
        if account.flags & LOG:
            pairs = reports.log_pairs(facts, account, self._extra["log"], self._legs["log"])
            self.log_line(reports.log_call(facts, account, pairs))
        if account.flags & DB:
            columns: dict[str, Any] = {**more, "created": reports.Time(account.created)}
            found = reports.rows(self._columns, facts, account, self._extra["db"], self._legs["db"], columns)
            self._database.put(account.table or self.db_table_acc, found)
        if account.flags & EVI:
            reports.raise_event(self.E_ACC_CDR, facts, account, self._extra["evi"], self._legs["evi"], more)  # type: ignore[arg-type]

    def to_log(self, title: str, facts: Facts, account: Account | None) -> None:
        """The line of a request or transaction."""
        if self.log.level >= self.log_level:
            pairs = reports.log_pairs(facts, account, self._extra["log"], self._legs["log"])
            self.log_line(reports.log_request(title, facts, account, pairs, self.server.wall(), self._brief))

    def to_events(self, facts: Facts, account: Account | None, missed: bool) -> None:
        """The event of a request or transaction."""
        wanted: Any = self.E_ACC_MISSED_EVENT if missed else self.E_ACC_EVENT
        if wanted.active:
            more = {}
            if missed:
                more["setuptime"] = reports.setuptime(account, self.server.wall()) if account is not None else 0
                more["created"] = account.created if account is not None else 0
            reports.raise_event(wanted, facts, account, self._extra["evi"], self._legs["evi"], more)

    def rows_of(self, facts: Facts, account: Account | None, missed: bool) -> list[dict[str, Any]]:
        """The rows of a request or transaction."""
        more: dict[str, Any] = {}
        if account is not None:
            more = {"setuptime": reports.setuptime(account, self.server.wall()), "created": reports.Time(account.created)}
            if not missed:
                more |= {"duration": 0, "ms_duration": 0}
        return reports.rows(self._columns, facts, account, self._extra["db"], self._legs["db"], more)
