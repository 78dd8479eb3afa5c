"""One REGISTER, RFC 3261 10.3: read it, carry it out against usrloc, write the answer.

The steps are methods so that mid_registrar can put its own between them: read() and judge() (reading.py) look at the request
and change nothing, store() (storing.py) plans everything before it changes anything, so a refused REGISTER leaves no trace,
answer() makes the header lines. Each may raise Refused.
"""

from __future__ import annotations

from typing import Any

from engine.sip.headers import format_q
from modules.shared.reg import gruu
from modules.shared.reg.flags import PATH_LAZY, PATH_STRICT
from modules.shared.reg.path import supports
from modules.shared.reg.refusals import PATH_UNSUPPORTED, TOO_BRIEF, Refusal
from modules.shared.reg.storing import Storing


class Registration(Storing):
    """One REGISTER on its way through a registrar."""

    __slots__ = ()

    def answer(self, refusal: Refusal | None) -> str:
        """The header lines of the reply, CRLF-terminated, in the order of OpenSIPS."""
        msg, mod = self.msg, self.mod
        lines: list[str] = []
        record = self.domain.get(self.aor) if self.listed or refusal is PATH_UNSUPPORTED else None
        contacts = self._contacts(record, refusal)
        if contacts:
            lines.append(f"Contact: {', '.join(contacts)}\r\n")
        if refusal is PATH_UNSUPPORTED:
            lines.append(f"Unsupported: path\r\nPath: {self.path}\r\n")
        elif refusal is None and self.path and self.wanted and (
            self.flags.path == PATH_STRICT or (self.flags.path == PATH_LAZY and supports(msg, "path"))
        ):
            lines.append(f"Path: {self.path}\r\n")
        if self.judged and mod.push is not None:
            lines.append(mod.push.feature_caps(self.wanted, msg))
        if refusal is not None:
            lines.append(f"P-Registrar-Error: {refusal.text}\r\n")
            if refusal is TOO_BRIEF:
                lines.append(f"Min-Expires: {mod.pn_trigger_interval + 1}\r\n")
            if refusal.status >= 500 and mod.retry_after:
                lines.append(f"Retry-After: {mod.retry_after}\r\n")
        return "".join(lines)

    def _contacts(self, record: Any, refusal: Refusal | None) -> list[str]:
        """The contacts the reply lists."""
        mod, now = self.mod, self.now
        stored = record.contacts if record is not None else []
        only = self._only() if self.flags.only_request_contacts else None
        with_gruu = not mod.disable_gruu and supports(self.msg, "gruu")
        hide = mod.push is not None and mod.pn_hide_params
        lines: list[str] = []
        for contact in stored:
            expires = contact.expires
            if (expires and expires <= now) or (
                only is not None and only.get(contact.contact) not in (0, contact.contact_id)
            ):
                continue
            if only is not None:
                only[contact.contact] = contact.contact_id
            uri = contact.contact
            if hide and not any(item.contact_id == contact.contact_id for item in self.wanted):
                assert mod.push is not None
                uri = mod.push.trimmed(uri)
            q = f";q={format_q(contact.q)}" if contact.q >= 0 else ""
            received = f';{mod.received_param}="{contact.received}"' if contact.received else ""
            line = f"<{uri}>{q};expires={expires - now if expires else 0x7FFFFFFF}{received}"
            if with_gruu and len(contact.instance) > 2:
                line += self._gruus(contact)
            lines.append(line)
        if refusal is PATH_UNSUPPORTED:
            # Nothing was stored; OpenSIPS stores first and refuses then, and its 420 lists what it stored.
            known = {contact.contact for contact in stored}
            lines.extend([
                f"<{item.uri}>{f';q={format_q(item.q)}' if item.q >= 0 else ''};expires={item.lifetime}"
                for item in self.wanted if item.lifetime and item.uri not in known
            ])
        return lines

    def _only(self) -> dict[str, int]:
        """URIs of the request -> id of the one contact to be listed for each; 0: the first that has the URI."""
        return {
            item.uri: item.contact_id if item.contact is not None and item.contact.contact == item.uri else 0
            for item in self.wanted
        }

    def _gruus(self, contact: Any) -> str:
        mod = self.mod
        socket = contact.socket or self.ctx.socket
        place = f"{socket.ip}:{socket.port}"
        public = gruu.public(contact.aor, contact.instance, "" if mod.usrloc.use_domain else place)
        temporary = gruu.temporary(contact.aor, contact.instance, contact.callid, place, mod.gruu_secret)
        instance = contact.instance[1:-1] if mod.server.speaks_31 else contact.instance
        return f';pub-gruu="{public}";temp-gruu="{temporary}";+sip.instance="{instance}"'
