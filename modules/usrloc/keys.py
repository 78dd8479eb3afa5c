"""ul_add_key(), ul_get_key(), ul_del_key(): values that scripts keep on a record, as long as it lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.module import ALL_ROUTES, Context, Static, Var, function

if TYPE_CHECKING:
    from modules.usrloc.domain import Domain


class UsrlocKeys:
    """The functions, mixed into the module."""

    if TYPE_CHECKING:
        log: Any

        def domain(self, name: str) -> Domain: ...

    @function(ALL_ROUTES, table="domain")
    def ul_add_key(self, ctx: Context, table: Static[str], aor: str, key: str, value: str | None = None) -> bool:
        """Store a value under a key of the AoR's record; an empty or missing value removes the key. -1: no such AoR."""
        domain: Any = table
        record = domain.get(aor)
        if record is None:
            self.log.warning("%s is not registered, key %s is not stored", aor, key)
            return False
        if value:
            record.kv[key] = value
        else:
            record.kv.pop(key, None)
        domain.keys_changed(record)
        return True

    @function(ALL_ROUTES, table="domain", writable=("destination",))
    def ul_get_key(self, ctx: Context, table: Static[str], aor: str, key: str, destination: Var) -> bool:
        """Read the value of a key into a variable. -1: no such AoR or key; the variable stays as it is."""
        domain: Any = table
        record = domain.get(aor)
        if record is None or key not in record.kv:
            self.log.warning("%s %s", aor, "is not registered" if record is None else f"has no key {key}")
            return False
        assert destination.set is not None
        destination.set(ctx, record.kv[key])
        return True

    @function(ALL_ROUTES, table="domain")
    def ul_del_key(self, ctx: Context, table: Static[str], aor: str, key: str) -> bool:
        """Remove a key. -1: no such AoR; 1 also when there was no such key."""
        domain: Any = table
        record = domain.get(aor)
        if record is None:
            self.log.warning("%s is not registered, key %s cannot be removed", aor, key)
            return False
        if record.kv.pop(key, None) is not None:
            domain.keys_changed(record)
        return True
