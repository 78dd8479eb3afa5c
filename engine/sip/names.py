"""Names of SIP: methods, canonical header names with their compact forms, and default reason phrases.

A header is known inside the engine by its canonical name: the long form in lower case. Only the compact forms that OpenSIPS
itself resolves are resolved here, so that "$hdr(Subject)" does not find "s:" but "$hdr(Contact)" does find "m:".
"""

from sys import intern
from typing import Final

METHODS: Final[frozenset[str]] = frozenset((
    "INVITE", "ACK", "CANCEL", "BYE", "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PRACK", "UPDATE", "INFO",
    "REFER", "PUBLISH",
))
"""Methods with an RFC of their own; any other token is a method too."""

# RFC 3261 section 7.3.3 and the RFCs that added compact forms, as far as OpenSIPS' parser resolves them.
COMPACT: Final[dict[str, str]] = {
    "c": "content-type", "f": "from", "i": "call-id", "k": "supported", "l": "content-length", "m": "contact", "o": "event",
    "t": "to", "v": "via", "x": "session-expires",
}

_LONG: Final[tuple[str, ...]] = (
    "Accept", "Accept-Contact", "Accept-Disposition", "Accept-Language", "Allow", "Authorization", "Byte-Range", "Call-ID",
    "Call-Info", "Contact", "Content-Disposition", "Content-Length", "Content-Type", "CSeq", "Diversion", "Event", "Expires",
    "Failure-Report", "Feature-Caps", "From", "From-Path", "Max-Forwards", "Message-ID", "Min-Expires", "Min-SE",
    "Organization", "P-Asserted-Identity", "P-Preferred-Identity", "Path", "Priority", "Privacy", "Proxy-Authenticate",
    "Proxy-Authorization", "Proxy-Require", "Record-Route", "Refer-To", "Remote-Party-ID", "Replaces", "Require",
    "Retry-After", "Route", "Security-Client", "Security-Server", "Security-Verify", "Session-Expires", "SIP-If-Match",
    "Status", "Subject", "Success-Report", "Supported", "To", "To-Path", "Unsupported", "Use-Path", "User-Agent", "Via",
    "WWW-Authenticate",
)

KNOWN: Final[frozenset[str]] = frozenset(name.lower() for name in _LONG)
"""Headers whose value loses its trailing blanks when read; others keep them, as in OpenSIPS."""

# Not known to the parser, but frequent enough to save the lower() fallback.
_FREQUENT: Final[tuple[str, ...]] = (
    "Allow-Events", "Accept-Encoding", "Content-Encoding", "Date", "Server", "Timestamp", "Warning", "Reason",
    "Service-Route", "Subscription-State", "P-Associated-URI", "P-Access-Network-Info", "RSeq", "RAck", "Referred-By",
    "SIP-ETag", "Flow-Timer", "History-Info", "Authentication-Info", "MIME-Version", "In-Reply-To", "Join", "Alert-Info",
)


def _spellings() -> dict[str, str]:
    table: dict[str, str] = {}
    for name in _LONG + _FREQUENT:
        canonical_name = intern(name.lower())        # equal names are one object, so lists of names search quickly
        table[name] = canonical_name
        table[canonical_name] = canonical_name
        table[name.upper()] = canonical_name
        table[name.title()] = canonical_name
        table[name.capitalize()] = canonical_name
    for short, canonical_name in COMPACT.items():
        table[short] = canonical_name
        table[short.upper()] = canonical_name
    return table


SPELLINGS: Final[dict[str, str]] = _spellings()
"""Usual spelling of a header name to its canonical name."""


def canonical(name: str) -> str:
    """Canonical name of a header name in any spelling: lower case, compact forms resolved, blanks before the colon gone."""
    found = SPELLINGS.get(name)
    if found is not None:
        return found
    lowered = name.strip(" \t").lower()
    return SPELLINGS.get(lowered, lowered)


REASONS: Final[dict[int, str]] = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
    199: "Early Dialog Terminated",
    200: "OK", 202: "Accepted", 204: "No Notification",
    300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy", 380: "Alternative Service",
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
    410: "Gone", 412: "Conditional Request Failed", 413: "Request Entity Too Large", 414: "Request-URI Too Long",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 417: "Unknown Resource-Priority", 420: "Bad Extension",
    421: "Extension Required", 422: "Session Interval Too Small", 423: "Interval Too Brief", 424: "Bad Location Information",
    425: "Bad Alert Message", 428: "Use Identity Header", 429: "Provide Referrer Identity", 430: "Flow Failed",
    433: "Anonymity Disallowed", 436: "Bad Identity-Info", 437: "Unsupported Certificate", 438: "Invalid Identity Header",
    439: "First Hop Lacks Outbound Support", 440: "Max-Breadth Exceeded", 469: "Bad Info Package", 470: "Consent Needed",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops",
    484: "Address Incomplete", 485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
    489: "Bad Event", 491: "Request Pending", 493: "Undecipherable", 494: "Security Agreement Required",
    500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large",
    555: "Push Notification Service Not Supported", 580: "Precondition Failure",
    600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable", 607: "Unwanted",
    608: "Rejected",
}
"""Default reason phrases: RFC 3261 section 21 and the IANA registry of response codes."""

_CLASSES: Final[dict[int, str]] = {
    1: "Trying", 2: "OK", 3: "Redirect", 4: "Client Error", 5: "Server Error", 6: "Global Failure",
}


def reason_phrase(code: int) -> str:
    """Default reason phrase of a status code; of its class when the code itself is not registered."""
    found = REASONS.get(code)
    return found if found is not None else _CLASSES.get(code // 100, "Unknown")
