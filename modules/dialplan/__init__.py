"""dialplan: translation of numbers and names by rules from a database.

    dp_translate(1, "$rU", $rU, $avp(attributes));

Manual: OpenSIPS 3.6, module dialplan. Every partition is one table; its rules are held in memory and read again by dp_reload.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

from engine import status
from engine.db.interface import Connection, Where, check_version, find_driver
from engine.errors import ConfigError, DbError, MiError
from engine.module import (
    BRANCH, EVENT, FAILURE, LOCAL, REQUEST, STARTUP, TIMER, Context, Module, Var, function, mi_command, modparam,
)
from engine.script.variables.binder import Binder
from modules.dialplan.rules import Rule, Ruleset, build_rule
from modules.shared.output import put

ROUTES: Final = REQUEST | FAILURE | LOCAL | BRANCH | STARTUP | TIMER | EVENT
TABLE_VERSION: Final = 5
DEFAULT: Final = "default"
GROUP: Final = "dialplan"


class Definition(NamedTuple):
    """One modparam line; "" where the general parameters count."""

    name: str
    db_url: str
    table_name: str
    default: str
    """Name of the partition that is to be the default one: "default: pstn"."""


def _partition(text: str) -> Definition:
    """"pstn: table_name = t; db_url = u", "pstn", or "default: pstn"."""
    name, colon, rest = (part.strip() for part in text.partition(":"))
    if not name:
        raise ValueError(f"a partition without a name in {text!r}")
    pieces = [piece.strip() for piece in rest.split(";") if piece.strip()] if colon else []
    if len(pieces) == 1 and "=" not in pieces[0]:
        return Definition(name, "", "", pieces[0])
    found = {"db_url": "", "table_name": ""}
    for piece in pieces:
        key, _, value = (part.strip() for part in piece.partition("="))
        if key not in found:
            raise ValueError(f"unknown property {key!r} of partition {name}, there are db_url and table_name")
        found[key] = value
    return Definition(name, found["db_url"], found["table_name"], "")


class Partition:
    """One table and its rules."""

    __slots__ = ("name", "url", "table", "rules")

    def __init__(self, name: str, url: str, table: str) -> None:
        self.name = name
        self.url = url
        self.table = table
        self.rules: dict[int, Ruleset] = {}


class Dialplan(Module):
    """The module."""

    partition = modparam(str, None, multi=True, parse=_partition, help="name: table_name=...; db_url=...")
    db_url = modparam(str, "", help="database of partitions that name none")
    table_name = modparam(str, "dialplan", help="table of partitions that name none")
    dpid_col = modparam(str, "dpid", help="column of the dialplan id")
    pr_col = modparam(str, "pr", help="column of the priority, smaller ones first")
    match_op_col = modparam(str, "match_op", help="column of the operator: 0 equal, 1 regular expression")
    match_exp_col = modparam(str, "match_exp", help="column of what is matched")
    match_flags_col = modparam(str, "match_flags", help="column of the flags: 1 ignores cases")
    subst_exp_col = modparam(str, "subst_exp", help="column of the expression whose groups the replacement uses")
    repl_exp_col = modparam(str, "repl_exp", help="column of the replacement")
    attrs_col = modparam(str, "attrs", help="column of the attributes")
    timerec_col = modparam(str, "timerec", help="column of the times at which a rule counts")
    disabled_col = modparam(str, "disabled", help="column that switches a rule off")

    def mod_init(self) -> None:
        self.partitions: dict[str, Partition] = {}
        self._default = DEFAULT
        fallback = self.db_url or self.server.settings.db_default_url
        for definition in self.partition:
            if definition.default:
                self._default = definition.default
                continue
            url = definition.db_url or fallback
            if not url:
                raise ConfigError(f"dialplan: partition {definition.name!r} has no 'db_url'")
            self._add(definition.name, url, definition.table_name)
        if self._default == DEFAULT and DEFAULT not in self.partitions and fallback:
            self._add(DEFAULT, fallback, "")

    def _add(self, name: str, url: str, table: str) -> None:
        find_driver(self.server.registry, url)
        self.partitions[name] = Partition(name, url, table or self.table_name)
        self.server.status_reports.register(GROUP, name, status.NO_DATA, "no data loaded")

    # ---- loading ----

    async def _connect(self, partition: Partition) -> Connection:
        driver, url = find_driver(self.server.registry, partition.url)
        return await driver.connect(url)

    async def child_init(self) -> None:
        for partition in self.partitions.values():
            try:
                connection = await self._connect(partition)
                try:
                    await check_version(connection, partition.table, TABLE_VERSION)
                finally:
                    await connection.close()
            except DbError as error:
                raise ConfigError(f"dialplan: partition {partition.name}: {error}") from None
            await self._load(partition, True)

    async def _load(self, partition: Partition, first: bool) -> bool:
        """Read the rules of a partition; on failure (logged) it keeps those it has."""
        reports, name = self.server.status_reports, partition.name
        reports.report(GROUP, "starting DB data loading", name)
        if first:
            reports.set(GROUP, status.NOT_READY, "startup data loading", name)
        else:
            reports.set(GROUP, status.RELOADING, "data re-loading", name)
        columns = [
            self.dpid_col, self.pr_col, self.match_op_col, self.match_exp_col, self.match_flags_col, self.subst_exp_col,
            self.repl_exp_col, self.attrs_col, self.timerec_col,
        ]
        try:
            connection = await self._connect(partition)
            try:
                rows = await connection.query(partition.table, columns, [Where(self.disabled_col, "=", 0)], self.pr_col)
            finally:
                await connection.close()
        except DbError as error:
            self.log.error("DB reload failed on partition <%s>: %s", name, error)
            reports.report(GROUP, "DB data loading failed, discarding", name)
            if first:
                reports.set(GROUP, status.NO_DATA, "no data loaded", name)
            else:
                reports.set(GROUP, status.READY, "data available", name)
            return False
        loaded = self._take(partition, rows)
        reports.report(GROUP, "DB data loading successfully completed", name)
        reports.report(GROUP, f"{loaded} rules loaded ({len(rows) - loaded} discarded)", name)
        reports.set(GROUP, status.READY, "data available", name)
        return True

    def _take(self, partition: Partition, rows: list[tuple[Any, ...]]) -> int:
        """Replace the rules of a partition; how many rows were good."""
        binder = Binder(self.server.registry)
        made: dict[int, Ruleset] = {}
        loaded = 0
        for place, row in enumerate(rows):
            try:
                rule = build_rule(place, row, lambda spec: binder.bind(spec).get)
            except (ValueError, ConfigError) as error:
                self.log.warning("failed to build rule |%s| in partition <%s> -> skipping: %s", row[3], partition.name, error)
                continue
            made.setdefault(rule.dpid, Ruleset()).add(rule)
            loaded += 1
        partition.rules = made
        return loaded

    # ---- translating ----

    def partition_of(self, name: str) -> Partition:
        """Fixup: a partition by name."""
        found = self.partitions.get(name)
        if found is None:
            raise ConfigError(f"partition <{name}> not found")
        return found

    def _find(self, partition: Partition, dpid: int, text: str) -> Rule | None:
        rules = partition.rules.get(dpid)
        return rules.find(text, self.server.wall()) if rules is not None else None

    @function(ROUTES, partition="partition_of")
    def dp_translate(
        self, ctx: Context, id: int, input: str, out_var: Var | None = None, attrs_var: Var | None = None,
        partition: Annotated[Partition, "str"] | None = None,
    ) -> int:
        """Translate input by the rules of dialplan id. 1: out_var has the output when the rule makes one, attrs_var the
        rule's attributes ("" without any); -1: no rule matches, there is no such id, or input is empty."""
        chosen = partition if partition is not None else self.partition_of(self._default)
        if not input:
            self.log.error("invalid input string")
            return -1
        rule = self._find(chosen, id, input)
        if rule is None:
            return -1
        output = rule.translate(ctx, input)
        if output is None:
            self.log.error("the string %s matched the match_exp %s but not the subst_exp!", input, rule.match_exp)
            return -1
        if output:
            put(ctx, out_var, output)
        put(ctx, attrs_var, rule.attributes)
        return 1

    # ---- MI ----

    @mi_command("dp_reload", help="reads the rules of one partition, or of all, again")
    async def mi_reload(self, partition: str = "") -> None:
        """400: no such partition; 500: a table cannot be read, its rules stay as they are."""
        if partition:
            found = self.partitions.get(partition)
            if found is None:
                raise MiError(400, "Partition not found")
            wanted = [found]
        else:
            wanted = list(self.partitions.values())
        results = [await self._load(one, False) for one in wanted]
        if not all(results):
            raise MiError(500, "Internal error")

    @mi_command("dp_translate", help="translates a text by the rules of a dialplan id")
    def mi_translate(self, dpid: str, input: str, partition: str = "") -> dict[str, Any]:
        """{"Output", "ATTRIBUTES"}; 404: empty or wrong parameters, no such partition or id, no rule matches."""
        chosen = self.partitions.get(partition or self._default)
        if chosen is None:
            raise MiError(404, "Partition not found" if partition else "'default' partition not found")
        if not dpid:
            raise MiError(404, "Empty id parameter")
        try:
            number = int(dpid)
        except ValueError:
            raise MiError(404, "Wrong id parameter") from None
        if not input:
            raise MiError(404, "Empty input parameter")
        if number not in chosen.rules:
            raise MiError(404, "No information available for dpid")
        rule = self._find(chosen, number, input)
        output = rule.translate(self.server.dummy_context(EVENT), input) if rule is not None else None
        if rule is None or output is None:
            raise MiError(404, "No translation")
        return {"Output": output, "ATTRIBUTES": rule.attributes}

    @mi_command("dp_show_partition", help="shows table and database of one partition, or of all")
    def mi_show(self, partition: str = "") -> dict[str, Any]:
        """{"Partition", "Table", "db_url"}, or {"Partitions": [{"name", "table", "db_url"}]}; 404: no such partition."""
        if partition:
            found = self.partitions.get(partition)
            if found is None:
                raise MiError(404, "Partition Not Found")
            return {"Partition": found.name, "Table": found.table, "db_url": self._shown(found)}
        return {"Partitions": [
            {"name": one.name, "table": one.table, "db_url": self._shown(one)} for one in self.partitions.values()
        ]}

    def _shown(self, partition: Partition) -> str:
        """The URL without its password."""
        _, url = find_driver(self.server.registry, partition.url)
        return str(url).replace(":***@", "@")


exports = Dialplan
