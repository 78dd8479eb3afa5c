"""rest_client: HTTP requests from the script.

    rest_get("https://api.example.com/route?to=$(rU{rest.escape})", $var(body), $var(type), $var(code));
    async(rest_post("http://127.0.0.1/push", "{\\"to\\": \\"$rU\\"}", "application/json", $avp(body), , $avp(code)), resume);

Manual: OpenSIPS 3.6, module rest_client. Other messages are served while a request is under way, in the plain form too. Codes:
1 there is a response (whatever its status), -1 the connection was refused, -2 it took too long, -3 the transfer took too long
(what came until then is there), -4 see no_concurrent_connects, -10 anything else. The status is 0 without a response.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import aiohttp

from engine.errors import ConfigError
from engine.module import ALL_ROUTES, Context, Module, Var, async_function, function, modparam, transformation, wants
from modules.rest_client.transfer import (
    BUSY, FAILED, FORM, OK, TRANSFER_TIMEOUT, Progress, code_of, escape, readable_url, tracing, transfer,
)
from modules.shared.output import put

_EXPECT_SIZE: Final = 1024
_HTTP_1_0: Final = 1
_HTTP_2_ONLY: Final = 5
_BLANKS: Final = " \t\r\n"


def _http_version(number: int) -> int:
    """0 any, 1 1.0, 2 1.1, 3 and 4: 2 if it can be had, so 1.1."""
    if number == _HTTP_2_ONLY:
        raise ValueError("5 (HTTP/2 without asking) cannot be had, the requests go out by HTTP/1.1")
    if not 0 <= number < _HTTP_2_ONLY:
        raise ValueError(f"{number} is no HTTP version, there are 0 ... 5")
    return number


class RestClient(Module):
    """The module."""

    tls_mgm: Any = wants("tls_mgm")

    curl_timeout = modparam(int, 20, min=1, help="seconds a whole transfer may take")
    connection_timeout = modparam(int, 20, min=1, help="seconds until there is a connection")
    connect_poll_interval = modparam(int, 20, effect="connections tell when they are there, nobody asks for them")
    max_async_transfers = modparam(int, 100, min=0, help="transfers by async() at one time; more wait as the plain form does")
    max_transfer_size = modparam(int, 10240, min=0, help="kB a response may have, 0: any")
    ssl_verifypeer = modparam(int, 1, min=0, max=1, help="0: any certificate is good enough")
    ssl_verifyhost = modparam(int, 1, min=0, max=1, help="0: a certificate may be for another host")
    ssl_capath = modparam(str, "", help="folder (hashed names) or file of CA certificates")
    curl_http_version = modparam(int, 0, parse=_http_version, help="0 any, 1 HTTP/1.0, 2 HTTP/1.1, 3 and 4 HTTP/2 or 1.1")
    enable_expect_100 = modparam(int, 0, min=0, max=1, help="1: ask before sending a body of more than 1024 bytes")
    no_concurrent_connects = modparam(int, 0, min=0, max=1, help="1: while one request connects to a host, others get -4")
    curl_conn_lifetime = modparam(int, 0, min=0, help="seconds after a connection during which that does not count")

    def mod_init(self) -> None:
        if self.connection_timeout > self.curl_timeout:
            self.log.warning("'connection_timeout' must not be above 'curl_timeout', setting it to %d", self.curl_timeout)
            self.connection_timeout = self.curl_timeout
        self._session: aiohttp.ClientSession | None = None
        self._running = 0
        self._connecting: set[str] = set()
        self._known: dict[str, float] = {}
        """Host -> until when it counts as connected."""
        try:
            self._ssl = self._context()
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"rest_client: ssl_capath: {error}") from None

    def _context(self) -> ssl.SSLContext:
        made = ssl.create_default_context()
        if self.ssl_capath:
            os.stat(self.ssl_capath)
            if os.path.isdir(self.ssl_capath):
                made.load_verify_locations(capath=self.ssl_capath)
            else:
                made.load_verify_locations(cafile=self.ssl_capath)
        if not self.ssl_verifyhost or not self.ssl_verifypeer:
            made.check_hostname = False
        if not self.ssl_verifypeer:
            made.verify_mode = ssl.CERT_NONE
        return made

    def cfg_validate(self, script: Any) -> None:
        if self.tls_mgm is None and script.uses("rest_init_client_tls"):
            raise ConfigError("rest_init_client_tls() needs the module tls_mgm", hint='add loadmodule "tls_mgm.so"')

    async def child_init(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60), cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.curl_timeout, sock_connect=self.connection_timeout), trust_env=True,
            auto_decompress=False, trace_configs=[tracing()],
            version=aiohttp.HttpVersion10 if self.curl_http_version == _HTTP_1_0 else aiohttp.HttpVersion11,
        )

    async def destroy(self) -> None:
        if self._session is not None:
            await self._session.close()

    # ---- transfers ----

    async def _run(
        self, method: str, url: str, body: str | None, content_type: str | None, own: dict[str, Any],
    ) -> tuple[int, Progress]:
        """A transfer from beginning to end: its code, and what came."""
        progress = Progress()
        try:
            target = readable_url(url)
        except ValueError as error:
            self.log.error("bad URL %s: %s", url, error)
            return FAILED, progress
        host = str(target.host)
        guarded = self.no_concurrent_connects and self._known.get(host, -1.0) < self.server.now()
        if guarded:
            if host in self._connecting:
                return BUSY, progress
            self._connecting.add(host)
            progress.connected.add_done_callback(lambda done: self._connected(host, done.cancelled()))
        data = body.encode("latin-1", "replace") if body is not None else None
        assert self._session is not None
        try:
            code = await transfer(
                self._session, method, target, data, own.get("headers", []), content_type, progress,
                limit=self.max_transfer_size * 1024, ssl=own.get("tls") or self._ssl,
                expect=bool(self.enable_expect_100) and data is not None and len(data) > _EXPECT_SIZE,
            )
            if code == FAILED:
                self.log.error("max download size exceeded (%d KB), transfer of %s aborted", self.max_transfer_size, url)
        except (OSError, aiohttp.ClientError, ValueError) as error:
            code = code_of(error, progress)
            self.log.error("%s %s failed (%d): %s", method, url, code, error or type(error).__name__)
        finally:
            self._connecting.discard(host)
            progress.connected.cancel()
        return code, progress

    def _connected(self, host: str, failed: bool) -> None:
        self._connecting.discard(host)
        if self.curl_conn_lifetime and not failed:
            self._known[host] = self.server.now() + self.curl_conn_lifetime

    def _taken(self, ctx: Context) -> dict[str, Any]:
        """What rest_append_hf() and rest_init_client_tls() left for this transfer; the next one starts anew."""
        return ctx.slots.pop("rest_client", {}) if ctx.slots is not None else {}

    @staticmethod
    def _finish(
        ctx: Context, code: int, progress: Progress, trimmed: bool, body_pv: Var, ctype_pv: Var | None, retcode_pv: Var | None,
    ) -> int:
        """Hand the response to the script's variables."""
        put(ctx, retcode_pv, progress.status)
        if code in (OK, TRANSFER_TIMEOUT):
            text = progress.body.decode("latin-1")
            put(ctx, body_pv, text.strip(_BLANKS) if trimmed else text)
            put(ctx, ctype_pv, progress.content_type)
        return code

    def _plain(
        self, ctx: Context, method: str, url: str, body: str | None, content_type: str | None, *outputs: Any,
    ) -> int:
        code, progress = ctx.wait(self._run(method, url, body, content_type, self._taken(ctx)))
        return self._finish(ctx, code, progress, True, *outputs)

    def _async(
        self, ctx: Context, method: str, url: str, body: str | None, content_type: str | None, *outputs: Any,
    ) -> int | Awaitable[Callable[[], int]]:
        if self._running >= self.max_async_transfers:
            self.log.warning("max_async_transfers (%d) reached, waiting for %s", self.max_async_transfers, url)
            return self._plain(ctx, method, url, body, content_type, *outputs)
        self._running += 1
        return self._later(ctx, method, url, body, content_type, self._taken(ctx), outputs)

    async def _later(
        self, ctx: Context, method: str, url: str, body: str | None, content_type: str | None, own: dict[str, Any],
        outputs: tuple[Any, ...],
    ) -> Callable[[], int]:
        try:
            code, progress = await self._run(method, url, body, content_type, own)
        finally:
            self._running -= 1
        return lambda: self._finish(ctx, code, progress, False, *outputs)

    # ---- script functions ----

    @function(ALL_ROUTES)
    def rest_get(
        self, ctx: Context, url: str, body_pv: Var, ctype_pv: Var | None = None, retcode_pv: Var | None = None,
    ) -> int:
        """GET a resource: its body, Content-Type and the status code go into the variables."""
        return self._plain(ctx, "GET", url, None, None, body_pv, ctype_pv, retcode_pv)

    @async_function(ALL_ROUTES, name="rest_get")
    def rest_get_async(
        self, ctx: Context, url: str, body_pv: Var, ctype_pv: Var | None = None, retcode_pv: Var | None = None,
    ) -> Any:
        """The same for async() and launch()."""
        return self._async(ctx, "GET", url, None, None, body_pv, ctype_pv, retcode_pv)

    @function(ALL_ROUTES)
    def rest_post(
        self, ctx: Context, url: str, send_body: str, send_ctype: str | None, recv_body_pv: Var,
        recv_ctype_pv: Var | None = None, retcode_pv: Var | None = None,
    ) -> int:
        """POST a body of type send_ctype (application/x-www-form-urlencoded when left out)."""
        return self._plain(ctx, "POST", url, send_body, send_ctype or FORM, recv_body_pv, recv_ctype_pv, retcode_pv)

    @async_function(ALL_ROUTES, name="rest_post")
    def rest_post_async(
        self, ctx: Context, url: str, send_body: str, send_ctype: str | None, recv_body_pv: Var,
        recv_ctype_pv: Var | None = None, retcode_pv: Var | None = None,
    ) -> Any:
        """The same for async() and launch()."""
        return self._async(ctx, "POST", url, send_body, send_ctype or FORM, recv_body_pv, recv_ctype_pv, retcode_pv)

    @function(ALL_ROUTES)
    def rest_put(
        self, ctx: Context, url: str, send_body: str, send_ctype: str | None, recv_body_pv: Var,
        recv_ctype_pv: Var | None = None, retcode_pv: Var | None = None,
    ) -> int:
        """PUT a body of type send_ctype (application/x-www-form-urlencoded when left out)."""
        return self._plain(ctx, "PUT", url, send_body, send_ctype or FORM, recv_body_pv, recv_ctype_pv, retcode_pv)

    @async_function(ALL_ROUTES, name="rest_put")
    def rest_put_async(
        self, ctx: Context, url: str, send_body: str, send_ctype: str | None, recv_body_pv: Var,
        recv_ctype_pv: Var | None = None, retcode_pv: Var | None = None,
    ) -> Any:
        """The same for async() and launch()."""
        return self._async(ctx, "PUT", url, send_body, send_ctype or FORM, recv_body_pv, recv_ctype_pv, retcode_pv)

    @function(ALL_ROUTES)
    def rest_append_hf(self, ctx: Context, txt: str) -> int:
        """Add a header line, "Name: value", to the next request of this run. 1; -1 it is more than one line."""
        if "\r" in txt.strip() or "\n" in txt.strip():
            self.log.error("a header has one line, not %r", txt)
            return -1
        self._own(ctx).setdefault("headers", []).append(txt.strip())
        return 1

    @function(ALL_ROUTES)
    def rest_init_client_tls(self, ctx: Context, tls_client_domain: str) -> int:
        """Use certificates and rules of a TLS client domain for the next request of this run. 1; -1 no such domain."""
        found = None
        if self.tls_mgm is not None:
            found = self.tls_mgm.client_context(tls_client_domain, check_host=bool(self.ssl_verifyhost))
        if found is None:
            self.log.error("failed to match TLS client domain '%s'!", tls_client_domain)
            return -1
        self._own(ctx)["tls"] = found
        return 1

    @staticmethod
    def _own(ctx: Context) -> dict[str, Any]:
        if ctx.slots is None:
            ctx.slots = {}
        return ctx.slots.setdefault("rest_client", {})  # type: ignore[no-any-return]

    # ---- transformations ----

    @transformation("rest.escape")
    def escape(self, value: str) -> str:
        """{rest.escape}: percent-encoded, to stand in a URL."""
        return escape(value)

    @transformation("rest.unescape")
    def unescape(self, value: str) -> str:
        """{rest.unescape}: the counterpart."""
        return unquote_to_bytes(value.encode("latin-1")).decode("latin-1")


exports = RestClient
