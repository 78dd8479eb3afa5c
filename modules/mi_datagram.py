"""mi_datagram: the management interface over UDP or a UNIX datagram socket: one JSON-RPC request in, one answer out.

Manual: OpenSIPS 3.6, module mi_datagram.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from typing import Any, Final

from engine.errors import ConfigError, MiError
from engine.mi.jsonrpc import SERVER_ERROR, answer, error_text, parse
from engine.module import Module, modparam
from modules.shared.owner import NO_CHANGE, group_id, user_id

_MOST: Final = 65457
"""Bytes of a request or an answer (manual, FAQ)."""


class MiDatagram(Module):
    """The module."""

    socket_name = modparam(str, "", help="udp:host:port, or the path of a UNIX socket")
    children_count = modparam(str, "1", both=True, help="processes that listen", effect="this server runs in one process")
    unix_socket_mode = modparam(int, 0o660, help="permissions of the UNIX socket")
    unix_socket_user = modparam(str, NO_CHANGE, both=True, parse=user_id, help="owner of the UNIX socket, name or number")
    unix_socket_group = modparam(str, NO_CHANGE, both=True, parse=group_id, help="group of the UNIX socket, name or number")
    socket_timeout = modparam(int, 2000, min=0, help="milliseconds an answer may wait for the client to take it")
    pretty_printing = modparam(int, 0, help="answers over several lines, indented")
    trace_destination = modparam(str, "", help="where MI traffic is traced to", effect="no tracing module exists here")
    trace_bwlist = modparam(str, "", help="which commands are traced", effect="no tracing module exists here")

    def mod_init(self) -> None:
        if not self.socket_name:
            raise ConfigError("mi_datagram: no socket", hint='set modparam("mi_datagram", "socket_name", "udp:127.0.0.1:8080")')
        self._socket: socket.socket | None = None
        self._path = ""

    async def child_init(self) -> None:
        try:
            if self.socket_name.startswith("udp:"):
                self._socket = await self._open_udp(self.socket_name[4:])
            else:
                self._socket = self._open_unix(self.socket_name)
        except OSError as error:
            raise ConfigError(f"mi_datagram: cannot listen on {self.socket_name}: {error.strerror or error}") from None
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)

    async def destroy(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
            if self._path and os.path.exists(self._path):
                os.unlink(self._path)

    def process_titles(self) -> list[str]:
        """How `ps` shows it."""
        return ["MI Datagram"]

    async def _open_udp(self, text: str) -> socket.socket:
        host, _, port = text.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ConfigError(f"mi_datagram: bad socket_name udp:{text}")
        found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
        family, _, _, _, address = found[0]
        made = socket.socket(family, socket.SOCK_DGRAM)
        try:
            made.bind(address)
        except OSError:
            made.close()
            raise
        return made

    def _open_unix(self, path: str) -> socket.socket:
        if os.path.lexists(path):
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise ConfigError(f"mi_datagram: {path} exists and is not a socket")
            os.unlink(path)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            made.bind(path)
            self._path = path
            os.chmod(path, self.unix_socket_mode)
            if (self.unix_socket_user, self.unix_socket_group) != (NO_CHANGE, NO_CHANGE):
                os.chown(path, self.unix_socket_user, self.unix_socket_group)
        except OSError:
            made.close()
            raise
        return made

    def _readable(self) -> None:
        assert self._socket is not None
        for _ in range(16):
            try:
                data, peer = self._socket.recvfrom(65536)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self.log.error("%s: %s", self.socket_name, error.strerror)
                return
            if data:
                self.server.spawn(self._serve(data, peer), "mi_datagram request")

    async def _serve(self, data: bytes, peer: Any) -> None:
        try:
            parse(data)
        except ValueError:
            await self._send(b"400 Parse_error", peer)
            return
        result = await answer(self.server.mi, data, bool(self.pretty_printing))
        if result is None:
            return
        if len(result) > _MOST:
            self.log.error("an answer of %d bytes does not fit into a datagram", len(result))
            too_long = MiError(SERVER_ERROR, "Server error", "the answer does not fit into a datagram")
            result = error_text(too_long, parse(data).get("id"))
        await self._send(result, peer)

    async def _send(self, data: bytes, peer: Any) -> None:
        """Send an answer; the client has socket_timeout to take it."""
        if not peer:
            self.log.error("a client without an address of its own cannot be answered")
            return
        loop = asyncio.get_running_loop()
        end = loop.time() + self.socket_timeout / 1000
        while self._socket is not None:
            try:
                self._socket.sendto(data, peer)
                return
            except BlockingIOError:
                if loop.time() >= end:
                    self.log.error("%s does not take its answer", peer)
                    return
                await asyncio.sleep(0.01)
            except OSError as error:
                self.log.error("cannot answer %s: %s", peer, error.strerror)
                return


exports = MiDatagram
