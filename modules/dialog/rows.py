"""Dialogs as rows of the table `dialog`, version 12, and back.

Values and profiles travel in texts of their own: name#type#value| for each, type 1 a text, 2 a number; \\ in front of # | and \\.
Bodies that re-INVITE pings need travel among the values, under the names OpenSIPS gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from engine.script.values import Value
from engine.sip.headers import parse_nameaddr_list
from engine.errors import SipParseError
from modules.dialog.cell import FROM_DB, Dialog, Leg

TABLE_VERSION: Final = 12

_TEXT, _NUMBER = "1", "2"
_BODIES: Final = {"uCSDP": (0, "in_sdp"), "aCSDP": (0, "out_sdp"), "Cct": (0, "adv_contact"),
                  "ucSDP": (1, "in_sdp"), "acSDP": (1, "out_sdp"), "cct": (1, "adv_contact")}
"""Name among the values -> (leg, what of it)."""

FIELDS: Final[dict[str, str]] = {
    "dlg_id": "dlg_id", "call_id": "callid", "from_uri": "from_uri", "from_tag": "from_tag", "to_uri": "to_uri",
    "to_tag": "to_tag", "mangled_fu": "mangled_from_uri", "mangled_tu": "mangled_to_uri", "from_cseq": "caller_cseq",
    "to_cseq": "callee_cseq", "from_ping_cseq": "caller_ping_cseq", "to_ping_cseq": "callee_ping_cseq",
    "from_route": "caller_route_set", "to_route": "callee_route_set", "from_contact": "caller_contact",
    "to_contact": "callee_contact", "from_sock": "caller_sock", "to_sock": "callee_sock", "state": "state",
    "start_time": "start_time", "timeout": "timeout", "vars": "vars", "profiles": "profiles", "sflags": "script_flags",
    "mflags": "module_flags", "flags": "flags", "rt_on_answer": "rt_on_answer", "rt_on_timeout": "rt_on_timeout",
    "rt_on_hangup": "rt_on_hangup",
}
"""Part of a row -> default name of its column; the modparam is PART_column."""


class BadRow(Exception):
    """A row that makes no dialog; the text says why."""


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("#", "\\#").replace("|", "\\|")


def pack(pairs: Iterable[tuple[str, Value]]) -> str:
    """Pairs as the columns hold them."""
    return "".join([
        f"{_escape(name)}#" + (f"{_NUMBER}#{int(value)}|" if isinstance(value, int) else f"{_TEXT}#{_escape(value or '')}|")
        for name, value in pairs
    ])


def unpack(text: str) -> Iterator[tuple[str, str | int]]:
    """The pairs of such a text; what is broken is left out."""
    fields: list[str] = []
    piece: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1:at + 2] in ("\\", "#", "|"):
            piece.append(text[at + 1])
            at += 2
            continue
        at += 1
        if char not in "#|":
            piece.append(char)
            continue
        fields.append("".join(piece))
        piece.clear()
        if char == "#":
            continue
        if len(fields) == 3 and fields[0]:
            name, kind, value = fields
            if kind == _TEXT:
                yield name, value
            elif kind == _NUMBER and value.lstrip("+-").isdigit():
                yield name, int(value)
        fields.clear()


def text_of_column(value: Any) -> str:
    """A column as text: a driver may give bytes for a blob."""
    if value is None:
        return ""
    return bytes(value).decode("latin-1") if isinstance(value, bytes | bytearray | memoryview) else str(value)


class Rows:
    """The layout of the table.

    names: part -> column. flag_text, flag_mask: flags of the script. find_socket(text): a listening socket or None.
    """

    def __init__(
        self, names: dict[str, str], flag_text: Callable[[int], str], flag_mask: Callable[[str], int],
        find_socket: Callable[[str], Any],
    ) -> None:
        self.names = {part: names.get(part) or default for part, default in FIELDS.items()}
        self.columns = tuple(self.names.values())
        self.key = self.names["dlg_id"]
        self._flag_text = flag_text
        self._flag_mask = flag_mask
        self._find_socket = find_socket

    def row(self, dialog: Dialog, timeout: int, whole: bool) -> tuple[Any, ...]:
        """The row of a dialog. timeout: seconds since 1970; whole: with values, profiles and flags of the script."""
        caller = dialog.legs[0]
        callee = dialog.callee or Leg()
        values: bytes | None = None
        profiles: str | None = None
        flags: str | None = None
        if whole:
            pairs: list[tuple[str, Value]] = list(reversed((dialog.values or {}).items()))
            legs = (caller, callee)
            pairs += [(name, getattr(legs[leg], part)) for name, (leg, part) in _BODIES.items() if getattr(legs[leg], part)]
            # Bytes, because the column is a blob: not every database takes a text for one.
            values = pack(pairs).encode("latin-1", "replace") or None
            profiles = pack([(profile.full_name, value) for profile, value in reversed(dialog.links or ())]) or None
            flags = self._flag_text(dialog.user_flags) or None
        return (
            dialog.db_id, dialog.call_id, dialog.from_uri, caller.tag, dialog.to_uri, callee.tag, callee.from_uri or None,
            callee.to_uri or None, caller.cseq, callee.cseq, caller.gen, callee.gen, caller.route_set or None,
            callee.route_set or None, caller.contact or None, callee.contact or None,
            caller.socket.name if caller.socket is not None else "", callee.socket.name if callee.socket is not None else "",
            dialog.state, int(dialog.started), timeout, values, profiles, flags, dialog.mod_flags if whole else 0, dialog.flags,
            dialog.on_answer or None, dialog.on_timeout or None, dialog.on_hangup or None,
        )

    def parts(self, row: Sequence[Any]) -> dict[str, Any]:
        """A row by part. Raises BadRow when what must be there is not."""
        part = dict(zip(FIELDS, row, strict=False))
        for name in ("dlg_id", "call_id", "from_uri", "from_tag", "to_uri", "to_tag", "start_time", "state", "timeout"):
            if part[name] is None or part[name] == "":
                raise BadRow(f"column {self.names[name]} is empty")
        try:
            for name in ("dlg_id", "start_time", "state", "timeout"):
                part[name] = int(part[name])
            for name in ("from_ping_cseq", "to_ping_cseq", "mflags", "flags"):
                part[name] = int(part[name] or 0)
        except (ValueError, TypeError) as error:
            raise BadRow(str(error)) from None
        return part

    def fill(self, dialog: Dialog, part: dict[str, Any]) -> None:
        """Give a dialog what its row says, profiles excepted. Raises BadRow: not a socket of this server."""
        legs = []
        for side in ("from", "to"):
            leg = Leg()
            leg.socket = self._find_socket(text_of_column(part[f"{side}_sock"]))
            if leg.socket is None:
                raise BadRow(f"socket {part[f'{side}_sock']!r} is none of this server")
            leg.tag = text_of_column(part[f"{side}_tag"])
            leg.cseq = text_of_column(part[f"{side}_cseq"]) or "0"
            leg.gen = part[f"{side}_ping_cseq"]
            leg.contact = text_of_column(part[f"{side}_contact"])
            leg.route_set = text_of_column(part[f"{side}_route"])
            if leg.route_set:
                try:
                    leg.routes = [route.uri for route in parse_nameaddr_list(leg.route_set)]
                except SipParseError as error:
                    raise BadRow(f"broken route set: {error.message}") from None
            legs.append(leg)
        legs[0].invite_cseq = legs[1].cseq
        legs[1].from_uri = text_of_column(part["mangled_fu"])
        legs[1].to_uri = text_of_column(part["mangled_tu"])
        dialog.legs = legs
        dialog.answered = 1
        dialog.branches_seen = 1
        dialog.state = part["state"]
        dialog.started = dialog.created = float(part["start_time"])
        dialog.flags = part["flags"] | FROM_DB
        dialog.mod_flags = part["mflags"]
        dialog.user_flags = self._flag_mask(text_of_column(part["sflags"]))
        dialog.on_answer, dialog.on_timeout, dialog.on_hangup = (
            text_of_column(part[name]) for name in ("rt_on_answer", "rt_on_timeout", "rt_on_hangup"))
        pairs = list(unpack(text_of_column(part["vars"])))
        pairs.reverse()
        values: dict[str, Value] = {}
        for name, value in pairs:
            if name in _BODIES:
                number, attribute = _BODIES[name]
                setattr(legs[number], attribute, str(value))
            else:
                values[name] = value
        dialog.values = values or None
