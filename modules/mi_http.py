"""mi_http: the management interface as JSON-RPC over HTTP POST.

    loadmodule "httpd.so"
    loadmodule "mi_http.so"

    curl -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"uptime"}' http://127.0.0.1:8888/mi

Manual: OpenSIPS 3.6, module mi_http. JSON-RPC errors are answered with status 200; a notification with 202.
"""

from __future__ import annotations

from typing import Final

from engine.mi.jsonrpc import answer
from engine.module import Module, modparam, needs
from modules.httpd.api import HttpReply, HttpRequest, HttpServer

_JSON: Final = "application/json"


class MiHttp(Module):
    """The module."""

    httpd: HttpServer = needs("httpd")
    root = modparam(str, "mi", help="path of the interface")
    trace_destination = modparam(str, "", help="where MI traffic is traced to", effect="no tracing module exists here")
    trace_bwlist = modparam(str, "", help="which commands are traced", effect="no tracing module exists here")

    def mod_init(self) -> None:
        self.httpd.add_path(self.root, self.serve, "mi_http")

    async def serve(self, request: HttpRequest) -> HttpReply:
        """One HTTP request."""
        if request.path.strip("/"):
            return HttpReply(400, _JSON)
        if request.method != "POST":
            return HttpReply(405, _JSON)
        content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type != _JSON or not request.body:
            return HttpReply(400, _JSON)
        text = await answer(self.server.mi, request.body)
        return HttpReply(202, _JSON) if text is None else HttpReply(200, _JSON, text)


exports = MiHttp
