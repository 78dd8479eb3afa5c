"""MI over named pipes: splitting of requests, replies, what is dropped, the life of the pipe."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from modules.mi_fifo import Requests, json_end
from tests.modules.parts import PartServer

WHICH = b'{"jsonrpc":"2.0","method":"which","params":["help"],"id":1}'
ANSWER = b'{"jsonrpc":"2.0","result":[[],["mi_cmd"]],"id":1}'


@pytest.mark.parametrize("text, end", [
    (b"{}", 2), (b' {"a":"}"} x', 10), (b'{"a":[1,{"b":2}]}', 17), (b'{"a":"\\"}"}', 11), (b'{"a"', 0), (b"", 0), (b"  ", 0),
    (b"which", -1), (b'{"a":"x', 0),
])
def test_where_json_ends(text: bytes, end: int) -> None:
    assert json_end(text) == end


def test_requests_are_split_however_they_come() -> None:
    text = b":r1:" + WHICH + b"\n::" + WHICH + b"\nnonsense\n:r2:{\n \"a\":\n 1}\n:r3:which\n:r4:{\"a\n:r5:{}\n"
    whole = Requests().feed(text)
    parts = Requests()
    found, dropped = [], []
    for at in range(len(text)):
        one, why = parts.feed(text[at:at + 1])
        found += one
        dropped += why
    wanted = [("r1", WHICH), ("", WHICH), ("r2", b'{\n "a":\n 1}'), ("r5", b"{}")]
    assert whole[0] == found == wanted
    assert len(whole[1]) == len(dropped) == 3


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes_do_no_harm(pieces: list[bytes]) -> None:
    requests = Requests()
    for piece in pieces:
        requests.feed(piece)


class Fifo:
    """A server with the pipe, and a client of it."""

    def __init__(self, folder: Path, **params: object) -> None:
        self.folder = folder
        self.server = PartServer()
        self.server.load_core_mi()
        self.module = self.server.load("mi_fifo", fifo_name=str(folder / "fifo"), reply_dir=f"{folder}/", **params)

    async def ask(self, text: bytes, reply: str = "r1", patience: float = 0.3) -> bytes:
        path = self.folder / reply
        os.mkfifo(path)
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            with open(self.folder / "fifo", "wb", buffering=0) as pipe:
                pipe.write(text)
            data = b""
            end = asyncio.get_running_loop().time() + patience
            while asyncio.get_running_loop().time() < end:
                await asyncio.sleep(0.005)
                try:
                    part = os.read(fd, 65536)
                except BlockingIOError:
                    continue
                data += part
                if data and not part:
                    break
            return data
        finally:
            os.close(fd)
            path.unlink()


def test_requests_are_answered_in_the_reply_pipe(tmp_path: Path) -> None:
    async def body() -> None:
        fifo = Fifo(tmp_path)
        async with fifo.server:
            assert stat.S_ISFIFO(os.stat(tmp_path / "fifo").st_mode) and os.stat(tmp_path / "fifo").st_mode & 0o777 == 0o660
            assert await fifo.ask(b":r1:" + WHICH + b"\n") == ANSWER
            assert await fifo.ask(b":r1:" + WHICH) == ANSWER
            for text in (b":r1:which\n", b"::" + WHICH + b"\n", WHICH + b"\n", b':r1:{"jsonrpc":"2.0","method":"which"}\n',
                         b":../r1:" + WHICH + b"\n"):
                assert await fifo.ask(text, patience=0.05) == b""
            assert any("is not the name of a pipe" in line for line in fifo.server.lines)
        assert not (tmp_path / "fifo").exists()

    asyncio.run(body())


def test_a_long_answer_arrives_whole(tmp_path: Path) -> None:
    async def body() -> None:
        fifo = Fifo(tmp_path, pretty_printing=1)
        async with fifo.server:
            for number in range(5000):
                fifo.server.events.define(f"E_SOME_LONG_NAME_{number}")
            answer = await fifo.ask(b':r1:{"jsonrpc":"2.0","method":"events_list","id":1}\n', patience=2)
        assert len(answer) > 200_000 and answer.endswith(b"}") and b'\n\t"result":\t{' in answer

    asyncio.run(body())


def test_a_reply_that_is_no_pipe_is_not_written(tmp_path: Path) -> None:
    async def body() -> None:
        fifo = Fifo(tmp_path)
        async with fifo.server:
            (tmp_path / "file").write_bytes(b"precious")
            (tmp_path / "link").symlink_to(tmp_path / "file")
            for name in (b"file", b"link"):
                with open(tmp_path / "fifo", "wb", buffering=0) as pipe:
                    pipe.write(b":" + name + b":" + WHICH + b"\n")
            await asyncio.sleep(0.05)
        assert (tmp_path / "file").read_bytes() == b"precious"

    asyncio.run(body())


def test_a_lost_pipe_is_made_anew(tmp_path: Path) -> None:
    async def body() -> None:
        fifo = Fifo(tmp_path)
        async with fifo.server:
            (tmp_path / "fifo").unlink()
            fifo.server.pass_time(5.2)
            assert await fifo.ask(b":r1:" + WHICH + b"\n") == ANSWER

    asyncio.run(body())


def test_a_file_in_the_way_refuses_the_start(tmp_path: Path) -> None:
    async def body() -> None:
        (tmp_path / "fifo").write_text("x")
        with pytest.raises(ConfigError, match="is not a pipe"):
            async with Fifo(tmp_path).server:
                raise AssertionError("it started")

    asyncio.run(body())
