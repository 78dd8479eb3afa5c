"""A dialog in words: what dlg_list prints, and the shorter JSON of $DLG_json."""

from __future__ import annotations

import json
import re
import time
from typing import Any, Final

from modules.dialog.cell import Dialog, Leg
from modules.dialog.routing import DialogRouting
from modules.dialog.api import ON_MI_CONTEXT

_SHORT: Final = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")


def printable(text: str) -> str:
    """Unprintable characters as \\n or \\xff."""
    return _UNPRINTABLE.sub(lambda found: _SHORT.get(found[0]) or f"\\x{ord(found[0]):02x}", text)


def moment(seconds: float) -> str:
    """Date and time, local."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


class DialogShow(DialogRouting):
    """Printing."""

    def _ends_at(self, dialog: Dialog) -> int:
        """Seconds since 1970 at which its lifetime is over; 0 while nothing counts."""
        return int(self.server.wall()) + dialog.expires - int(self.server.now()) if dialog.expires > 0 else 0

    def describe(self, dialog: Dialog, with_context: bool) -> dict[str, Any]:
        """As dlg_list (with_context: dlg_list_ctx) shows it."""
        if dialog.transaction is not None:
            self.legs_of_branches(dialog, dialog.transaction)
        caller = dialog.caller
        started, ends = int(dialog.started), self._ends_at(dialog)
        shown: dict[str, Any] = {
            "ID": dialog.did, "db_id": str(dialog.db_id), "state": dialog.state,
            "user_flags": dialog.user_flags if self.server.speaks_31 else self.flags_text(dialog), "timestart": started,
        }
        if started:
            shown["datestart"] = moment(started)
        shown["timeout"] = ends
        if ends:
            shown["dateout"] = moment(ends)
        shown.update({
            "callid": dialog.call_id, "from_uri": dialog.from_uri, "to_uri": dialog.to_uri, "caller_tag": caller.tag,
            "caller_contact": caller.contact, "callee_cseq": caller.cseq, "caller_route_set": caller.route_set,
            "caller_bind_addr": caller.socket.name if caller.socket is not None else None,
        })
        if caller.in_sdp:
            shown["caller_sdp"] = caller.in_sdp
        if caller.out_sdp:
            shown["caller_sent_sdp"] = caller.out_sdp
        shown["CALLEES"] = [_callee(leg) for leg in dialog.legs[1:]]
        if with_context:
            shown["context"] = self._context(dialog)
        return shown

    def _context(self, dialog: Dialog) -> dict[str, Any]:
        context: dict[str, Any] = {}
        if dialog.values:
            context["values"] = [
                {name: printable(value) if isinstance(value, str) else int(value or 0)}
                for name, value in reversed(dialog.values.items())
            ]
        if dialog.links:
            context["profiles"] = [{profile.name: value} for profile, value in reversed(dialog.links)]
        if self.heard(dialog, ON_MI_CONTEXT):
            self.tell(ON_MI_CONTEXT, dialog, context=context)
        return context

    def flags_text(self, dialog: Dialog) -> str:
        """Names of the flags set_dlg_flag() has set."""
        return self.flag_names.text(dialog.user_flags)

    def json_of(self, dialog: Dialog, with_context: bool) -> str:
        """$DLG_json, $DLG_ctx_json."""
        if dialog.transaction is not None:
            self.legs_of_branches(dialog, dialog.transaction)
        shown: dict[str, Any] = {
            "ID": str(dialog.db_id), "state": str(dialog.state), "user_flags": self.flags_text(dialog), "callid": dialog.call_id,
            "timestart": str(int(dialog.started)), "timeout": str(self._ends_at(dialog)), "from_uri": dialog.from_uri,
            "to_uri": dialog.to_uri, "caller": _side(dialog.caller), "callees": [_side(leg) for leg in dialog.legs[1:]],
        }
        if with_context:
            if dialog.values:
                shown["values"] = {
                    name: value if isinstance(value, str) else int(value or 0)
                    for name, value in reversed(dialog.values.items())
                }
            if dialog.links:
                profiles: dict[str, list[str]] = {}
                for profile, value in reversed(dialog.links):
                    profiles.setdefault(profile.name, []).append(value)
                shown["profiles"] = profiles
        return json.dumps(shown, separators=(",", ":"))


def _callee(leg: Leg) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "callee_tag": leg.tag, "callee_contact": leg.contact, "caller_cseq": leg.cseq if leg.tag else "",
        "callee_route_set": leg.route_set, "callee_bind_addr": leg.socket.name if leg.socket is not None else None,
    }
    if leg.in_sdp:
        shown["callee_sdp"] = leg.in_sdp
    if leg.out_sdp:
        shown["callee_sent_sdp"] = leg.out_sdp
    return shown


def _side(leg: Leg) -> dict[str, str]:
    return {
        "tag": leg.tag, "contact": leg.contact, "cseq": leg.cseq if leg.tag else "", "route_set": leg.route_set,
        "bind_addr": leg.socket.name if leg.socket is not None else "", "sdp": leg.out_sdp,
    }
