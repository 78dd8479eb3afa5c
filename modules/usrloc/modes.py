"""Working modes: what the parameters working_mode_preset, db_mode, cluster_mode ... mean together.

Manual: OpenSIPS 3.6, usrloc, "working_mode_preset". A preset stands for one value of each of the three single parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from engine.errors import ModparamError

NO_WRITE, WRITE_THROUGH, WRITE_BACK = "none", "write-through", "write-back"
LOAD_FROM_SQL = "load-from-sql"
SQL_ONLY = "sql-only"

PRESETS: Final[dict[str, tuple[str, str, str]]] = {
    "single-instance-no-db": ("none", "none", NO_WRITE),
    "single-instance-sql-write-through": ("none", LOAD_FROM_SQL, WRITE_THROUGH),
    "single-instance-sql-write-back": ("none", LOAD_FROM_SQL, WRITE_BACK),
    "federation-cluster": ("federation", "sync-from-cluster", NO_WRITE),
    "federation-cachedb-cluster": ("federation-cachedb", "sync-from-cluster", NO_WRITE),
    "full-sharing-cluster": ("full-sharing", "sync-from-cluster", NO_WRITE),
    "full-sharing-cachedb-cluster": ("full-sharing-cachedb", "none", NO_WRITE),
    "sql-only": (SQL_ONLY, "none", NO_WRITE),
}
"""Preset -> cluster_mode, restart_persistency, sql_write_mode."""

_CLUSTER_MODES: Final = ("none", "federation", "federation-cachedb", "full-sharing", "full-sharing-cachedb", SQL_ONLY)
_PERSISTENCY: Final = ("none", LOAD_FROM_SQL, "sync-from-cluster")
_WRITE_MODES: Final = (NO_WRITE, WRITE_THROUGH, WRITE_BACK)
_DB_MODES: Final = (
    "single-instance-no-db", "single-instance-sql-write-through", "single-instance-sql-write-back", "sql-only",
)


@dataclass(frozen=True, slots=True)
class Mode:
    """How registrations are kept."""

    sql_only: bool = False
    """Nothing in memory: every operation is one on the table."""
    write: str = NO_WRITE
    """When changes reach the table."""

    @property
    def needs_database(self) -> bool:
        """Whether db_url must be set."""
        return self.sql_only or self.write != NO_WRITE


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    lowered = value.lower()
    if lowered not in known:
        raise ModparamError(f"parameter <{name}>: {value!r} is none of {', '.join(known)}")
    return lowered


def working_mode(
    preset: str, db_mode: int | None, cluster_mode: str, persistency: str, write_mode: str, location_cluster: int, log: Any,
) -> Mode:
    """The mode the parameters ask for; empty texts and None are unset. Raises ModparamError when they contradict each other
    or ask for what this server does not have."""
    if db_mode is not None and 0 <= db_mode < len(_DB_MODES):
        if preset:
            raise ModparamError("parameters <db_mode> and <working_mode_preset> are both set: leave out db_mode")
        log.warning("parameter db_mode is deprecated: write working_mode_preset %r", _DB_MODES[db_mode])
        preset = _DB_MODES[db_mode]
    elif db_mode is not None:
        log.warning("unknown db_mode %d is ignored", db_mode)

    if preset:
        cluster, persist, write = PRESETS[_one_of("working_mode_preset", preset, tuple(PRESETS))]
    else:
        cluster = _one_of("cluster_mode", cluster_mode or "none", _CLUSTER_MODES)
        persist = _one_of("restart_persistency", persistency or "none", _PERSISTENCY)
        write = _one_of("sql_write_mode", write_mode or NO_WRITE, _WRITE_MODES)

    if cluster in ("none", SQL_ONLY):
        if cluster == "none" and persist == "sync-from-cluster":
            raise ModparamError("restart_persistency 'sync-from-cluster' needs a cluster_mode")
        if cluster == "none" and location_cluster:
            raise ModparamError("parameter <location_cluster> is set, but cluster_mode is for a single server")
    elif cluster == "federation":
        raise ModparamError("cluster_mode 'federation' does not exist: OpenSIPS never implemented it either")
    else:
        raise ModparamError(
            f"cluster_mode {cluster!r} needs the module clusterer, which this server does not have: several servers can share"
            " registrations through one database with working_mode_preset 'sql-only'"
        )

    if cluster == SQL_ONLY:
        if persist != "none" or write != NO_WRITE:
            log.warning("sql-only keeps everything in the database: restart_persistency and sql_write_mode are ignored")
        if location_cluster:
            log.warning("sql-only needs no location_cluster, it is ignored")
        return Mode(sql_only=True)
    if persist != LOAD_FROM_SQL and write != NO_WRITE:
        log.warning("sql_write_mode needs restart_persistency 'load-from-sql', it is ignored")
        write = NO_WRITE
    elif persist == LOAD_FROM_SQL and write == NO_WRITE:
        log.warning("restart_persistency 'load-from-sql' without sql_write_mode: using 'write-back'")
        write = WRITE_BACK
    return Mode(write=write)
