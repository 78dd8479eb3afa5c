"""JSON-RPC 2.0 as the management interface speaks it: one request text in, one answer text out.

Every transport (HTTP, FIFO, datagram) hands its bytes to answer(). Inside the server texts are latin-1, byte for byte
(performance: SIP is never decoded twice); JSON is UTF-8. So strings are translated here and nowhere else: what comes in
becomes latin-1 text of its UTF-8 bytes, what goes out is written byte for byte, so a UTF-8 display name of a phone is UTF-8
again. Batches are not supported, as in OpenSIPS.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from engine.errors import MiError

if TYPE_CHECKING:
    from engine.mi.dispatch import MiDispatch

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
SERVER_ERROR: Final = -32000

JSON_NULL: Final = object()
"""What a command returns whose result is null (None is "OK")."""

_ABSENT: Final = object()


def bad_params(data: str) -> MiError:
    """The error for parameters that do not fit, with the sentence that says why."""
    return MiError(INVALID_PARAMS, "Invalid params", data)


def inside(value: Any) -> Any:
    """Parsed JSON with its strings as the server keeps text. Raises UnicodeEncodeError for a lone surrogate."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("latin-1")
    if isinstance(value, list):
        return [inside(item) for item in value]
    if isinstance(value, dict):
        return {inside(key): inside(item) for key, item in value.items()}
    return value


def encode(value: Any, pretty: bool = False) -> bytes:
    """JSON text of what the server made: one line without blanks, or indented by tabs."""
    if pretty:
        text = json.dumps(value, ensure_ascii=False, indent="\t", separators=(",", ":\t"))
    else:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        # Text that is not SIP's, e.g. an exception's: it has characters, not bytes.
        return text.encode("utf-8", "replace")


def result_text(result: Any, ident: Any, pretty: bool = False) -> bytes:
    """The answer with a result."""
    return encode({"jsonrpc": "2.0", "result": result, "id": ident}, pretty)


def error_text(error: MiError, ident: Any, pretty: bool = False) -> bytes:
    """The answer with an error."""
    member: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        member["data"] = error.data
    return encode({"jsonrpc": "2.0", "error": member, "id": ident}, pretty)


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def parse(data: bytes) -> Any:
    """The JSON value of a request; raises ValueError for anything else."""
    try:
        return inside(json.loads(data.decode("utf-8", "surrogateescape"), parse_constant=_reject_constant))
    except RecursionError:
        raise ValueError("nested too deeply") from None


async def answer(dispatch: MiDispatch, data: bytes, pretty: bool = False) -> bytes | None:
    """Carry out one request; the text to send back, None for a notification."""
    try:
        request = parse(data)
    except ValueError:
        return error_text(MiError(PARSE_ERROR, "Parse error"), None, pretty)
    invalid = MiError(INVALID_REQUEST, "Invalid Request")
    if not isinstance(request, dict):
        return error_text(invalid, None, pretty)
    ident = request.get("id", _ABSENT)
    if isinstance(ident, float) and ident == ident and abs(ident) != float("inf"):
        ident = int(ident)
    elif ident is not _ABSENT and (isinstance(ident, bool) or not (ident is None or isinstance(ident, int | str))):
        return error_text(invalid, None, pretty)
    method, params = request.get("method"), request.get("params", {})
    if request.get("jsonrpc") != "2.0" or not isinstance(method, str) or not isinstance(params, dict | list):
        return error_text(invalid, None if ident is _ABSENT else ident, pretty)
    try:
        result = await dispatch.call(method, params)
    except MiError as error:
        return None if ident is _ABSENT else error_text(error, ident, pretty)
    return None if ident is _ABSENT else result_text(result, ident, pretty)
