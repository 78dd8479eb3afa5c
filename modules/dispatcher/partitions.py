"""Partitions: what a modparam says about one, what it inherits, and the object the functions work with.

    modparam("dispatcher", "partition", "trunks: db_url = sqlite:///t.sqlite; table_name = trunks; attrs_avp = $avp(a)")
    modparam("dispatcher", "partition", "default: trunks")

What a partition does not say it takes from the parameters of the module, which are those of the partition "default"; names of
AVPs get the partition's name behind them, so that lists of two partitions never mix.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from engine.errors import ConfigError
from engine.script.variables.binder import Binder
from modules.dispatcher.destinations import Data
from modules.shared.sql.avps import parse_avp

DEFAULT: Final = "default"
AVPS: Final = {
    "dst_avp": "$avp(ds_dst_failover)", "grp_avp": "$avp(ds_grp_failover)", "cnt_avp": "$avp(ds_cnt_failover)",
    "sock_avp": "$avp(ds_sock_failover)", "attrs_avp": "", "script_attrs_avp": "",
}
"""The AVP parameters and their defaults; "" is none."""
PROPERTIES: Final = (
    "db_url", "table_name", *AVPS, "script_attrs", "ping_from", "ping_method", "ping_sock", "persistent_state",
    "ds_define_blacklist",
)
_SWITCH: Final = {"0": False, "no": False, "off": False, "1": True, "yes": True, "on": True}


class Definition(NamedTuple):
    """One modparam line."""

    name: str
    properties: dict[str, str]
    blacklists: list[str]
    default: str
    """Name of the partition that is to be the default one: "default: trunks"."""


def parse_partition(text: str) -> Definition:
    """Read a `partition` parameter. Raises ValueError."""
    name, colon, rest = (piece.strip() for piece in text.partition(":"))
    if not name or not colon:
        raise ValueError(f"{text!r} is not of the form name: property = value; ...")
    pieces = [piece.strip() for piece in rest.split(";") if piece.strip()]
    if name == DEFAULT and len(pieces) == 1 and "=" not in pieces[0]:
        return Definition(name, {}, [], pieces[0])
    properties: dict[str, str] = {}
    blacklists: list[str] = []
    for piece in pieces:
        key, equals, value = (part.strip() for part in piece.partition("="))
        if key not in PROPERTIES:
            raise ValueError(f"partition {name} has no property {key!r}, there are {', '.join(PROPERTIES)}")
        if not equals or not value:
            raise ValueError(f"partition {name}: {key} has no value")
        if key == "ds_define_blacklist":
            blacklists.append(value)
        else:
            properties["script_attrs_avp" if key == "script_attrs" else key] = value
    return Definition(name, properties, blacklists, "")


def switch(text: str) -> bool:
    """0, no, off; 1, yes, on. Raises ConfigError."""
    found = _SWITCH.get(text.lower())
    if found is None:
        raise ConfigError(f"dispatcher: persistent_state {text!r} is none of {', '.join(_SWITCH)}")
    return found


class BlacklistOf(NamedTuple):
    """A destination blacklist made of sets."""

    name: str
    sets: tuple[int, ...]


def parse_blacklist(text: str) -> BlacklistOf:
    """"name = 1,4,3". Raises ValueError."""
    name, equals, rest = (piece.strip() for piece in text.partition("="))
    if not name or not equals:
        raise ValueError(f"the blacklist {text!r} is not of the form name = set,set,...")
    try:
        return BlacklistOf(name, tuple(int(piece) for piece in rest.split(",")))
    except ValueError:
        raise ValueError(f"the sets of the blacklist {text!r} must be numbers") from None


class AvpNames:
    """Names of the AVPs in which a partition keeps its lists; "" for those it does not use."""

    __slots__ = ("dst", "grp", "cnt", "sock", "attrs", "script_attrs")

    def __init__(self, binder: Binder, properties: dict[str, str], general: dict[str, str], suffix: str) -> None:
        self.dst, self.grp, self.cnt, self.sock, self.attrs, self.script_attrs = (
            _avp_name(binder, properties.get(key), general.get(key) or default, suffix) for key, default in AVPS.items()
        )


def _avp_name(binder: Binder, own: str | None, inherited: str, suffix: str) -> str:
    text = own or inherited
    if not text:
        return ""
    name = parse_avp(binder, text).constant
    if name is None:
        raise ConfigError(f"dispatcher: {text} needs a constant name")
    return name if own or not suffix else f"{name}_{suffix}"


class Partition:
    """One table, and what is in it."""

    __slots__ = (
        "name", "url", "table", "avps", "persistent", "ping_from", "ping_method", "ping_sock", "ping_socket", "blacklists",
        "data",
    )

    def __init__(
        self, name: str, url: str, table: str, avps: AvpNames, persistent: bool, ping_from: str, ping_method: str,
        ping_sock: str, blacklists: list[BlacklistOf],
    ) -> None:
        self.name = name
        self.url = url
        self.table = table
        self.avps = avps
        self.persistent = persistent
        """The table has the states, and is told of changes."""
        self.ping_from = ping_from
        self.ping_method = ping_method
        self.ping_sock = ping_sock
        """As written; "" leaves it to the general parameter."""
        self.ping_socket: Any = None
        """ListenSocket pings go out by, None: whichever fits."""
        self.blacklists = blacklists
        self.data = Data([])
