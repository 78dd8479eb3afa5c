"""tm's MI commands."""

from __future__ import annotations

import asyncio
from typing import Any

from engine.errors import MiError, SipParseError
from engine.module import mi_command
from engine.script.context import Context
from engine.sip.headers import NameAddr, parse_nameaddr
from engine.sip.message import Message, Response, parse_message
from engine.sip.uri import try_uri
from engine.workers import in_worker
from modules.tm.cell import parse_ident
from modules.tm.table import SLOTS
from modules.tm.variables import Variables

# Written by the server itself; a caller's own would stand twice in the request.
_OURS = frozenset(("from", "to", "call-id", "cseq", "via", "max-forwards", "content-length"))


class MiCommands(Variables):
    """t_uac_dlg, t_uac_cancel, t_reply, t_hash."""

    @mi_command("t_uac_dlg", named_only=True, recipes=[
        ["method", "ruri", "headers"], ["method", "ruri", "headers", "next_hop"], ["method", "ruri", "headers", "socket"],
        ["method", "ruri", "headers", "body"], ["method", "ruri", "headers", "next_hop", "socket"],
        ["method", "ruri", "headers", "next_hop", "body"], ["method", "ruri", "headers", "socket", "body"],
        ["method", "ruri", "headers", "next_hop", "socket", "body"],
    ])
    async def mi_uac(
        self, method: str, ruri: str, headers: str, next_hop: str = "", socket: str = "", body: str = "",
    ) -> dict[str, Any]:
        """Send a request and answer with its final reply. socket may be "." for the usual one."""
        if try_uri(ruri) is None:
            raise MiError(400, "Invalid ruri")
        hop = next_hop or None
        if hop is not None and try_uri(hop) is None:
            raise MiError(400, "Invalid next_hop")
        forced = None
        if socket not in ("", "."):
            forced = self.server.sockets.find(socket)
            if forced is None:
                raise MiError(404, "Local socket not found")
        shown = forced or (self.server.sockets.all[0] if self.server.sockets.all else None)
        if shown is not None:
            headers = headers.replace("!!", f"{shown.ip}:{shown.port}")
        head = _head_of(method, ruri, headers)
        from_, to = _checked(head, method, body)
        answer: asyncio.Future[tuple[int, Response | None]] = asyncio.get_running_loop().create_future()

        def done(code: int, msg: Response | None) -> None:
            if code >= 200 and not answer.done():
                answer.set_result((code, msg))

        rest = "".join([head.line(i) for i, name in enumerate(head.names) if name not in _OURS and name != "route"])
        routes = "".join([head.line(i) for i in head.positions("route")])
        number = head.cseq_number
        made = await in_worker(self.server.workers, lambda: self.local_request(
            method, ruri, from_, to, headers=rest, body=body, next_hop=hop, socket=forced, call_id=head.call_id,
            cseq=int(number) if number is not None else None, done=done, routes=routes,
        ))
        if made is None:
            raise MiError(500, "Failed to send the request")
        code, reply = await answer
        if reply is None:
            return {"Status": f"{code} {_TIMEOUT if code == 408 else ''}".rstrip()}
        result: dict[str, Any] = {"Status": f"{code} {reply.reason_phrase}"}
        if 200 <= code < 300 and (reply.contacts or reply.record_routes):
            routes_back = [route.uri for route in reversed(reply.record_routes)]
            target = reply.contacts[0].uri if reply.contacts else ruri
            result.update({"RURI": target, "Next-hop": routes_back[0] if routes_back else target, "Routes": routes_back})
        result["Message"] = reply.text[reply.first_line_end:reply.body_start] + reply.body
        return result

    @mi_command("t_uac_cancel")
    async def mi_cancel(self, callid: str, cseq: str) -> str:
        """Cancel an INVITE by Call-ID and CSeq number."""
        transaction = self.table.find_call(callid, cseq)
        if transaction is None:
            raise MiError(481, "No such transaction")
        invite = transaction

        def work() -> None:
            self._cancel(invite, self._open_branches(invite), "")

        await in_worker(self.server.workers, work)
        return "OK"

    @mi_command("t_hash")
    def mi_hash(self) -> list[dict[str, int]]:
        """Transactions per entry of the hash table: now and ever."""
        current = [0] * SLOTS
        for transaction in self.table:
            current[transaction.hash_index] += 1
        totals = self.table.totals
        return [{"index": i, "Current": current[i], "Total": totals[i]} for i in range(SLOTS)]

    @mi_command("t_reply", named_only=True, recipes=[
        ["code", "reason", "trans_id", "to_tag"], ["code", "reason", "trans_id", "to_tag", "new_headers"],
        ["code", "reason", "trans_id", "to_tag", "body"], ["code", "reason", "trans_id", "to_tag", "new_headers", "body"],
    ])
    async def mi_reply(
        self, code: int, reason: str, trans_id: str, to_tag: str, new_headers: str = "", body: str = "",
    ) -> str:
        """Answer a transaction. trans_id: $T_id, or hash:label in decimal digits."""
        if code > 699:
            raise MiError(400, "Invalid reply code")
        numbers = parse_ident(trans_id)
        if numbers is None:
            raise MiError(400, "Invalid trans_id")
        transaction = self.table.find_ident(*numbers)
        if transaction is None:
            raise MiError(404, "Transaction not found")
        if code < 100:
            raise MiError(500, "Reply failed")
        found = transaction
        context: Context = found.context
        lines = new_headers if not new_headers or new_headers.endswith("\n") else new_headers + "\r\n"
        answer = await in_worker(
            self.server.workers, lambda: self._answer(found, context, code, reason, lines, body, to_tag or None))
        if answer < 0:
            raise MiError(500, "Reply failed")
        return "OK"


_TIMEOUT = "Request Timeout"


def _head_of(method: str, ruri: str, headers: str) -> Message:
    """The caller's headers as those of a message."""
    text = headers.replace("\r\n", "\n").replace("\n", "\r\n").strip("\r\n")
    try:
        msg = parse_message(f"{method} {ruri} SIP/2.0\r\n{text}\r\n\r\n")
    except SipParseError:
        raise MiError(400, "Bad headers") from None
    if msg.damage:
        raise MiError(400, "Bad headers")
    return msg


def _checked(head: Message, method: str, body: str) -> tuple[str, str]:
    """(From, To) values when the headers may be used; MiError with OpenSIPS' texts otherwise."""
    names = head.names
    if "to" not in names:
        raise MiError(400, "To missing")
    if "from" not in names:
        raise MiError(400, "From missing")
    try:
        from_: NameAddr = parse_nameaddr(head.header("from") or "")
    except SipParseError:
        raise MiError(400, "Error in From") from None
    if body and "content-type" not in names:
        raise MiError(400, "Content-Type missing")
    if "content-length" in names:
        raise MiError(400, "Content-Length disallowed")
    try:
        number, cseq_method = head.cseq_number, head.cseq_method
    except SipParseError:
        raise MiError(400, "Bad CSeq number") from None
    if number is not None and not number.isdigit():
        raise MiError(400, "Bad CSeq number")
    if cseq_method is not None and cseq_method != method:
        raise MiError(400, "CSeq method mismatch")
    value = str(from_) if from_.bracketed else f"<{from_.uri}>" + (f";{from_.params}" if from_.params else "")
    return value, head.header("to") or ""
