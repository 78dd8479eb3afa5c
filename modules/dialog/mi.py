"""dialog's MI commands."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from engine.errors import MiError
from engine.module import mi_command
from engine.sip.message import Response
from engine.workers import in_worker
from modules.dialog.api import DELETED
from modules.dialog.cell import Dialog
from modules.dialog.functions import DialogFunctions
from modules.dialog.profiles import Profile
from modules.dialog.sending import SDP

_LIST: Final = [[], ["callid"], ["callid", "from_tag"], ["index", "counter"]]
_SEQUENTIAL: Final = [
    ["callid"], ["callid", "mode"], ["callid", "method"], ["callid", "body"], ["callid", "headers"], ["callid", "mode", "method"],
    ["callid", "mode", "body"], ["callid", "mode", "headers"], ["callid", "method", "body"], ["callid", "method", "headers"],
    ["callid", "body", "headers"], ["callid", "method", "body", "mode"], ["callid", "method", "mode", "headers"],
    ["callid", "mode", "body", "headers"], ["callid", "method", "body", "headers"],
    ["callid", "method", "body", "mode", "headers"],
]
# What OpenSIPS takes, and what its manual says. They are two commands: with both sets in one an array would be ambiguous.
_SET, _SET_TOO = [
    [[ident, "profile"], [ident, "profile", "value"], [ident, "profile", "value", "clear_values"]] for ident in ("dlg_id", "DID")]
_UNSET, _UNSET_TOO = [[[ident, "profile"], [ident, "profile", "value"]] for ident in ("dlg_id", "DID")]

NOT_FOUND: Final = "Requested Dialog not found"
BROKEN: Final = "Operation failed"


class DialogMi(DialogFunctions):
    """The commands."""

    # ---- lists ----

    def _list(
        self, with_context: bool, callid: str | None, from_tag: str | None, index: int | None, counter: int | None,
    ) -> dict[str, Any]:
        if callid is not None:
            for dialog in self.table.of_call(callid):
                if from_tag is None or dialog.caller.tag == from_tag:
                    if dialog.state == DELETED:
                        break
                    return {"Dialog": self.describe(dialog, with_context)}
            raise MiError(404, "No such dialog")
        dialogs = self.table.in_order()
        if not counter:
            return {"Dialogs": [self.describe(dialog, with_context) for dialog in dialogs]}
        start = max(0, index or 0)
        return {
            "count": len(dialogs),
            "Dialogs": [self.describe(dialog, with_context) for dialog in dialogs[start:start + counter]],
        }

    @mi_command("dlg_list", help="lists dialogs: all, those of a call, or a part of the list", named_only=True, recipes=_LIST)
    def mi_list(
        self, callid: str | None = None, from_tag: str | None = None, index: int | None = None, counter: int | None = None,
    ) -> dict[str, Any]:
        """404: no dialog of that call lives."""
        return self._list(False, callid, from_tag, index, counter)

    @mi_command("dlg_list_ctx", help="dlg_list with values, profiles and what other modules add", named_only=True, recipes=_LIST)
    def mi_list_ctx(
        self, callid: str | None = None, from_tag: str | None = None, index: int | None = None, counter: int | None = None,
    ) -> dict[str, Any]:
        """404: no dialog of that call lives."""
        return self._list(True, callid, from_tag, index, counter)

    # ---- ending ----

    def _found(self, ident: str) -> Dialog:
        dialog = self.find(ident)
        if dialog is None:
            raise MiError(404, NOT_FOUND)
        return dialog

    @mi_command("dlg_end_dlg", help="hangs up: BYE to both sides, CANCEL when nobody has answered yet")
    async def mi_end(self, dialog_id: str, extra_hdrs: str = "") -> None:
        """dialog_id: id or Call-ID; extra_hdrs: header lines for the BYEs. 404: no such dialog, 500: it cannot be ended."""
        dialog = self._found(dialog_id)
        if not await in_worker(self.server.workers, lambda: self.end(dialog, "MI Termination", extra_hdrs)):
            raise MiError(500, BROKEN)

    @mi_command("profile_end_dlgs", help="hangs up all dialogs of a profile")
    async def mi_profile_end(self, profile: str, value: str | None = None) -> None:
        """404: no such profile."""
        found = self._profile_of(profile)

        def work() -> None:
            for dialog in self.table.in_order():
                if self._is_linked(dialog, found, value) and dialog.state != DELETED:
                    self.end(dialog, "MI Termination")

        await in_worker(self.server.workers, work)

    # ---- profiles ----

    def _profile_of(self, name: str) -> Profile:
        found = self.profile(name)
        if found is None:
            raise MiError(404, "Profile not found")
        return found

    @staticmethod
    def _is_linked(dialog: Dialog, profile: Profile, value: str | None) -> bool:
        return any(linked is profile and (value is None or own == value) for linked, own in dialog.links or ())

    @mi_command("profile_get_size", help="how many dialogs are in a profile")
    async def mi_profile_size(self, profile: str, value: str | None = None) -> dict[str, Any]:
        """404: no such profile."""
        found = self._profile_of(profile)
        count = await in_worker(self.server.workers, lambda: self.profile_size(found, value))
        return {"Profile": {
            "name": found.name, "value": value, "count": count, "shared": "yes" if found.shared else "no", "replicated": "no",
        }}

    @mi_command("profile_list_dlgs", help="lists the dialogs of a profile")
    def mi_profile_list(self, profile: str, value: str | None = None) -> dict[str, Any]:
        """404: no such profile."""
        found = self._profile_of(profile)
        return {"Dialogs": [
            self.describe(dialog, False) for dialog in self.table.in_order() if self._is_linked(dialog, found, value)
        ]}

    @mi_command("profile_get_values", help="the values of a profile and how many dialogs have each")
    def mi_profile_values(self, profile: str) -> list[dict[str, Any]]:
        """404: no such profile; 405: a shared one."""
        found = self._profile_of(profile)
        if found.shared:
            raise MiError(405, "Unsupported command for shared profiles")
        if not found.has_value:
            return [{"value": None, "count": found.size}]
        return [{"value": value, "count": count} for value, count in sorted(found.counts.items())]

    @mi_command("list_all_profiles", help="lists the profiles")
    def mi_profiles(self) -> dict[str, Any]:
        """In the order in which they are defined."""
        return {"Profiles": [{"name": one.name, "has value": one.has_value} for one in self.profiles.values()]}

    async def _change_profile(self, ident: str | None, profile: str, call: Any) -> None:
        found = self.profile(profile)
        if found is None:
            raise MiError(400, "Bad param")
        dialog = self.find(ident) if ident else None
        if dialog is None:
            raise MiError(404, "Dialog Not Found")
        if not await in_worker(self.server.workers, lambda: call(dialog, found)):
            raise MiError(403, "Dialog Error")
        self.save_values(dialog)

    @mi_command("dlg_set_profile", help="puts a dialog into a profile", recipes=_SET)
    async def mi_set_profile(
        self, profile: str, dlg_id: str | None = None, value: str | None = None, clear_values: int = 0,
        DID: str | None = None,  # noqa: N803
    ) -> None:
        """dlg_id (or DID): id or Call-ID. 404: no such dialog, 400: no such profile."""
        await self._change_profile(dlg_id or DID, profile, lambda dialog, found: (
            self._join(dialog, found, value, bool(clear_values)) > 0))

    @mi_command("set_dlg_profile", help="dlg_set_profile under the name the manual has for it", recipes=_SET_TOO)
    async def mi_set_profile_too(
        self, profile: str, dlg_id: str | None = None, value: str | None = None, clear_values: int = 0,
        DID: str | None = None,  # noqa: N803
    ) -> None:
        """As dlg_set_profile."""
        await self.mi_set_profile(profile, dlg_id, value, clear_values, DID)

    @mi_command("dlg_unset_profile", help="takes a dialog out of a profile", recipes=_UNSET)
    async def mi_unset_profile(
        self, profile: str, dlg_id: str | None = None, value: str | None = None, DID: str | None = None,  # noqa: N803
    ) -> None:
        """Without value: whatever its values. 404: no such dialog, 400: no such profile, 403: it is not in it."""
        await self._change_profile(dlg_id or DID, profile, lambda dialog, found: (
            self.part(dialog, found, value) or (found.has_value and value is None)))

    @mi_command("unset_dlg_profile", help="dlg_unset_profile under the name the manual has for it", recipes=_UNSET_TOO)
    async def mi_unset_profile_too(
        self, profile: str, dlg_id: str | None = None, value: str | None = None, DID: str | None = None,  # noqa: N803
    ) -> None:
        """As dlg_unset_profile."""
        await self.mi_unset_profile(profile, dlg_id, value, DID)

    # ---- values ----

    @mi_command("dlg_push_var", help="sets a value of dialogs")
    def mi_push_var(self, dlg_val_name: str, dlg_val_value: str, DID: list[str]) -> None:  # noqa: N803
        """DID: ids or Call-IDs; unknown ones are passed over."""
        for ident in DID:
            dialog = self.find(ident)
            if dialog is not None:
                self.store(dialog, dlg_val_name, dlg_val_value)

    @mi_command("dlg_cluster_sync", help="needs a cluster", recipes=[[], ["sharing_tag"]])
    def mi_cluster_sync(self, sharing_tag: str = "") -> None:
        """400: there is no cluster."""
        raise MiError(400, "Dialog replication disabled")

    # ---- requests within ----

    @mi_command("dlg_send_sequential", help="sends a request inside a dialog and answers with its reply", named_only=True,
                recipes=_SEQUENTIAL)
    async def mi_sequential(
        self, callid: str, method: str = "INVITE", mode: str = "caller", body: str = "none", headers: str = "",
    ) -> dict[str, Any]:
        """mode: caller, callee, challenge[-caller|-callee]: the body of the answer goes on to the other side, whose answer
        counts. body: none, inbound, outbound, custom:TYPE:BODY. Errors: 400 bad mode or body, 404 no dialog, 406 only INVITE
        and UPDATE can challenge, 408 no answer, 500 not sent."""
        to_callee, challenge = _mode(mode)
        kind, text = _body(body)
        if challenge and method.upper() not in ("INVITE", "UPDATE"):
            raise MiError(406, "Not Acceptable")
        dialog = self.find_call(callid)
        if dialog is None:
            raise MiError(404, "Dialog Not Found")
        to = dialog.callee_index if to_callee else 0
        source = dialog.other(to)
        if source >= len(dialog.legs) or to >= len(dialog.legs):
            raise MiError(500, "Internal Error")
        if kind in ("inbound", "outbound"):
            text = (dialog.legs[to].out_sdp if kind == "outbound" else "") or dialog.legs[source].in_sdp
            kind = SDP
        code, response = await self._ask(dialog, to, method, text, kind if text else "", headers)
        if challenge and response is not None and 200 <= code < 300:
            offer = self.final_body(response)
            if not offer:
                return {"Code": 400, "Reason": response.reason_phrase}
            code, response = await self._ask(dialog, source, method, offer, SDP, "")
        if response is None:
            raise MiError(code, "Request Timeout" if code == 408 else "Internal Error")
        return {"Code": code, "Reason": response.reason_phrase}

    async def _ask(
        self, dialog: Dialog, to: int, method: str, body: str, content_type: str, headers: str,
    ) -> tuple[int, Response | None]:
        """Send it and wait for the final answer."""
        answer: asyncio.Future[tuple[int, Response | None]] = asyncio.get_running_loop().create_future()

        def done(code: int, response: Response | None) -> None:
            if code >= 200 and not answer.done():
                answer.set_result((code, response))

        lines = headers if not headers or headers.endswith("\n") else headers + "\r\n"
        if not await in_worker(self.server.workers, lambda: self.send_leg(
            dialog, to, method, body=body, content_type=content_type, headers=lines, done=done,
        )):
            raise MiError(500, "Internal Error")
        return await answer


def _mode(text: str) -> tuple[bool, bool]:
    """(to the callee, challenge) of a mode."""
    name = text.lower()
    challenge = name.startswith("challenge")
    leg = name[len("challenge"):].lstrip("-_ :") if challenge else name
    if leg not in ("caller", "callee") and not (challenge and not leg):
        raise MiError(400, "Invalid mode")
    return leg == "callee", challenge


def _body(text: str) -> tuple[str, str]:
    """(none, inbound, outbound or a content type; the custom body)."""
    name = text.lower()
    if name in ("none", "inbound", "outbound"):
        return ("" if name == "none" else name), ""
    if not name.startswith("custom") or len(text) < 8:
        raise MiError(400, "Invalid body mode")
    kind, colon, content = text[len("custom:"):].partition(":")
    return (kind, content) if colon else ("", "")
