"""Who belongs to which transaction: keys of requests (RFC 3261 17.2.3, RFC 2543) and branches of our own (17.1.3).

A request with the magic cookie is known by branch, sent-by, transport and method; the ACK of an INVITE by the key of the
INVITE. Without the cookie Call-ID, CSeq, From, To, Request-URI and the top Via are compared byte for byte. Our own branches
are made of three numbers in reversed hexadecimal digits, so that neighbours differ in their first characters; a reply is
found by the branch text as a whole.
"""

import hashlib
from typing import Final

from engine.sip.message import Message, Request

COOKIE: Final = "z9hG4bK"

Key = tuple[str | int | None, ...]


def reversed_hex(number: int) -> str:
    """Hexadecimal digits, lowest first, as OpenSIPS writes the parts of its branches."""
    return f"{number:x}"[::-1]


def from_reversed_hex(text: str) -> int | None:
    """The number, None when the text is none."""
    try:
        return int(text[::-1], 16) if text.isalnum() else None
    except ValueError:
        return None


def has_cookie(branch: str | None) -> bool:
    """Whether a Via branch identifies its transaction; the bare cookie does not."""
    return branch is not None and len(branch) > 7 and branch.startswith(COOKIE)


def request_key(msg: Request, method: str, ruri_matching: bool = True, via_matching: bool = True) -> Key:
    """Key of a request. method: that of the request; "INVITE" finds what an ACK or CANCEL belongs to (with the cookie).

    Raises SipParseError when Via cannot be read; From, To, Call-ID and CSeq must be there.
    """
    via = msg.via
    branch = via.branch
    if branch is not None and len(branch) > 7 and branch.startswith(COOKIE):
        return branch, via.host, via.port, via.transport, method
    return (
        None, msg.call_id, msg.cseq_number, method, msg.header("from"), msg.header("to"),
        msg.request_uri if ruri_matching else None, str(via) if via_matching else None,
    )


def same_invite(invite: Request, other: Request, ruri_matching: bool = True, via_matching: bool = True) -> bool:
    """RFC 2543 matching of an ACK or CANCEL without the cookie to its INVITE: of To only the URI counts."""
    if invite.call_id != other.call_id or invite.cseq_number != other.cseq_number:
        return False
    if invite.header("from") != other.header("from"):
        return False
    to, other_to = invite.to, other.to
    if to is None or other_to is None or to.uri != other_to.uri:
        return False
    if ruri_matching and invite.request_uri != other.request_uri:
        return False
    return not via_matching or str(invite.via) == str(other.via)


def call_key(msg: Message) -> tuple[str | None, str | None]:
    """What an end-to-end ACK has in common with its INVITE, to be narrowed down by tags."""
    return msg.call_id, msg.cseq_number


def hash_index(call_id: str | None, cseq_number: str | None) -> int:
    """16 bit that spread transactions over MI's t_hash table and into the branch."""
    return (hash(call_id) ^ hash(cseq_number)) & 0xFFFF


def digest_label(msg: Request) -> str:
    """The middle part of the branch with syn_branch=0: the same for every copy of a request, even after a restart."""
    parts = (
        msg.request_uri, msg.header("from") or "", msg.header("to") or "", msg.call_id or "", msg.cseq_number or "",
        msg.via.branch or "",
    )
    return hashlib.md5("\n".join(parts).encode("latin-1"), usedforsecurity=False).hexdigest()


def stateless_branch(msg: Request) -> str:
    """Branch of a request that is forwarded without a transaction: the same for every copy of it (RFC 3261 16.11).

    It is made over the first branch with the cookie among the Vias; an old client's over the last branch, its From tag or URI.
    """
    source = ""
    for via in msg.vias:
        branch = via.branch
        if branch is not None:
            source = branch
            if has_cookie(branch):
                break
    if not source:
        from_ = msg.from_
        source = (from_.tag or from_.uri) if from_ is not None else ""
    index = hash_index(msg.call_id, msg.cseq_number)
    digest = hashlib.md5(source.encode("latin-1"), usedforsecurity=False).hexdigest()
    return f"z9hG4bK{reversed_hex(index)}.{digest}.0"
