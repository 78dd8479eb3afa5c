"""One REGISTER, RFC 3261 10.3: read it, carry it out against usrloc, write the answer.

The steps are methods so that mid_registrar can put its own between them: read() and judge() look at the request and change
nothing, store() plans everything before it changes anything (a refused REGISTER leaves no trace), answer() makes the header
lines. Each raises Refused.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from engine.errors import SipParseError
from engine.module import Context
from engine.sip.grammar import BLANKS, split_params, unquote
from engine.sip.headers import STAR, ContactValue, format_q, parse_contacts, parse_q
from engine.sip.uri import same_uri, try_uri
from modules.shared.reg import gruu, push
from modules.shared.reg.flags import PATH_LAZY, PATH_NONE, PATH_STRICT, SaveFlags
from modules.shared.reg.methods import read_methods
from modules.shared.reg.path import read_path, supports
from modules.shared.reg.refusals import (
    AOR_LENGTH,
    BAD_AOR,
    BAD_CONTACT,
    BAD_CSEQ,
    BAD_EXPIRES,
    BAD_MESSAGE,
    BAD_Q,
    CALL_ID_LENGTH,
    CONTACT_LENGTH,
    INSERT_CONTACT,
    NO_CALL_ID,
    NO_CSEQ,
    NO_TO,
    PATH_UNSUPPORTED,
    STAR_ALONE,
    STAR_EXPIRES,
    TOO_BRIEF,
    TOO_MANY,
    Refusal,
    Refused,
)
from modules.usrloc.api import ALL_METHODS, FL_MEM, FL_PN_ON, Udomain

if TYPE_CHECKING:
    from engine.sip.message import Message
    from modules.shared.reg.base import RegBase

MAX_CALL_ID = 255
MAX_RECEIVED = 255
MAX_USER_AGENT = 254

_NO_FLAGS = SaveFlags()


class Wanted:
    """One Contact of a REGISTER: what the device wants, what it gets, which stored contact it means."""

    __slots__ = ("uri", "params", "lifetime", "q", "push", "provider", "contact", "contact_id")

    def __init__(self, uri: str, params: dict[str, str]) -> None:
        self.uri = uri
        self.params = params
        """Contact parameters, names in lower case; "" for one without value."""
        self.lifetime = 0
        """Seconds granted, 0: remove it."""
        self.q = -1
        self.push = push.NONE
        self.provider: push.Provider | None = None
        self.contact: Any = None
        """The stored contact: found, made or removed."""
        self.contact_id = 0
        """Its id, known also when it is gone."""


class Registration:
    """One REGISTER on its way through a registrar."""

    __slots__ = (
        "mod", "ctx", "msg", "domain", "flags", "now", "aor", "call_id", "cseq", "wanted", "star", "path", "path_received",
        "min_expires", "max_expires", "max_contacts", "judged", "record", "listed", "common",
    )

    def __init__(self, mod: RegBase, ctx: Context, msg: Message, domain: Udomain, flags: SaveFlags | None) -> None:
        self.mod = mod
        self.ctx = ctx
        self.msg = msg
        """The REGISTER; ctx may belong to its reply."""
        self.domain = domain
        self.flags = flags = flags or _NO_FLAGS
        self.now = mod.seconds()
        self.aor = ""
        self.call_id = ""
        self.cseq = 0
        self.wanted: list[Wanted] = []
        self.star = False
        self.path = ""
        self.path_received = ""
        self.min_expires: int = mod.min_expires if flags.min_expires is None else flags.min_expires
        self.max_expires: int = mod.max_expires if flags.max_expires is None else flags.max_expires
        self.max_contacts: int = mod.max_contacts if flags.max_contacts is None else flags.max_contacts
        self.judged = False
        """Push notification had its say: the answer may carry Feature-Caps."""
        self.record: Any = None
        self.listed = False
        """The answer lists contacts."""
        self.common: dict[str, Any] = {}
        """Fields all contacts of the request have in common."""

    # ---- reading ----

    def read(self, aor_uri: str | None, forced: str | None = None) -> None:
        """Headers, contacts, lifetimes, AoR, Path. forced: a Contact to be used instead of those of the message."""
        msg = self.msg
        try:
            to = msg.to
            cseq_text = msg.cseq_number
        except SipParseError:
            raise Refused(BAD_MESSAGE) from None
        if to is None:
            raise Refused(NO_TO)
        call_id = msg.call_id
        if call_id is None:
            raise Refused(NO_CALL_ID)
        if cseq_text is None:
            raise Refused(NO_CSEQ)
        if len(call_id) > MAX_CALL_ID:
            raise Refused(CALL_ID_LENGTH)
        if not cseq_text.isdecimal() or int(cseq_text) > 0xFFFFFFFF:
            raise Refused(BAD_CSEQ)
        self.call_id = call_id
        self.cseq = int(cseq_text)
        default = self._expires_header()
        self._read_contacts(forced, default)
        self.aor = self.mod.aor_rules.aor(to.uri if aor_uri is None else aor_uri)
        if not self.aor:
            raise Refused(BAD_AOR)
        if len(self.aor) > self.mod.max_aor_len:
            raise Refused(AOR_LENGTH)
        if self.flags.path != PATH_NONE and "path" in msg.names:
            self.path, self.path_received = read_path(msg, self.flags.path_received)

    def _expires_header(self) -> int | None:
        """Seconds in the Expires header, None without one."""
        text = self.msg.header("expires")
        if text is None:
            return None
        if not text.isdecimal() or not text.isascii():
            raise Refused(BAD_EXPIRES)
        return min(int(text), 0xFFFFFFFF)

    def _read_contacts(self, forced: str | None, default: int | None) -> None:
        msg, mod = self.msg, self.mod
        values: list[ContactValue] = []
        try:
            if forced is not None:
                values = parse_contacts(forced)
            else:
                # Not msg.contacts: where the values stand in the message is of no interest here, and costs.
                for at, name in enumerate(msg.names):
                    if name == "contact":
                        values += parse_contacts(msg.value(at))
        except SipParseError:
            raise Refused(BAD_CONTACT) from None
        for value in values:
            if value is STAR:
                if values[0] is STAR and default != 0:
                    raise Refused(STAR_EXPIRES)
                if len(values) > 1:
                    raise Refused(STAR_ALONE)
                self.star = True
                return
            params = _params(value.params) if value.params else {}
            if len(value.uri) > mod.max_contact_len or len(params.get("received", "")) > MAX_RECEIVED:
                raise Refused(CONTACT_LENGTH)
            item = Wanted(value.uri, params)
            item.lifetime = self.granted(params.get("expires"), default)
            q = params.get("q")
            if not q:
                item.q = mod.default_q
            elif item.lifetime:
                try:
                    item.q = parse_q(q)
                except SipParseError:
                    raise Refused(BAD_Q) from None
            self.wanted.append(item)

    def granted(self, asked: str | None, default: int | None) -> int:
        """Lifetime in seconds: that of the Contact, else of the header, else the default, within the limits; 0 removes."""
        mod = self.mod
        if asked:
            lifetime = int(asked) if asked.isdecimal() and asked.isascii() else mod.default_expires
        else:
            lifetime = mod.default_expires if default is None else default
        if lifetime == 0:
            return 0
        low, high = self.min_expires, self.max_expires
        lifetime = max(lifetime, low)
        if high:
            lifetime = min(lifetime, high)
        spread = mod.expires_max_deviation
        if spread:
            lifetime = max(lifetime + random.randint(-spread, spread), low, 1)
            if high:
                lifetime = min(lifetime, high)
        return min(lifetime, 0x7FFFFFFF - self.now)

    def judge(self) -> None:
        """What push notification says to each contact; nothing when the call names a matching mode."""
        rules = self.mod.push
        if rules is None or self.flags.match is not None:
            return
        for item in self.wanted:
            item.push, item.provider = rules.judge(item.uri, item.lifetime, self.msg)
        self.judged = True

    # ---- storing ----

    def store(self) -> None:
        """Carry it out: list, remove all, or insert, refresh and remove contact by contact."""
        domain = self.domain
        if not self.wanted:
            if self.star:
                self._remove_all()
            self.listed = True
            return
        self.record = domain.get(self.aor)
        if self.path and self.flags.path == PATH_STRICT and not supports(self.msg, "path"):
            raise Refused(PATH_UNSUPPORTED)
        self.listed = True
        plan, victims = self._plan()
        if any(item.lifetime for item in plan):
            self.common = self._common()
        record = self.record
        flag = FL_MEM if self.flags.memory_only else 0
        for victim in victims:
            domain.delete(record, victim)
        for item in plan:
            contact = item.contact
            if contact is not None and item.lifetime == 0:
                contact.flags = contact.flags & ~FL_MEM | flag
                domain.delete(record, contact)
            elif contact is not None:
                domain.update(record, contact, self._fields(item, self._replaces_uri(item)))
            else:
                self._insert(item)
        self._keep_connection()

    def _remove_all(self) -> None:
        record = self.domain.get(self.aor)
        if record is not None:
            flag = FL_MEM if self.flags.memory_only else 0
            for contact in record.contacts:
                contact.flags = contact.flags & ~FL_MEM | flag
            self.domain.delete_aor(self.aor)

    def _plan(self) -> tuple[list[Wanted], list[Any]]:
        """The contacts there is something to do for, and the stored ones that must give way. Changes nothing."""
        plan: list[Wanted] = []
        record = self.record
        stored: list[Any] = record.contacts if record is not None else []
        current = [contact for contact in stored if contact.expires == 0 or contact.expires > self.now]
        count = len(current)
        fresh: set[str] = set()
        for item in self.wanted:
            contact = self._match(item) if record is not None else None
            if contact is not None:
                item.contact_id = contact.contact_id
                if not self._is_news(contact):
                    continue
                item.contact = contact
                if contact in current:
                    count -= 0 if item.lifetime else 1
                else:
                    count += 1 if item.lifetime else 0
            elif item.lifetime == 0:
                continue
            else:
                if try_uri(item.uri) is None:
                    raise Refused(INSERT_CONTACT)
                count += item.uri not in fresh
                fresh.add(item.uri)
            plan.append(item)
        excess = count - self.max_contacts if self.max_contacts else 0
        if excess <= 0 or not any(item.lifetime and item.contact not in current for item in plan):
            return plan, []
        if not self.flags.force:
            self.mod.log.info("too many contacts for AOR <%s>, max=%d", self.aor, self.max_contacts)
            raise Refused(TOO_MANY)
        touched = [item.contact for item in plan]
        spare = [contact for contact in current if contact not in touched]
        victims = spare[max(0, len(spare) - excess):][::-1]
        if len(victims) < excess:
            # More new ones in one request than there is room for at all: those that would stand last stay out.
            new = sorted((item for item in plan if item.contact is None), key=lambda item: -item.q)
            out = new[max(0, len(new) - excess + len(victims)):]
            plan = [item for item in plan if item not in out]
        return plan, victims

    def _match(self, item: Wanted) -> Any:
        record = self.record
        if item.push == push.REMOVE:
            return self._push_binding(item)
        return self.domain.match(record, item.uri, self.call_id, self._mode(item))

    def _mode(self, item: Wanted) -> Any:
        if item.push == push.ON or item.push == push.UPSTREAM:
            assert self.mod.push is not None
            return item.provider.match if item.provider is not None else self.mod.push.match
        return self.mod.usrloc.matching_mode if self.flags.match is None else self.flags.match

    def _replaces_uri(self, item: Wanted) -> bool:
        """Matched by parameters, the rest of the URI may have changed."""
        return item.push in (push.ON, push.UPSTREAM) or isinstance(self.flags.match, str)

    def _push_binding(self, item: Wanted) -> Any:
        """The push contact a device means that does not name its token: by Call-ID, else by URI without pn- parameters."""
        rules = self.mod.push
        assert rules is not None
        sleepers = [contact for contact in self.record.contacts if contact.flags & FL_PN_ON]
        for contact in sleepers:
            if contact.callid == self.call_id:
                return contact
        plain = rules.trimmed(item.uri)
        for contact in sleepers:
            if same_uri(rules.trimmed(contact.contact), plain):
                return contact
        return None

    def _is_news(self, contact: Any) -> bool:
        """False for a repeat of the last request of this Call-ID. Raises Refused for one that is out of order."""
        if contact.callid != self.call_id:
            return True
        if self.cseq > contact.cseq or (self.cseq == contact.cseq and self.mod.allow_dup_cseq):
            return True
        if self.cseq == contact.cseq and int(contact.last_modified) + self.mod.usrloc.cseq_delay > self.now:
            return False
        raise Refused(BAD_CSEQ)

    def _insert(self, item: Wanted) -> None:
        """Store a new contact, unless one before it in the same request was the same."""
        domain = self.domain
        if len(self.wanted) > 1:
            self.record = domain.get(self.aor)
            contact = self._match(item) if self.record is not None else None
            if contact is not None:
                domain.update(self.record, contact, self._fields(item, self._replaces_uri(item)))
                item.contact, item.contact_id = contact, contact.contact_id
                return
        item.contact = domain.insert(self.aor, self._fields(item, True))
        item.contact_id = item.contact.contact_id

    def _common(self) -> dict[str, Any]:
        ctx, msg, mod = self.ctx, self.msg, self.mod
        user_agent = msg.header("user-agent")
        cflags = ctx.branch_flags
        received = self.path_received
        if received:
            cflags |= mod.usrloc.nat_flag
        elif mod.received_avp is not None:
            received = mod.newest(ctx.avps, mod.received_avp)
        if len(received) > MAX_RECEIVED:
            raise Refused(CONTACT_LENGTH)
        return {
            "received": received, "path": self.path, "callid": self.call_id, "cseq": self.cseq, "cflags": cflags,
            "user_agent": user_agent if user_agent and len(user_agent) <= MAX_USER_AGENT else "n/a", "socket": self._socket(),
            "attr": mod.newest(ctx.avps, mod.attr_avp),
        }

    def _fields(self, item: Wanted, with_uri: bool) -> dict[str, Any]:
        """The fields of a stored contact, as usrloc takes them."""
        params = item.params
        fields = self.common.copy()
        if "received" in params and not self.path_received:
            fields["received"] = params["received"]
        fields["expires"] = self.now + item.lifetime
        fields["q"] = item.q
        fields["flags"] = (FL_MEM if self.flags.memory_only else 0) | (FL_PN_ON if item.push == push.ON else 0)
        fields["methods"] = read_methods(params["methods"]) if "methods" in params else self._allowed()
        fields["instance"] = params.get("+sip.instance", "")
        if with_uri:
            fields["contact"] = item.uri
        return fields

    def _allowed(self) -> int:
        """The methods in Allow, all without one."""
        if "allow" not in self.msg.names:
            return ALL_METHODS
        return read_methods(",".join(self.msg.header_values("allow")))

    def _socket(self) -> Any:
        """The socket calls to the contact leave by: where the REGISTER came in, or the one an earlier server tells."""
        name = getattr(self.mod, "sock_hdr_name", None)
        if name and self.flags.socket_header:
            text = self.msg.header(name.lower())
            if text is not None:
                found = self.mod.server.sockets.find(text.strip())
                if found is not None:
                    return found
                self.mod.log.error("non-local socket <%s>", text.strip())
        return self.ctx.socket

    def _keep_connection(self) -> None:
        """Let a stream connection live as long as the longest registration over it."""
        ctx = self.ctx
        connection = ctx.connection
        if connection is None or not ctx.flags & self.mod.tcp_flag:
            return
        longest = max((item.lifetime for item in self.wanted), default=0)
        connection.keep_for(longest + 10)

    # ---- the answer ----

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
        elif refusal is None and self.path and (
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
        instance = contact.instance[1:-1] if mod.server.compat == "3.1" else contact.instance
        return f';pub-gruu="{public}";temp-gruu="{temporary}";+sip.instance="{instance}"'


def _params(text: str) -> dict[str, str]:
    """The parameters of a Contact by name in lower case, quotes around values removed; the first of a name counts."""
    found: dict[str, str] = {}
    for piece in split_params(text):
        name, _, value = piece.partition("=")
        found.setdefault(name.strip(BLANKS).lower(), unquote(value.strip(BLANKS)))
    return found
