"""httpd: the HTTP server other modules answer through (mi_http, prometheus ...).

    modparam("httpd", "ip", "127.0.0.1")
    modparam("httpd", "port", 8888)

Manual: OpenSIPS 3.6, module httpd. It listens on that address and nowhere else, and only when the module is loaded. A module
that wants a path says needs("httpd") and calls add_path() in its mod_init.
"""

from __future__ import annotations

import ssl
from typing import Any, Final

from aiohttp import web

from engine.errors import ConfigError
from engine.module import Module, mi_command, modparam
from modules.httpd.api import Handler, HttpReply, HttpRequest

_NOT_FOUND: Final = b"<html><body>Unable to parse URL!</body></html>"
_LEAST_BODY: Final = 1 << 20
"""A request body may always have this many bytes, whatever the buffer parameters say."""


class Httpd(Module):
    """The module. needs("httpd") gives an object with add_path()."""

    ip = modparam(str, "*", help="address to listen on; * is all")
    port = modparam(int, 8888, min=1024, max=65535, help="port to listen on")
    conn_timeout = modparam(int, 30, min=0, help="seconds after which an idle connection is closed, 0: never")
    buf_size = modparam(int, 0, help="size of the reply buffer", effect="replies are as long as they need to be")
    post_buf_size = modparam(int, 1024, min=256, help="size of the buffer for request bodies; 1 MB is always accepted")
    receive_buf_size = modparam(int, 1024, help="most bytes of a request; 1 MB is always accepted")
    tls_cert_file = modparam(str, "", help="certificate chain: the server speaks HTTPS")
    tls_key_file = modparam(str, "", help="private key of the certificate")
    tls_ciphers = modparam(str, "", help="ciphers in GnuTLS' notation", effect="the TLS library's own choice is used")

    def mod_init(self) -> None:
        self._paths: dict[str, tuple[str, Handler]] = {}
        self._runner: web.ServerRunner | None = None
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise ConfigError("httpd: tls_cert_file and tls_key_file belong together, one of them is missing")

    def add_path(self, root: str, handler: Handler, module: str = "") -> None:
        """Have handler(request) answer everything below /root. ConfigError when the root is taken."""
        name = root.strip("/")
        if name in self._paths:
            raise ConfigError(f"httpd: the path /{name} is wanted by two modules")
        self._paths[name] = (module, handler)

    def process_titles(self) -> list[str]:
        """How `ps` shows it."""
        return [f"HTTPD {self.ip}:{self.port}"]

    async def child_init(self) -> None:
        context = None
        if self.tls_cert_file:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            try:
                context.load_cert_chain(self.tls_cert_file, self.tls_key_file)
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(f"httpd: certificate {self.tls_cert_file} cannot be used: {error}") from None
        timeout = self.conn_timeout or 10 ** 9
        self._runner = web.ServerRunner(web.Server(self._handle, keepalive_timeout=timeout, access_log=None))
        await self._runner.setup()
        host = None if self.ip == "*" else self.ip.strip("[]")
        site = web.TCPSite(self._runner, host, self.port, ssl_context=context, reuse_address=True)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            self._runner = None
            raise ConfigError(f"httpd: cannot listen on {self.ip}:{self.port}: {error.strerror or error}") from None

    async def destroy(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _find(self, path: str) -> tuple[str, Handler] | None:
        """(rest of the path, handler) for a path, the longest root first."""
        wanted = path.strip("/")
        head = wanted
        while True:
            found = self._paths.get(head)
            if found is not None:
                return wanted[len(head):], found[1]
            if not head:
                return None
            head = head.rpartition("/")[0]

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        found = self._find(request.path)
        if found is None:
            return self._response(HttpReply(400, "text/html", _NOT_FOUND))
        rest, handler = found
        limit = max(_LEAST_BODY, self.post_buf_size, self.receive_buf_size)
        body = await self._read(request, limit)
        if body is None:
            return self._response(HttpReply(413, "text/html"))
        try:
            reply = await handler(HttpRequest(
                request.method, rest, request.query, request.headers, body, request.remote or "",
            ))
        except Exception as error:
            self._log_failure(request, error)
            reply = HttpReply(500, "text/html")
        return self._response(reply)

    def _log_failure(self, request: web.BaseRequest, error: Exception) -> None:
        log: Any = self.server.log
        log.error("httpd: %s %s failed: %s: %s", request.method, request.path, type(error).__name__, error)

    @staticmethod
    async def _read(request: web.BaseRequest, limit: int) -> bytes | None:
        """The body, None when it is longer than the limit."""
        parts: list[bytes] = []
        size = 0
        async for part in request.content.iter_any():
            size += len(part)
            if size > limit:
                return None
            parts.append(part)
        return b"".join(parts)

    @staticmethod
    def _response(reply: HttpReply) -> web.Response:
        # Content-Type as it is: aiohttp would take a charset or a version parameter apart.
        return web.Response(
            status=reply.status, body=reply.body, headers={"Content-Type": reply.content_type, "Server": "opensips"},
        )

    @mi_command("httpd_list_root_path", help="lists the paths that modules answer")
    def list_root_path(self) -> list[dict[str, str]]:
        """Root paths with the module behind each."""
        return [{"http_root": root, "module": module} for root, (module, _) in self._paths.items()]


exports = Httpd
