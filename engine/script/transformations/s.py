"""{s.*}: texts. Lengths and offsets count characters, which are bytes (text is latin-1)."""

from __future__ import annotations

import base64
import binascii
import calendar
import hashlib
import hmac
import re
import time
import zlib
from typing import TYPE_CHECKING, Any, Final

from engine.script.transformations.base import Entry, Step
from engine.script.values import NumberText, Value, number_of, text_of, wrap32
from engine.sip.uri import PARAM_PLAIN, USER_PLAIN

if TYPE_CHECKING:
    from engine.script.context import Context
    from engine.script.varspec import Transformation

BLANKS: Final = " \t\r\n"
MAX_LENGTH: Final = 65536
_LEADING: Final = re.compile(r"[+-]?[0-9]+")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+\Z")
_HEX: Final = re.compile(r"[0-9A-Fa-f]*\Z")
_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_UPPER: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_COMMON: Final = str.maketrans({"'": "\\'", '"': '\\"', "\\": "\\\\", "\0": "\\0"})
_UNCOMMON: Final = re.compile(r"\\(['\"\\0])")
_PERCENT: Final = re.compile("%(..?)?", re.DOTALL)


def to_int(value: Value) -> Value:
    """The leading integer as number; the text stays as it was."""
    number = number_of(value)
    if number is not None:
        text = text_of(value)
        return number if text is None or text == str(number) else NumberText(number, text)
    text = text_of(value) or ""
    match = _LEADING.match(text)
    found = wrap32(int(match[0])) if match is not None else 0
    return found if text == str(found) else NumberText(found, text)


def length(text: str) -> int:
    return len(text)


def md5(text: str) -> str:
    return hashlib.md5(text.encode("latin-1"), usedforsecurity=False).hexdigest()


def crc32(text: str) -> str:
    """The register without the final inversion, ten characters wide."""
    return str(zlib.crc32(text.encode("latin-1")) ^ 0xFFFFFFFF).ljust(10, "\0")


def encode_hexa(text: str) -> str:
    return text.encode("latin-1").hex()


def decode_hexa(text: str) -> str:
    pairs = text[:len(text) & ~1]
    if _HEX.match(pairs) is None:
        raise ValueError("not hexadecimal")
    return bytes.fromhex(pairs).decode("latin-1")


def hex2dec(value: Value) -> Value:
    """A number is left as it is; 0x is not hexadecimal here; more than 32 bits wrap."""
    if number_of(value) is not None:
        return value
    text = text_of(value) or ""
    if _HEX.match(text) is None:
        raise ValueError(f"{text!r} is not hexadecimal")
    return wrap32(int(text or "0", 16))


def dec2hex(value: Value) -> str:
    number = number_of(value)
    if number is None:
        text = text_of(value) or ""
        if _INTEGER.match(text) is None:
            raise ValueError(f"{text!r} is no number")
        number = int(text)
    return f"{number & 0xFFFFFFFF:x}"


def b64encode(text: str) -> str:
    return base64.b64encode(text.encode("latin-1")).decode("ascii")


def b64decode(text: str) -> str:
    """What is outside of the alphabet is skipped, missing padding is no error."""
    kept = re.sub(r"[^A-Za-z0-9+/]", "", text)
    whole = len(kept) // 4 * 4
    rest = kept[whole:]
    try:
        out = base64.b64decode(kept[:whole])
        if len(rest) > 1:
            out += base64.b64decode(rest + "=" * (4 - len(rest)))
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    return out.decode("latin-1")


def escape_common(text: str) -> str:
    return text.translate(_COMMON)


def unescape_common(text: str) -> str:
    return _UNCOMMON.sub(lambda match: "\0" if match[1] == "0" else match[1], text)


def _escape(text: str, plain: frozenset[str]) -> str:
    out = []
    for char in text:
        if char in plain:
            out.append(char)
        elif " " <= char <= "~":
            out.append(f"%{ord(char):02x}")
        else:
            raise ValueError("a control or non-ASCII character")
    return "".join(out)


def escape_user(text: str) -> str:
    return _escape(text, USER_PLAIN)


def escape_param(text: str) -> str:
    return _escape(text, PARAM_PLAIN)


def _unescaped(match: re.Match[str]) -> str:
    digits = match[1] or ""
    if len(digits) != 2 or _HEX.match(digits) is None:
        raise ValueError(f"bad escape {match[0]}")
    char = chr(int(digits, 16))
    if not " " <= char <= "~":
        raise ValueError(f"{match[0]} is a control or non-ASCII character")
    return char


def unescape(text: str) -> str:
    return _PERCENT.sub(_unescaped, text)


def substr(text: str, offset: int, count: int) -> str:
    size = len(text)
    if offset < 0:
        offset += size
    if offset < 0 or offset >= size:
        raise ValueError(f"offset outside of a text of {size} characters")
    if count < 1:
        return text[offset:max(offset, size + count)]
    return text[offset:offset + count]


def select(text: str, index: int, separator: str) -> str | None:
    fields = text.split(separator[:1]) if separator else [text]
    return fields[index] if -len(fields) <= index < len(fields) else None


def tolower(text: str) -> str:
    return text.translate(_LOWER)


def toupper(text: str) -> str:
    return text.translate(_UPPER)


def reverse(text: str) -> str:
    return text[::-1]


def _wrapped(start: int, size: int) -> int:
    """A negative start counts from the end, wrapping by the length."""
    return start if start >= 0 else start % size if size else 0


def index(text: str, needle: str, start: int = 0) -> int | None:
    found = text.find(needle, _wrapped(start, len(text)))
    return found if needle and found >= 0 else None


def rindex(text: str, needle: str, start: int | None = None) -> int | None:
    size = len(text)
    last = size - 1 if start is None else _wrapped(start, size)
    # A start too near to the end to hold the needle moves back to the last place where it fits.
    last = min(last, size - len(needle))
    found = text.rfind(needle, 0, last + len(needle)) if last >= 0 else -1
    return found if needle and found >= 0 else None


def _pad(text: str) -> str:
    if len(text) > 2 and text[0] in "'\"" and text[-1] == text[0]:
        return text[1:-1]
    return text


def fill_left(text: str, pad: str, width: int) -> str:
    missing = width - len(text)
    pad = _pad(pad)
    if missing <= 0 or not pad:
        return text
    if width > MAX_LENGTH:
        raise ValueError("too wide")
    filling = pad * (missing // len(pad) + 1)
    return filling[len(filling) - missing:] + text


def fill_right(text: str, pad: str, width: int) -> str:
    missing = width - len(text)
    pad = _pad(pad)
    if missing <= 0 or not pad:
        return text
    if width > MAX_LENGTH:
        raise ValueError("too wide")
    return text + (pad * (missing // len(pad) + 1))[:missing]


def cut(text: str, width: int) -> str:
    if width <= 0 or width > MAX_LENGTH:
        raise ValueError(f"bad width {width}")
    return text[:width].ljust(width)


def trim(text: str) -> str:
    return text.strip(BLANKS)


def triml(text: str) -> str:
    return text.lstrip(BLANKS)


def trimr(text: str) -> str:
    return text.rstrip(BLANKS)


def xor(text: str, secret: str) -> str:
    if not secret:
        raise ValueError("the secret is empty")
    size = len(secret)
    return "".join([chr(ord(char) ^ ord(secret[at % size])) for at, char in enumerate(text)])


def date2unix(value: Value) -> str:
    """An RFC 3261 Date as seconds since 1970; a number is none."""
    if not isinstance(value, str):
        raise ValueError("not a date")
    try:
        return str(calendar.timegm(time.strptime(value, "%a, %d %b %Y %H:%M:%S GMT")))
    except ValueError:
        raise ValueError(f"{value!r} is no SIP date") from None


def _bind_eval(binder: Any, args: tuple[Any, ...], item: Transformation) -> Step:
    def step(ctx: Context, value: Value) -> Value:
        text = text_of(value)
        return None if text is None else binder.print_text(ctx, text)  # type: ignore[no-any-return]

    return step


def _sha(name: str) -> Any:
    def digest(text: str) -> str:
        return hashlib.new(name, text.encode("latin-1")).hexdigest()

    return digest


def _sha_hmac(name: str) -> Any:
    def digest(text: str, key: str) -> str:
        return hmac.new(key.encode("latin-1"), text.encode("latin-1"), name).hexdigest()

    return digest


TABLE: Final[dict[str, Entry]] = {
    "len": Entry(length),
    "int": Entry(to_int, raw=True),
    "md5": Entry(md5),
    **{name: Entry(_sha(name)) for name in ("sha1", "sha224", "sha256", "sha384", "sha512")},
    **{f"{name}_hmac": Entry(_sha_hmac(name), ("text",)) for name in ("sha1", "sha224", "sha256", "sha384", "sha512")},
    "crc32": Entry(crc32),
    "encode.hexa": Entry(encode_hexa),
    "decode.hexa": Entry(decode_hexa),
    "hex2dec": Entry(hex2dec, raw=True),
    "dec2hex": Entry(dec2hex, raw=True),
    "b64encode": Entry(b64encode),
    "b64decode": Entry(b64decode),
    "escape.common": Entry(escape_common),
    "unescape.common": Entry(unescape_common),
    "escape.user": Entry(escape_user),
    "unescape.user": Entry(unescape),
    "escape.param": Entry(escape_param),
    "unescape.param": Entry(unescape),
    "substr": Entry(substr, ("int", "int")),
    "select": Entry(select, ("int", "const text")),
    "tolower": Entry(tolower),
    "toupper": Entry(toupper),
    "reverse": Entry(reverse),
    "index": Entry(index, ("text", "int?")),
    "rindex": Entry(rindex, ("text", "int?")),
    "fill.left": Entry(fill_left, ("const text", "const int")),
    "fill.right": Entry(fill_right, ("const text", "const int")),
    "width": Entry(cut, ("natural",)),
    "trim": Entry(trim),
    "triml": Entry(triml),
    "trimr": Entry(trimr),
    "xor": Entry(xor, ("text",)),
    "eval": Entry(None, context=_bind_eval),
    "date2unix": Entry(date2unix, raw=True),
}
