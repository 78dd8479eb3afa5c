"""Codecs and streams of an SDP body: exists, delete, move up and down; delete a stream.

The functions work on the body as edited so far (msg.body until the first edit) and record the whole new body: an SDP is
small, and so any sequence of them composes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from engine.module import Context, Pattern, function
from modules.sipmsgops.headers import MESSAGE_ROUTES
from modules.sipmsgops.parts import current_sdp, store_sdp

Match = Callable[[str, str], bool]
"""match(encoding name, clock rate)."""

# RFC 3551 payload types that need no rtpmap.
STATIC_PAYLOADS: Final[dict[str, tuple[str, str]]] = {
    "0": ("PCMU", "8000"), "3": ("GSM", "8000"), "4": ("G723", "8000"), "5": ("DVI4", "8000"), "6": ("DVI4", "16000"),
    "7": ("LPC", "8000"), "8": ("PCMA", "8000"), "9": ("G722", "8000"), "10": ("L16", "44100"), "11": ("L16", "44100"),
    "12": ("QCELP", "8000"), "13": ("CN", "8000"), "14": ("MPA", "90000"), "15": ("G728", "8000"), "16": ("DVI4", "11025"),
    "17": ("DVI4", "22050"), "18": ("G729", "8000"), "25": ("CelB", "8000"), "26": ("JPEG", "90000"), "28": ("nv", "90000"),
    "31": ("H261", "90000"), "32": ("MPV", "90000"), "33": ("MP2T", "90000"), "34": ("H263", "90000"), "t38": ("t38", ""),
}

PAYLOAD_LINE = re.compile(r"a=(?:rtpmap|fmtp|rtcp-fb):(\S+)")


class Stream:
    """One media section: its lines, the m= line first; line ends are kept."""

    __slots__ = ("lines",)

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    @property
    def words(self) -> list[str]:
        """The words of the m= line: m=audio, port, transport, payloads."""
        return self.lines[0].split()

    @property
    def media(self) -> str:
        return self.words[0][2:]

    @property
    def transport(self) -> str:
        words = self.words
        return words[2] if len(words) > 2 else ""

    @property
    def payloads(self) -> list[str]:
        return self.words[3:]

    def set_payloads(self, payloads: list[str]) -> None:
        """Write the payloads into the m= line; without any the stream is disabled (port 0)."""
        line = self.lines[0]
        ending = line[len(line.rstrip("\r\n")):]
        words = self.words[:3]
        if not payloads:
            words[1] = "0"
        self.lines[0] = " ".join(words + payloads) + ending

    def codecs(self) -> dict[str, tuple[str, str]]:
        """Payload -> (name, clock): mapped ones first, then the static ones not mapped."""
        found: dict[str, tuple[str, str]] = {}
        for line in self.lines[1:]:
            if line.startswith("a=rtpmap:"):
                payload, _, rest = line[9:].strip().partition(" ")
                name, _, clock = rest.partition("/")
                found[payload] = (name, clock.partition("/")[0])
        for payload, codec in STATIC_PAYLOADS.items():
            found.setdefault(payload, codec)
        return found

    def matching(self, match: Match) -> list[str]:
        """Payloads of the m= line whose codec matches, in the order of the rtpmap lines."""
        listed = self.payloads
        return [payload for payload, (name, clock) in self.codecs().items() if payload in listed and match(name, clock)]


def split_streams(body: str) -> tuple[list[str], list[Stream]]:
    """(lines of the session part, streams)."""
    session: list[str] = []
    streams: list[Stream] = []
    for line in body.splitlines(keepends=True):
        if line.startswith("m="):
            streams.append(Stream([line]))
        elif streams:
            streams[-1].lines.append(line)
        else:
            session.append(line)
    return session, streams


def by_name(name: str, clock: str | None) -> Match:
    """A codec of that name (and clock rate, when given); case ignored."""
    wanted = name.lower()
    return lambda codec, rate: codec.lower() == wanted and (clock is None or rate.lower() == clock.lower())


def by_regex(expression: re.Pattern[str], complement: bool = False) -> Match:
    """A codec whose name matches (or does not match) the expression."""
    return lambda codec, _rate: (expression.search(codec) is None) == complement


class CodecFunctions:
    """The functions of this topic."""

    def _edit(self, ctx: Context, match: Match, action: Callable[[Stream, list[str]], None] | None) -> int:
        """Do action(stream, payloads) where codecs match; 1 / -1. No action: just look."""
        body = current_sdp(ctx)
        if body is None:
            return -1
        session, streams = split_streams(body)
        found = False
        for stream in streams:
            payloads = stream.matching(match)
            if payloads:
                found = True
                if action is not None:
                    action(stream, payloads)
        if found and action is not None:
            store_sdp(ctx, "".join(session) + "".join("".join(stream.lines) for stream in streams))
        return 1 if found else -1

    @staticmethod
    def _delete(stream: Stream, payloads: list[str]) -> None:
        stream.set_payloads([payload for payload in stream.payloads if payload not in payloads])
        kept = [stream.lines[0]]
        for line in stream.lines[1:]:
            found = PAYLOAD_LINE.match(line)
            if found is None or found[1] not in payloads:
                kept.append(line)
        stream.lines = kept

    @staticmethod
    def _up(stream: Stream, payloads: list[str]) -> None:
        stream.set_payloads(payloads + [payload for payload in stream.payloads if payload not in payloads])

    @staticmethod
    def _down(stream: Stream, payloads: list[str]) -> None:
        stream.set_payloads([payload for payload in stream.payloads if payload not in payloads] + payloads)

    @function(MESSAGE_ROUTES)
    def codec_exists(self, ctx: Context, name: str, clock: str | None = None) -> int:
        """Is there a codec of that name in any stream? The clock rate is not looked at, as in OpenSIPS. 1 / -1."""
        return self._edit(ctx, by_name(name, None), None)

    @function(MESSAGE_ROUTES)
    def codec_exists_re(self, ctx: Context, regexp: Pattern) -> int:
        """Is there a codec whose name matches? 1 / -1."""
        return self._edit(ctx, by_regex(regexp), None)

    @function(MESSAGE_ROUTES)
    def codec_delete(self, ctx: Context, name: str, clock: str | None = None) -> int:
        """Delete a codec from all streams, with its attributes. 1 / -1 not there."""
        return self._edit(ctx, by_name(name, clock), self._delete)

    @function(MESSAGE_ROUTES)
    def codec_delete_re(self, ctx: Context, regexp: Pattern) -> int:
        """Delete the codecs whose name matches. 1 / -1."""
        return self._edit(ctx, by_regex(regexp), self._delete)

    @function(MESSAGE_ROUTES)
    def codec_delete_except_re(self, ctx: Context, regexp: Pattern) -> int:
        """Delete the codecs whose name does not match. 1 / -1."""
        return self._edit(ctx, by_regex(regexp, complement=True), self._delete)

    @function(MESSAGE_ROUTES)
    def codec_move_up(self, ctx: Context, name: str, clock: str | None = None) -> int:
        """Move a codec to the front of its streams' lists. 1 / -1."""
        return self._edit(ctx, by_name(name, clock), self._up)

    @function(MESSAGE_ROUTES)
    def codec_move_up_re(self, ctx: Context, regexp: Pattern) -> int:
        """Move the codecs whose name matches to the front, their order kept. 1 / -1."""
        return self._edit(ctx, by_regex(regexp), self._up)

    @function(MESSAGE_ROUTES)
    def codec_move_down(self, ctx: Context, name: str, clock: str | None = None) -> int:
        """Move a codec to the end of its streams' lists. 1 / -1."""
        return self._edit(ctx, by_name(name, clock), self._down)

    @function(MESSAGE_ROUTES)
    def codec_move_down_re(self, ctx: Context, regexp: Pattern) -> int:
        """Move the codecs whose name matches to the end. 1 / -1."""
        return self._edit(ctx, by_regex(regexp), self._down)

    @staticmethod
    def _stream_index(streams: list[Stream], media: re.Pattern[str], transport: re.Pattern[str] | None) -> int | None:
        """The last matching stream: the reference keeps its streams newest first and takes the first match."""
        for i in range(len(streams) - 1, -1, -1):
            if media.search(streams[i].media) and (transport is None or transport.search(streams[i].transport)):
                return i
        return None

    @function(MESSAGE_ROUTES)
    def stream_exists(self, ctx: Context, media: Pattern, transport: Pattern | None = None) -> bool:
        """Is there a stream whose media (and transport) match? 1 / -1."""
        body = current_sdp(ctx)
        return body is not None and self._stream_index(split_streams(body)[1], media, transport) is not None

    @function(MESSAGE_ROUTES)
    def stream_delete(self, ctx: Context, media: Pattern, transport: Pattern | None = None) -> int:
        """Delete a stream whose media (and transport) match, with all its lines. 1 / -1."""
        body = current_sdp(ctx)
        if body is None:
            return -1
        session, streams = split_streams(body)
        index = self._stream_index(streams, media, transport)
        if index is None:
            return -1
        del streams[index]
        store_sdp(ctx, "".join(session) + "".join("".join(stream.lines) for stream in streams))
        return 1

    @function(MESSAGE_ROUTES)
    def is_audio_on_hold(self, ctx: Context) -> int:
        """Is an audio stream on hold? 1: null connection address (RFC 2543), 2: inactive or sendonly (RFC 3264), -1: no."""
        body = current_sdp(ctx)
        if body is None:
            return -1
        session, streams = split_streams(body)
        session_address = next((line.split()[-1] for line in session if line.startswith("c=")), "")
        for stream in streams:
            if stream.media != "audio":
                continue
            address = next((line.split()[-1] for line in stream.lines if line.startswith("c=")), session_address)
            if address in ("0.0.0.0", "::"):
                return 1
            if any(line.strip() in ("a=inactive", "a=sendonly") for line in stream.lines):
                return 2
        return -1
