"""sqlops: SQL statements and user preferences from the script.

    sql_query("select a, b from t where c='$(rU{s.escape.common})'", "$avp(a);$avp(b)");
    sql_select_one('["a"]', "t", '[{"c": "$rU"}]', , "$var(a)");
    sql_avp_load("$fu", "$avp(language)");

Manual: OpenSIPS 3.6, module sqlops. Statements wait in their own run only.
"""

from __future__ import annotations

from typing import Any

from engine.module import ALL_ROUTES, Context, Module, Raw, Var, async_function, function, modparam
from modules.shared.sql.avps import AvpRef
from modules.shared.sql.preferences import Preferences, Selection, Source
from modules.shared.sql.statements import Statements, conditions, new_values


class SqlOps(Preferences, Statements, Module):
    """The module."""

    usr_table = modparam(str, "usr_preferences", help="table of the user preferences")
    ps_id_max_buf_len = modparam(int, 1024, min=0, effect="the drivers know a statement again by its text, however long")
    bigint_to_str = modparam(int, 0, min=0, max=1, help="1: integers beyond 32 bits are texts, otherwise numbers that wrap")

    def mod_init(self) -> None:
        self.table = self.usr_table
        self.open_urls(True)

    async def child_init(self) -> None:
        await self.connect_urls()

    async def destroy(self) -> None:
        await self.close_urls()

    # ---- statements as they are ----

    @function(ALL_ROUTES, res_col_avps="avp_list", db_id="known_id")
    def sql_query(
        self, ctx: Context, query: str, res_col_avps: Raw[list[AvpRef]] | None = None, db_id: int | None = None,
    ) -> int:
        """Run a statement; the rows go into AVPs, column by column, the first row on top, NULL as the text <null>. Without
        res_col_avps into $avp(1), $avp(2) ... 1; -2 there are no rows; -1 it failed."""
        return self.query(ctx, query, res_col_avps, db_id, False)

    @async_function(ALL_ROUTES, name="sql_query", res_col_avps="avp_list", db_id="known_id")
    def sql_query_async(
        self, ctx: Context, query: str, res_col_avps: Raw[list[AvpRef]] | None = None, db_id: int | None = None,
    ) -> Any:
        """The same for async() and launch()."""
        return self.query_later(ctx, query, res_col_avps, db_id, False)

    @function(ALL_ROUTES, res_col_vars="var_list", db_id="known_id")
    def sql_query_one(
        self, ctx: Context, query: str, res_col_vars: Raw[list[Var]] | None = None, db_id: int | None = None,
    ) -> int:
        """Run a statement; the first row goes into variables of any kind, NULL as NULL. 1; -2 there are no rows; -1 it
        failed, or has more columns than there are variables."""
        return self.query(ctx, query, res_col_vars, db_id, True)

    @async_function(ALL_ROUTES, name="sql_query_one", res_col_vars="var_list", db_id="known_id")
    def sql_query_one_async(
        self, ctx: Context, query: str, res_col_vars: Raw[list[Var]] | None = None, db_id: int | None = None,
    ) -> Any:
        """The same for async() and launch()."""
        return self.query_later(ctx, query, res_col_vars, db_id, True)

    # ---- statements from JSON ----

    @function(ALL_ROUTES, res_col_avps="avp_list", db_id="known_id")
    def sql_select(
        self, ctx: Context, columns: str | None, table: str, filter: str | None = None, order: str | None = None,
        res_col_avps: Raw[list[AvpRef]] | None = None, db_id: int | None = None,
    ) -> int:
        """Read columns (["a","b"], all when left out) of the rows that meet filter ([{"c":{">":5}}]), in the order of a
        column, into AVPs. 1, also without rows; -1 it failed."""
        return self.select(ctx, columns, table, filter, order, res_col_avps, db_id, False)

    @function(ALL_ROUTES, res_col_vars="var_list", db_id="known_id")
    def sql_select_one(
        self, ctx: Context, columns: str | None, table: str, filter: str | None, order: str | None, res_col_vars: Raw[list[Var]],
        db_id: int | None = None,
    ) -> int:
        """The same for one row, into variables of any kind. 1, also without a row; -1 it failed."""
        return self.select(ctx, columns, table, filter, order, res_col_vars, db_id, True)

    @function(ALL_ROUTES, db_id="known_id")
    def sql_update(self, ctx: Context, columns: str, table: str, filter: str | None = None, db_id: int | None = None) -> int:
        """Write columns ([{"a":"x"},{"b":null}]) of the rows that meet filter. 1 / -1."""
        values, where = new_values(columns), conditions(filter)
        self.structured(ctx, "update", table, self.connection(db_id).update(table, values, where))
        return 1

    @function(ALL_ROUTES, db_id="known_id")
    def sql_insert(self, ctx: Context, table: str, columns: str, db_id: int | None = None) -> int:
        """Add a row. 1 / -1."""
        values = new_values(columns)
        self.structured(ctx, "insert", table, self.connection(db_id).insert(table, values))
        return 1

    @function(ALL_ROUTES, db_id="known_id")
    def sql_delete(self, ctx: Context, table: str, filter: str | None = None, db_id: int | None = None) -> int:
        """Delete the rows that meet filter, all without one. 1 / -1."""
        where = conditions(filter)
        self.structured(ctx, "delete", table, self.connection(db_id).delete(table, where))
        return 1

    @function(ALL_ROUTES, db_id="known_id")
    def sql_replace(self, ctx: Context, table: str, columns: str, db_id: int | None = None) -> int:
        """Add a row in place of one with the same unique key. 1 / -1."""
        values = new_values(columns)
        self.structured(ctx, "replace", table, self.connection(db_id).replace(table, values))
        return 1

    # ---- preferences ----

    @function(ALL_ROUTES, source="source", which="selection_or_scheme", db_id="known_id")
    def sql_avp_load(
        self, ctx: Context, source: Raw[Source], which: Raw[Selection], db_id: int | None = None, prefix: str | None = None,
    ) -> int:
        """Load preferences of source ("$fu", "$ru/domain", an id) into AVPs: "$avp(x)", "*", "$avp(x)/table" or
        "$avp(x)/$scheme". prefix goes in front of the AVPs' names. 1; -1 nothing was loaded."""
        return self.load_avps(ctx, source, which, db_id, prefix)

    @function(ALL_ROUTES, source="source", which="selection", db_id="known_id")
    def sql_avp_store(self, ctx: Context, source: Raw[Source], which: Raw[Selection], db_id: int | None = None) -> int:
        """Store AVPs as preferences of source, but for those that were loaded. 1; -1 nothing was stored."""
        return self.store_avps(ctx, source, which, db_id)

    @function(ALL_ROUTES, source="source", which="selection", db_id="known_id")
    def sql_avp_delete(self, ctx: Context, source: Raw[Source], which: Raw[Selection], db_id: int | None = None) -> int:
        """Delete preferences of source from the database. 1 / -1."""
        return self.delete_avps(ctx, source, which, db_id)


exports = SqlOps
