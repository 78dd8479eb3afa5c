"""MIME bodies (RFC 2046 section 5.1, RFC 5621): the parts of a body with their types, and new bodies from parts."""

from engine.sip.grammar import BLANKS, find_param


class Part:
    """One part of a body; a body that is no multipart is its own only part."""

    __slots__ = ("content_type", "headers", "body", "start", "end")

    def __init__(self, content_type: str | None, headers: str, body: str, start: int, end: int) -> None:
        self.content_type = content_type
        """Value of Content-Type with its parameters, None without one."""
        self.headers = headers
        """The part's header lines as received, "" for a body that is no multipart."""
        self.body = body
        self.start = start
        """Offset of the part's body in the whole body."""
        self.end = end

    @property
    def mime_type(self) -> str:
        """type/subtype in lower case, "" without Content-Type."""
        return mime_type(self.content_type)


def mime_type(content_type: str | None) -> str:
    """type/subtype of a Content-Type value in lower case, without parameters; "" for None."""
    return "" if content_type is None else content_type.partition(";")[0].strip(BLANKS).lower()


def boundary(content_type: str | None) -> str | None:
    """The boundary of a multipart Content-Type, None for other types or without one."""
    if content_type is None or not mime_type(content_type).startswith("multipart/"):
        return None
    return find_param(content_type.partition(";")[2], "boundary") or None


def parts(body: str, content_type: str | None) -> list[Part]:
    """The parts of a body in order; one part for a body that is no multipart, none for an empty body.

    A multipart without a closing boundary is read to its end, as are parts without an empty line (all of it is body then).
    """
    if not body:
        return []
    mark = boundary(content_type)
    if mark is None:
        return [Part(content_type, "", body, 0, len(body))]
    found: list[Part] = []
    marks = _delimiters(body, f"--{mark}")
    for position, (_, after, closing) in enumerate(marks):
        if closing:
            break
        end = marks[position + 1][0] if position + 1 < len(marks) else len(body)
        found.append(_part(body, after, end))
    return found


def _delimiters(body: str, mark: str) -> list[tuple[int, int, bool]]:
    """Start (of the line end in front), end and whether it closes, of every delimiter line."""
    found: list[tuple[int, int, bool]] = []
    at = body.find(mark)
    while at >= 0:
        after = at + len(mark)
        if at == 0 or body[at - 1] == "\n":
            closing = body.startswith("--", after)
            if closing:
                after += 2
            feed = body.find("\n", after)
            line_end = len(body) if feed < 0 else feed + 1
            if not body[after:line_end].strip(BLANKS):
                start = at
                if start and body[start - 1] == "\n":
                    start -= 2 if start > 1 and body[start - 2] == "\r" else 1
                found.append((start, line_end, closing))
        at = body.find(mark, after)
    return found


def _part(body: str, start: int, end: int) -> Part:
    if body.startswith("\r\n", start):
        return Part(None, "", body[start + 2:end], start + 2, max(start + 2, end))
    head_end = body.find("\r\n\r\n", start, end)
    if head_end < 0:
        return Part(None, "", body[start:end], start, max(start, end))
    head = body[start:head_end + 2]
    content_type: str | None = None
    for text in head.split("\r\n"):
        name, colon, value = text.partition(":")
        if colon and name.strip(BLANKS).lower() in ("content-type", "c"):
            content_type = value.strip(BLANKS)
    return Part(content_type, head, body[head_end + 4:end], head_end + 4, max(head_end + 4, end))


def build(sections: list[tuple[str, str]], mark: str) -> str:
    """A multipart body from (header lines, body) pairs: each header block ends in CRLF or is empty."""
    out: list[str] = []
    for headers, body in sections:
        out.append(f"--{mark}\r\n{headers}\r\n{body}\r\n")
    out.append(f"--{mark}--\r\n")
    return "".join(out)
