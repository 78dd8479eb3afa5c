"""Messages to begin with: those the reference sent and got in the recordings, and the torture messages of the RFCs."""

from __future__ import annotations

import re
from pathlib import Path

from tests.torture.messages import read

_WIRE = Path(__file__).parents[1] / "golden" / "wire"
_FIRST = re.compile(r"    (?:[A-Z]+ \S+ SIP/2\.0|SIP/2\.0 \d\d\d .*)\Z")
_PLACES = {"{{SIP}}": "127.0.0.1:5060", "{{PORT}}": "5060", "{{DIR}}": "/tmp", "{{HTTP}}": "127.0.0.1:8080"}


def _plain(text: str) -> str:
    """A recorded message with its placeholders filled in."""
    for name, value in _PLACES.items():
        text = text.replace(name, value)
    text = re.sub(r"\{\{UA:(\w+)\}\}", lambda found: f"127.0.0.1:{5070 + len(found[1])}", text)
    text = re.sub(r"\{\{[^}]*\}\}", "5070", text)
    text = re.sub(r"<branch-(\d+)>", r"z9hG4bK-\1", text)
    text = re.sub(r"<(tag|totag|call-id|callid)-(\d+)>", r"\1\2", text)
    head, _, body = text.partition("\r\n\r\n")
    return re.sub(r"<length>", str(len(body)), head) + "\r\n\r\n" + body


def _recorded(text: str) -> list[str]:
    found: list[str] = []
    lines: list[str] = []
    body: list[str] | None = None
    for line in [*text.split("\n"), "@"]:
        if line.startswith("    | ") or line == "    |":
            body = [*(body or []), line[6:]]
        elif line.startswith("    ") and (lines or _FIRST.match(line)):
            lines.append(line[4:])
        elif lines:
            content = "".join(f"{one}\r\n" for one in body or [])
            found.append(_plain("\r\n".join(lines) + "\r\n\r\n" + content))
            lines, body = [], None
    return found


def seeds(limit: int = 3000) -> list[bytes]:
    """Distinct messages, those of the RFCs first."""
    found = {message.data: None for rfc in ("rfc4475", "rfc5118") for message in read(rfc)}
    for path in sorted(_WIRE.glob("*.expected")):
        for text in _recorded(path.read_text(encoding="utf-8")):
            found[text.encode("latin-1", "replace")] = None
            if len(found) >= limit:
                return list(found)
    return list(found)
