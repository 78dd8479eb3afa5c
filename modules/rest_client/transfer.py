"""One HTTP transfer: what goes out, what came back, and the code a script gets for it.

Redirections are not followed, nothing is unpacked and no header is added that was not asked for, as with the library OpenSIPS
uses.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import aiohttp
from yarl import URL

OK: Final = 1
REFUSED: Final = -1
CONNECT_TIMEOUT: Final = -2
TRANSFER_TIMEOUT: Final = -3
BUSY: Final = -4
FAILED: Final = -10

FORM: Final = "application/x-www-form-urlencoded"
_SAFE: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PRINTABLE: Final = frozenset(range(33, 127))


def escape(text: str) -> str:
    """Percent-encoding of all but the unreserved characters (RFC 3986 2.3)."""
    return "".join([chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in text.encode("latin-1", "replace")])


def readable_url(text: str) -> URL:
    """A URL as it was written; bytes that cannot stand in one are encoded. Raises ValueError: it is none."""
    clean = "".join([chr(byte) if byte in _PRINTABLE else f"%{byte:02X}" for byte in text.strip().encode("latin-1")])
    url = URL(clean if "://" in clean else f"http://{clean}", encoded=True)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("only http and https URLs with a host can be asked")
    return url


class Progress:
    """How far a transfer got; kept apart from the result because a timeout may end it anywhere."""

    __slots__ = ("connected", "status", "content_type", "body")

    def __init__(self) -> None:
        self.connected = asyncio.get_running_loop().create_future()
        """Done when there is a connection."""
        self.status = 0
        self.content_type = ""
        self.body = bytearray()

    def connection(self) -> None:
        """There is one."""
        if not self.connected.done():
            self.connected.set_result(None)


def tracing() -> aiohttp.TraceConfig:
    """Tells the Progress that stands as trace_request_ctx about the connection."""
    made = aiohttp.TraceConfig()

    async def connected(session: aiohttp.ClientSession, context: Any, params: Any) -> None:
        context.trace_request_ctx.connection()

    made.on_connection_create_end.append(connected)
    made.on_connection_reuseconn.append(connected)
    return made


def headers_of(lines: list[str], content_type: str | None) -> tuple[list[tuple[str, str]], set[str]]:
    """(headers, names that are left out) of rest_append_hf() lines: "Name: value", "Name;" without a value, "Name:" to leave a
    standard one out. A line of the script takes the place of a standard header."""
    found: list[tuple[str, str]] = []
    skipped = {"User-Agent", "Accept-Encoding"}
    for line in lines:
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if colon and not value:
            skipped.add(name.title())
        elif colon:
            found.append((name, value))
        elif name.endswith(";"):
            found.append((name[:-1], ""))
    names = {name.lower() for name, _ in found} | {name.lower() for name in skipped}
    if content_type is not None and "content-type" not in names:
        found.append(("Content-Type", content_type))
    if content_type is None:
        skipped.add("Content-Type")
    if "accept" not in names:
        found.append(("Accept", "*/*"))
    return found, skipped


async def transfer(
    session: aiohttp.ClientSession, method: str, url: URL, body: bytes | None, lines: list[str], content_type: str | None,
    progress: Progress, *, limit: int, ssl: Any, expect: bool,
) -> int:
    """Do a transfer; what came is in progress. The code: see the constants. limit: most bytes of a body, 0 any.

    Raises OSError, aiohttp.ClientError or TimeoutError: code_of() says which code they are.
    """
    headers, skipped = headers_of(lines, content_type)
    async with session.request(
        method, url, data=body, headers=headers, skip_auto_headers=skipped, allow_redirects=False, ssl=ssl,
        expect100=expect, trace_request_ctx=progress,
    ) as response:
        progress.connection()
        progress.status = response.status
        progress.content_type = response.headers.get("Content-Type", "").strip()
        async for chunk in response.content.iter_any():
            if limit and len(progress.body) + len(chunk) > limit:
                progress.body.clear()
                return FAILED
            progress.body += chunk
    return OK


def code_of(error: BaseException, progress: Progress) -> int:
    """The code for what ended a transfer."""
    if isinstance(error, TimeoutError):
        return TRANSFER_TIMEOUT if progress.connected.done() else CONNECT_TIMEOUT
    if isinstance(error, aiohttp.ClientConnectorDNSError | aiohttp.ClientSSLError):
        return FAILED
    if isinstance(error, aiohttp.ClientConnectorError | ConnectionRefusedError):
        return REFUSED
    return FAILED
