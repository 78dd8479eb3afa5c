"""Received messages: the start line and a table of header lines are made at once, every value when it is asked for.

parse_message() makes one pass: the head is cut at line ends, each line at its first colon, names become canonical. That is all
most messages need before a script decides. check() is the second step that the server runs on everything it receives; it reads
the headers OpenSIPS parses deeply (Via, CSeq, To, Content-Length). A message never changes (but for overwrite()); edits are recorded elsewhere
(edits.py) and applied when a copy leaves (builder.py).

The head has a fast and a thorough reading. The fast one is right when every line ends in CRLF, holds a colon and continues no
other line; whatever else comes from the network (folds, bare line feeds, lines without colon) goes to the thorough one, which
follows OpenSIPS: a line without colon swallows the next one and becomes one unknown header with it.
"""

from itertools import accumulate, repeat
from typing import Final

from engine.errors import SipParseError
from engine.sip.grammar import BLANKS
from engine.sip.headers import (
    STAR,
    ContactValue,
    NameAddr,
    Via,
    parse_contacts,
    parse_nameaddr,
    parse_nameaddr_list,
    parse_vias,
    shared_nameaddr,
)
from engine.sip.names import KNOWN, SPELLINGS, canonical

__all__ = ["STAR", "Message", "Request", "Response", "parse_message"]


class _CanonicalNames(dict[str, str]):
    """Header name as written to canonical name; a KeyError stands for a line that is none of its own (a fold)."""

    def __missing__(self, raw: str) -> str:
        if not raw or raw[0] in " \t":
            raise KeyError(raw)
        return canonical(raw)


_CANONICAL: Final = _CanonicalNames(SPELLINGS)
_canonical_of: Final = _CANONICAL.__getitem__


class Message:
    """What requests and replies have in common. Indexes (i) count header lines from 0."""

    __slots__ = (
        "text", "names", "is_request", "version", "first_line_end", "headers_end", "body_start", "damage",
        "_raws", "_values", "_starts", "_vias", "_from", "_to", "_cseq_number", "_cseq_method", "_contacts", "_routes",
        "_length", "_has_identity",
    )

    is_request: bool

    def __init__(self, text: str, version: str, first_line_end: int, lines: list[str] | None, head_end: int) -> None:
        self.text = text
        """The whole message; one character is one byte (latin-1)."""
        self.version = version
        self.first_line_end = first_line_end
        """Offset of the first header line."""
        self._vias: list[Via] | None = None
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None
        self._cseq_number: str | None = None
        self._cseq_method: str | None = None
        self._contacts: list[ContactValue] | None = None
        self._routes: list[NameAddr] | None = None
        self._length = -1
        self._has_identity = -1
        self.damage = ""
        """Why the head cannot be read to its end, "" when it can; check() raises it."""
        if lines is not None:
            raws, colons, values = zip(*map(str.partition, lines, repeat(":")))
            if colons.count(":") == len(lines):
                try:
                    self.names: list[str] = list(map(_canonical_of, raws))
                    """Canonical name of each header line, in order."""
                    self._raws: tuple[str, ...] = raws
                    self._values: tuple[str, ...] = values
                    self._starts: list[int] | None = None
                    self.headers_end = head_end + 2
                    """Offset of the empty line behind the headers, where appended headers go."""
                    self.body_start = head_end + 4
                    return
                except KeyError:
                    pass
        self._read_head_thoroughly()

    def _read_head_thoroughly(self) -> None:
        text = self.text
        size = len(text)
        names: list[str] = []
        raws: list[str] = []
        values: list[str] = []
        starts: list[int] = []
        at = self.first_line_end
        while True:
            if text.startswith("\r\n", at):
                self.headers_end, self.body_start = at, at + 2
                break
            if at >= size or text[at] == "\n":
                self.headers_end, self.body_start = at, min(at + 1, size)
                break
            colon = text.find(":", at)
            value_end, following = _header_end(text, colon if colon >= 0 else at)
            if colon < 0 or following < 0 or _has_empty_line(text, at, colon):
                self.damage = "bad header"
                self.headers_end = self.body_start = at
                break
            raw = text[at:colon]
            names.append(canonical(raw))
            raws.append(raw)
            values.append(text[colon + 1:value_end])
            starts.append(at)
            at = following
        starts.append(self.headers_end)
        self.names = names
        self._raws = tuple(raws)
        self._values = tuple(values)
        self._starts = starts

    def span(self, i: int) -> tuple[int, int]:
        """Offsets in text of the whole header line i, its line end included."""
        starts = self._starts
        if starts is not None:
            return starts[i], starts[i + 1]
        if i == 0:
            start = self.first_line_end
            return start, start + len(self._raws[0]) + len(self._values[0]) + 3
        sizes = [len(raw) + len(value) + 3 for raw, value in zip(self._raws, self._values)]
        starts = self._starts = list(accumulate(sizes, initial=self.first_line_end))
        return starts[i], starts[i + 1]

    def value_start(self, i: int) -> int:
        """Offset in text right behind the colon of header i."""
        return self.span(i)[0] + len(self._raws[i]) + 1

    def raw_value(self, i: int) -> str:
        """Everything behind the colon of header i up to its line end, blanks included."""
        return self._values[i]

    def overwrite(self, i: int, at: int, text: str) -> None:
        """Write text over as many characters at offset at, inside the value of header i: for a number counted in place, which
        every later reader and every copy is to see (mf_process_maxfwd_header). Nothing parsed of the header may be kept."""
        self.text = f"{self.text[:at]}{text}{self.text[at + len(text):]}"
        values = list(self._values)
        inside = at - self.value_start(i)
        values[i] = f"{values[i][:inside]}{text}{values[i][inside + len(text):]}"
        self._values = tuple(values)

    def name_as_written(self, i: int) -> str:
        """Name of header i as received, without blanks before the colon."""
        return self._raws[i].rstrip(" \t")

    def line(self, i: int) -> str:
        """Header line i as received, ended by CRLF."""
        return f"{self._raws[i]}:{self._values[i]}\r\n"

    def value(self, i: int) -> str:
        """Value of header i: blanks around it removed (unknown headers keep trailing ones), folds as received."""
        text = self._values[i]
        return text.strip(BLANKS) if self.names[i] in KNOWN else text.lstrip(BLANKS)

    def has(self, name: str) -> bool:
        """Whether a header of that canonical name is there."""
        return name in self.names

    def header(self, name: str) -> str | None:
        """Value of the first header of that canonical name (names.canonical), None when absent."""
        names = self.names
        return self.value(names.index(name)) if name in names else None

    def header_values(self, name: str) -> list[str]:
        """Values of all headers of that canonical name, in order, not split at commas."""
        return [self.value(i) for i, found in enumerate(self.names) if found == name]

    def positions(self, name: str) -> list[int]:
        """Indexes of the headers of that canonical name, in order."""
        return [i for i, found in enumerate(self.names) if found == name]

    # --- structured headers

    @property
    def vias(self) -> list[Via]:
        """All Via values, top one first; empty without Via. Raises SipParseError("bad Via header")."""
        found = self._vias
        return self._read_vias() if found is None else found

    def _read_vias(self) -> list[Via]:
        found: list[Via] = []
        names, values = self.names, self._values
        done = 0
        if self._starts is None:
            # Vias stand on top as a rule: their offsets are known without those of all other headers.
            start = self.first_line_end
            for name in names:
                if name != "via":
                    break
                value_start = start + len(self._raws[done]) + 1
                found += parse_vias(values[done], value_start, done)
                start = value_start + len(values[done]) + 2
                done += 1
        if names.count("via") > done:
            for i in self.positions("via")[done:]:
                found += parse_vias(values[i], self.value_start(i), i)
        self._vias = found
        return found

    @property
    def via(self) -> Via:
        """The top Via. Raises SipParseError when there is none or a Via is broken."""
        vias = self._vias
        if vias is None:
            vias = self.vias
        if not vias:
            raise SipParseError("no Via header", part="Via")
        return vias[0]

    @property
    def from_(self) -> NameAddr | None:
        """The From address, None when absent; its offsets count from value_start(). Raises SipParseError("bad header")."""
        found = self._from
        if found is None and "from" in self.names:
            found = self._from = self._address("from")
        return found

    @property
    def to(self) -> NameAddr | None:
        """The To address, None when absent; its offsets count from value_start(). Raises SipParseError("bad header")."""
        found = self._to
        if found is None and "to" in self.names:
            found = self._to = self._address("to")
        return found

    def _address(self, name: str) -> NameAddr:
        i = self.names.index(name)
        return shared_nameaddr(self._values[i], i)

    @property
    def from_tag(self) -> str | None:
        """Tag of From, None without From or tag. Raises SipParseError."""
        address = self.from_
        return None if address is None else address.tag

    @property
    def to_tag(self) -> str | None:
        """Tag of To, None without To or tag. Raises SipParseError."""
        address = self.to
        return None if address is None else address.tag

    @property
    def has_identity(self) -> bool:
        """Whether From, To, Call-ID and CSeq are there and can be read: what dialogs and transactions are known by (RFC 3261
        8.1.1). Judged once, because every step of a transaction asks."""
        found = self._has_identity
        if found < 0:
            found = self._has_identity = self._judge_identity()
        return found > 0

    def _judge_identity(self) -> int:
        if "call-id" not in self.names:
            return 0
        try:
            return 1 if self.from_ is not None and self.cseq_method is not None and self.to is not None else 0
        except SipParseError:
            return 0

    @property
    def call_id(self) -> str | None:
        """The Call-ID, None when absent."""
        names = self.names
        return self._values[names.index("call-id")].strip(BLANKS) if "call-id" in names else None

    @property
    def cseq_number(self) -> str | None:
        """The CSeq number as text, leading zeros kept; None when the header is absent. Raises SipParseError."""
        if self._cseq_method is None:
            if "cseq" not in self.names:
                return None
            self._read_cseq()
        return self._cseq_number

    @property
    def cseq_method(self) -> str | None:
        """The method in CSeq; None when the header is absent. Raises SipParseError."""
        found = self._cseq_method
        if found is None and "cseq" in self.names:
            self._read_cseq()
            found = self._cseq_method
        return found

    def _read_cseq(self) -> None:
        value = self._values[self.names.index("cseq")]
        words = value.split()
        if len(words) != 2 or "\n" in value.strip(BLANKS):       # a fold between them is not survived, as in OpenSIPS
            raise SipParseError("bad CSeq header", part="CSeq")
        self._cseq_number, self._cseq_method = words

    @property
    def contacts(self) -> list[ContactValue]:
        """All Contact values over all Contact headers; STAR stands for "*". Raises SipParseError("bad header")."""
        found = self._contacts
        if found is None:
            found = []
            for i in self.positions("contact"):
                found.extend(parse_contacts(self._values[i], self.value_start(i), i))
            self._contacts = found
        return found

    @property
    def routes(self) -> list[NameAddr]:
        """All Route values, in order. Raises SipParseError("bad header")."""
        found = self._routes
        if found is None:
            found = self._routes = self.addresses("route")
        return found

    @property
    def record_routes(self) -> list[NameAddr]:
        """All Record-Route values, in order. Raises SipParseError("bad header")."""
        return self.addresses("record-route")

    def addresses(self, name: str) -> list[NameAddr]:
        """All addresses of the comma lists in headers of that canonical name (path, refer-to, diversion ...)."""
        found: list[NameAddr] = []
        for i, header_name in enumerate(self.names):
            if header_name == name:
                found.extend(parse_nameaddr_list(self._values[i], self.value_start(i), i))
        return found

    # --- body

    @property
    def content_length(self) -> int | None:
        """Number in Content-Length, None when absent. Raises SipParseError("bad Content-Length header")."""
        found = self._length
        if found < 0:
            if "content-length" not in self.names:
                return None
            self._read_length()
            found = self._length
        return found

    def _read_length(self) -> None:
        text = self._values[self.names.index("content-length")].strip(BLANKS)
        if len(text) > 10 or not text.isdigit() or not text.isascii():
            raise SipParseError("bad Content-Length header", part="Content-Length")
        self._length = int(text)

    @property
    def body(self) -> str:
        """The body, cut to Content-Length when that is smaller; "" without one."""
        length = self.content_length
        text = self.text
        start = self.body_start
        return text[start:] if length is None or start + length >= len(text) else text[start:start + length]

    @property
    def relay_end(self) -> int:
        """Offset where the part of text ends that is relayed: bytes beyond a Content-Length above 0 stay behind.

        A Content-Length of 0 cuts nothing, as in OpenSIPS.
        """
        text = self.text
        length = self.content_length
        if not length or self.body_start + length >= len(text):
            return len(text)
        return self.body_start + length

    # --- checks at receive

    def check(self) -> None:
        """The deep checks of every received message: Via, CSeq, To and Content-Length must be readable.

        Raises SipParseError with OpenSIPS' reasons: "bad Via header", "bad CSeq header", "bad Content-Length header", "bad
        header"; part names the header. Absent headers are not an error here.
        """
        if self.damage:
            self._check_lines()
            raise SipParseError(self.damage, part="header")
        names = self.names
        if self._vias is None:
            self._read_vias()
        if "cseq" in names:
            self._read_cseq()
        if "to" in names:
            at = names.index("to")
            self._to = shared_nameaddr(self._values[at], at)
            if "to" in names[at + 1:]:
                for i in self.positions("to"):
                    parse_nameaddr(self._values[i])
        if "content-length" in names:
            self._read_length()

    def _check_lines(self) -> None:
        """The same checks in the order of the headers, for a message whose head breaks off: the first error is reported."""
        for i, name in enumerate(self.names):
            if name == "via":
                parse_vias(self._values[i])
            elif name == "cseq":
                self._read_cseq()
            elif name == "to":
                parse_nameaddr(self._values[i])
            elif name == "content-length":
                self._read_length()


class Request(Message):
    """A received request."""

    __slots__ = ("method", "request_uri")

    def __init__(
        self, text: str, version: str, first_line_end: int, lines: list[str] | None, head_end: int, method: str,
        request_uri: str,
    ) -> None:
        self.method = method
        """As received; methods are case-sensitive."""
        self.request_uri = request_uri
        """As received, not parsed: it may be no URI at all."""
        self.is_request = True
        Message.__init__(self, text, version, first_line_end, lines, head_end)


class Response(Message):
    """A received reply."""

    __slots__ = ("status_code", "reason_phrase")

    def __init__(
        self, text: str, version: str, first_line_end: int, lines: list[str] | None, head_end: int, status_code: int,
        reason_phrase: str,
    ) -> None:
        self.status_code = status_code
        self.reason_phrase = reason_phrase
        self.is_request = False
        Message.__init__(self, text, version, first_line_end, lines, head_end)

    @property
    def method(self) -> str | None:
        """The method in CSeq: that of the request. None without CSeq."""
        return self.cseq_method


def _header_end(text: str, start: int) -> tuple[int, int]:
    """End of the value that begins before start, and offset of the next header line; -1 when the line never ends."""
    at = start
    while True:
        feed = text.find("\n", at)
        if feed < 0:
            return len(text), -1
        following = feed + 1
        if following < len(text) and text[following] in " \t":
            at = following
            continue
        return (feed - 1 if feed > start and text[feed - 1] == "\r" else feed), following


def _has_empty_line(text: str, start: int, end: int) -> bool:
    """Whether the head ends between the two offsets."""
    feed = text.find("\n", start, end)
    while 0 <= feed < end:
        if text.startswith("\n", feed + 1) or text.startswith("\r\n", feed + 1):
            return True
        feed = text.find("\n", feed + 1, end)
    return False


def parse_message(data: bytes | str) -> Request | Response:
    """A message from the bytes of one datagram or one framed stream message; CR and LF in front of it are skipped.

    Raises SipParseError only, and only for the start line: two blanks in a row, tabs, a missing or a fourth word, a status
    code that is not 100 ... 999. The version of a request is not looked at (OpenSIPS accepts any). Header mistakes are found by
    check() or when a value is read.
    """
    text = data.decode("latin-1") if isinstance(data, bytes) else data
    if text[:1] in ("\r", "\n"):
        text = text.lstrip("\r\n")
    head_end = text.find("\r\n\r\n")
    lines: list[str] | None = None
    line = ""
    if head_end > 0:
        lines = text[:head_end].split("\r\n")
        line = lines.pop(0)
        first_line_end = len(line) + 2
        if not lines or text.count("\n", 0, head_end) != len(lines):
            lines = None
    if lines is None:
        feed = text.find("\n")
        if feed < 0:
            raise SipParseError("no line end", part="first line")
        line = text[:feed - 1] if text[feed - 1] == "\r" else text[:feed]
        first_line_end = feed + 1
    if line[:8] == "SIP/2.0 " or line[:8].upper() == "SIP/2.0 ":
        digits = line[8:11]
        if len(digits) != 3 or not digits.isdigit() or not digits.isascii() or digits[0] == "0" or line[11:12] not in ("", " "):
            raise SipParseError("bad status line", part="first line")
        return Response(text, line[:7], first_line_end, lines, head_end, int(digits), line[12:])
    words = line.split(" ")
    if len(words) != 3:
        words = line.rstrip(" ").split(" ")
    if len(words) != 3 or not words[0] or not words[1] or not words[2] or "\t" in line:
        raise SipParseError("bad request line", part="first line")
    return Request(text, words[2], first_line_end, lines, head_end, words[0], words[1])
