"""SDP (RFC 8866) as far as routing needs it: lines with their places, the session part and the media sections.

Nothing is validated: a line is a line. Offsets count in the text that was given, so that edits can use them.
"""


class SdpLine:
    """One line."""

    __slots__ = ("text", "start", "end")

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text
        """Without its line end."""
        self.start = start
        self.end = end
        """Offset behind its line end."""

    @property
    def kind(self) -> str:
        """The letter in front of the equals sign, "" for a line of another shape."""
        return self.text[:1] if self.text[1:2] == "=" else ""

    @property
    def value(self) -> str:
        """The text behind the equals sign."""
        return self.text[2:]


class SdpStream:
    """One media section: from its m= line up to the next one."""

    __slots__ = ("media", "start", "end", "lines")

    def __init__(self, media: str, start: int, end: int, lines: list[SdpLine]) -> None:
        self.media = media
        """audio, video ... as written."""
        self.start = start
        self.end = end
        self.lines = lines


def lines(body: str) -> list[SdpLine]:
    """All lines; a last line without line end counts, empty lines do not."""
    found: list[SdpLine] = []
    at = 0
    size = len(body)
    while at < size:
        feed = body.find("\n", at)
        end = size if feed < 0 else feed + 1
        text = body[at:end].rstrip("\r\n")
        if text:
            found.append(SdpLine(text, at, end))
        at = end
    return found


def line(body: str, kind: str, index: int = 0) -> str | None:
    """The index-th whole line of a type ("m", "c" ...), without its line end; negative counts from the end; None: no such."""
    found = [item.text for item in lines(body) if item.kind == kind]
    return found[index] if -len(found) <= index < len(found) else None


def session(body: str) -> str:
    """Everything in front of the first media section."""
    found = streams(body)
    return body[:found[0].start] if found else body


def streams(body: str) -> list[SdpStream]:
    """The media sections in order."""
    found: list[SdpStream] = []
    members: list[SdpLine] = []
    media = ""
    start = -1
    for item in lines(body):
        if item.text.startswith("m="):
            if start >= 0:
                found.append(SdpStream(media, start, item.start, members))
            members = []
            start = item.start
            words = item.value.split(None, 1)
            media = words[0] if words else ""
        members.append(item)
    if start >= 0:
        found.append(SdpStream(media, start, len(body), members))
    return found


def chosen_streams(body: str, which: str | int) -> list[SdpStream]:
    """The media sections of a name (case ignored), or the one at an index (negative from the end); empty: no such."""
    found = streams(body)
    if isinstance(which, int):
        return [found[which]] if -len(found) <= which < len(found) else []
    wanted = which.lower()
    return [item for item in found if item.media.lower() == wanted]


def stream(body: str, which: str | int) -> str | None:
    """Text of the first media section chosen by name or index, None when there is none."""
    found = chosen_streams(body, which)
    return body[found[0].start:found[0].end] if found else None


def without_streams(body: str, which: str | int) -> str | None:
    """The body without the media sections chosen by name (all of that name) or index; None when there is none."""
    found = chosen_streams(body, which)
    if not found:
        return None
    out: list[str] = []
    at = 0
    for item in found:
        out.append(body[at:item.start])
        at = item.end
    out.append(body[at:])
    return "".join(out)
