"""prometheus: statistics as a page that Prometheus scrapes.

    loadmodule "httpd.so"
    loadmodule "prometheus.so"
    modparam("prometheus", "statistics", "core: tm: active_dialogs")
    modparam("prometheus", "labels", "core: /^(rcv|fwd)_(.*)$/\\1:kind=\\\"\\2\\\"/")

    curl http://127.0.0.1:8888/metrics

Manual: OpenSIPS 3.6, module prometheus; management reference, section 3. Names, order and the missing HELP lines are
OpenSIPS': a client library for Prometheus would print other ones, so the text format (version 0.0.4) is written here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from engine.errors import ConfigError
from engine.log import to_bytes
from engine.module import REQUEST, Context, Module, function, modparam, needs
from engine.script.script import Script
from engine.script.subst import Subst, parse_subst
from engine.script.varspec import VarSpec
from engine.stats import Computed, Statistic
from engine.workers import in_worker
from modules.httpd.api import HttpReply, HttpRequest, HttpServer
from modules.shared.jsontext import Real, parse

_CONTENT_TYPE: Final = "text/plain; version=0.0.4"
_BAD_CHARACTER: Final = re.compile(r"[^A-Za-z0-9_:]")
_NO_GROUP, _GROUP_IN_NAME, _GROUP_AS_LABEL = 0, 1, 2
_OUTSIDE: Final = -2


@dataclass(slots=True)
class LabelRule:
    """One value of modparam labels."""

    group: str
    subst: Subst


@dataclass(slots=True)
class Page:
    """A page as it is being written."""

    lines: list[str] = field(default_factory=list)
    families: set[str] = field(default_factory=set)
    """Statistics of processes that were printed: one of them prints all."""
    labelled: dict[str, list[tuple[Statistic, str]]] = field(default_factory=dict)
    """Name -> (statistic, labels), printed at the end."""
    declared: str = ""
    """What prometheus_declare_stat() named last."""


def _clean(name: str) -> str:
    """A name with the characters Prometheus allows."""
    return _BAD_CHARACTER.sub("_", name)


def _label_text(value: str) -> str:
    """The value of a label as it stands in quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _whole(value: Any) -> int | None:
    """A JSON number without its fraction, None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if not isinstance(value, Real):
        return None
    try:
        return int(float(value))
    except (ValueError, OverflowError):
        return None


def _no_variable(spec: VarSpec) -> Any:
    raise ValueError(f"{spec.raw} in a rule for labels: there is no message it could be read from")


def parse_labels(text: str) -> LabelRule:
    """"group: /regexp/name:labels/flags"; raises ValueError."""
    group, colon, rule = text.strip().partition(":")
    if not colon or not group.strip():
        raise ValueError(f'{text!r} is not of the form "group: /regexp/name:labels/"')
    return LabelRule(group.strip(), parse_subst(rule.strip(), _no_variable))


class Prometheus(Module):
    """The module."""

    httpd: HttpServer = needs("httpd")
    root = modparam(str, "metrics", help="path of the page")
    prefix = modparam(str, "opensips", help="what all names begin with")
    delimiter = modparam(str, "_", help="what separates prefix, group and name")
    group_prefix = modparam(str, "", help="what the names of groups begin with")
    group_label = modparam(str, "group", help="name of the label with the group, for group_mode 2")
    group_mode = modparam(int, 0, min=0, max=2, help="0: no groups, 1: group in the name, 2: group as a label")
    statistics = modparam(str, None, multi=True, help='what is shown: names, groups ("core:") or all, separated by blanks')
    labels = modparam(str, None, multi=True, parse=parse_labels, help='"group: /regexp/name:labels/": labels out of names')
    script_route = modparam(str, "", help="route that adds to the page")

    def mod_init(self) -> None:
        words = " ".join(self.statistics).split()
        self._all = "all" in words
        # The reference keeps both lists the last one first.
        self._groups = [word[:-1] for word in reversed(words) if word.endswith(":")]
        self._names = [word for word in reversed(words) if not word.endswith(":")]
        if self.script_route:
            self.server.registry.reads_returned = True
        self.httpd.add_path(self.root, self.serve, "prometheus")

    def cfg_validate(self, script: Script) -> None:
        if self.script_route and self.script_route not in script.routes:
            raise ConfigError(f"prometheus: script_route: there is no route[{self.script_route}]")

    async def serve(self, request: HttpRequest) -> HttpReply:
        """One scrape."""
        if request.method != "GET":
            self.log.error("a page cannot be asked for by %s", request.method)
            return HttpReply(405, _CONTENT_TYPE)
        page = Page()
        self._write_statistics(page)
        if self.script_route:
            await in_worker(self.server.workers, lambda: self._run_route(page))
        page.lines.append("")
        return HttpReply(200, _CONTENT_TYPE, to_bytes("\n".join(page.lines) + "\n"))

    # ---- statistics ----

    def _write_statistics(self, page: Page) -> None:
        stats = self.server.stats
        if self._all:
            for item in list(stats):
                self._add(page, item)
        else:
            for group in self._groups:
                for item in list((stats.group(group) or {}).values()):
                    self._add(page, item)
            for name in self._names:
                found = None if ":" in name else stats.get(name)
                if found is not None:
                    self._add(page, found)
        for name, entries in reversed(page.labelled.items()):
            typed = False
            for item, labels in reversed(entries):
                self._print(page, item, name, [labels], typed)
                typed = True

    def _add(self, page: Page, item: Statistic) -> None:
        """Print a statistic, or keep it for the end when a rule gives it labels."""
        if isinstance(item, Computed) and item.family:
            if item.family not in page.families:
                page.families.add(item.family)
                self._print_family(page, item.group, item.family)
            return
        for rule in self.labels:
            if rule.group == item.group:
                try:
                    text, count = rule.subst.apply(self.server.dummy_context(REQUEST), item.name)
                except ValueError:
                    continue
                name, _, labels = text.partition(":")
                if count and name and labels:
                    page.labelled.setdefault(name, []).append((item, labels))
                    return
        self._print(page, item, item.name, [])

    def _print_family(self, page: Page, group: str, family: str) -> None:
        titles = {ident: (pid, title) for ident, pid, title in self.server.process_table()}
        typed = False
        for item in self.server.stats.group(group).values():
            if isinstance(item, Computed) and item.family == family:
                pid, title = titles.get(item.process, (0, ""))
                labels = [f'id="{item.process}"', f'pid="{pid}"', f'desc="{_label_text(title)}"']
                self._print(page, item, family, [], typed, labels)
                typed = True

    def _print(
        self, page: Page, item: Statistic, name: str, labels: list[str], typed: bool = False, more: list[str] | None = None,
    ) -> None:
        """The lines of a statistic. labels stand before the group, more behind it; typed: the TYPE line was printed before."""
        prefix = self.prefix
        if self.group_mode == _GROUP_IN_NAME:
            full = f"{prefix}{self.delimiter}{self.group_prefix}{_clean(item.group)}{self.delimiter}{_clean(name)}"
        else:
            if not prefix and not self.delimiter and self.group_mode == _NO_GROUP and name[:1].isdigit():
                prefix = "_"
            full = f"{prefix}{self.delimiter}{_clean(name)}"
        if self.group_mode == _GROUP_AS_LABEL:
            labels = [*labels, f'{self.group_label}="{_label_text(self.group_prefix + item.group)}"']
        if more:
            labels = [*labels, *more]
        if not typed:
            page.lines.append(f"# TYPE {full} {'gauge' if item.gauge or item.no_reset else 'counter'}")
        page.lines.append(f"{full}{{{','.join(labels)}}} {item.count}" if labels else f"{full} {item.count}")

    # ---- what the script adds ----

    def _run_route(self, page: Page) -> None:
        route = self.server.script.routes.get(self.script_route)
        if route is None:
            self.log.error("route[%s] is gone since the last reload", self.script_route)
            return
        ctx = self.server.dummy_context(REQUEST)
        ctx.slots = {self.name: page}
        code = self.server.run(route, ctx)
        if code >= 1 and ctx.returned and isinstance(ctx.returned[0], str):
            self._add_returned(page, ctx.returned[0])

    def _add_returned(self, page: Page, text: str) -> None:
        """[{"header": "# TYPE x gauge", "values": [{"name": "x", "value": 3}]}] as lines; what is no such thing is logged."""
        try:
            blocks = parse(text)
        except ValueError:
            blocks = None
        if not isinstance(blocks, list):
            self.log.error("route[%s] returns no JSON array", self.script_route)
            return
        for block in blocks:
            header = block.get("header") if isinstance(block, dict) else None
            values = block.get("values") if isinstance(block, dict) else None
            if not isinstance(header, str) or not header or isinstance(header, Real) or not isinstance(values, list):
                self.log.error("route[%s] returns an object without header or values, the rest is left out", self.script_route)
                return
            page.lines.append(header)
            for entry in values:
                name = entry.get("name") if isinstance(entry, dict) else None
                number = _whole(entry.get("value")) if isinstance(entry, dict) else None
                if not isinstance(name, str) or number is None:
                    self.log.error("route[%s] returns a value without name or number", self.script_route)
                    continue
                page.lines.append(f"{name} {number}")

    def _page(self, ctx: Context) -> Page | None:
        page: Page | None = (ctx.slots or {}).get(self.name)
        if page is None:
            self.log.error("statistics can only be added in the route that script_route names")
        return page

    @function(REQUEST)
    def prometheus_declare_stat(self, ctx: Context, name: str, type: str | None = None, help: str | None = None) -> int:
        """Announce a metric; type is gauge when left out. Only in the route of script_route. 1; -2 elsewhere."""
        page = self._page(ctx)
        if page is None:
            return _OUTSIDE
        if help:
            page.lines.append(f"# HELP {name} " + help.replace("\\", "\\\\").replace("\n", "\\n"))
        page.lines.append(f"# TYPE {name} {type or 'gauge'}")
        page.declared = name
        return 1

    @function(REQUEST)
    def prometheus_push_stat(
        self, ctx: Context, value: int, label_name: str | None = None, label_value: str | None = None,
    ) -> int:
        """Give a value of the metric declared last. label_name with label_value is one label; alone it is all labels with
        their braces. 1; -2 when none was declared, or outside of the route of script_route."""
        page = self._page(ctx)
        if page is None:
            return _OUTSIDE
        if not page.declared:
            self.log.error("a value without a metric: prometheus_declare_stat() comes first")
            return _OUTSIDE
        labels = label_name or ""
        if label_name is not None and label_value is not None:
            labels = f'{{{label_name}="{_label_text(label_value)}"}}'
        page.lines.append(f"{page.declared}{labels} {value}")
        return 1


exports = Prometheus
