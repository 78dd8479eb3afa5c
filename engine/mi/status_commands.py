"""Core MI commands about status reports: sr_get_status, sr_list_status, sr_list_reports, sr_list_identifiers."""

from __future__ import annotations

from typing import Any

from engine.errors import MiError
from engine.mi.commands import clock_text
from engine.module import Module, mi_command
from engine.status import ALL, MAIN, Identifier


def _status(found: Identifier) -> dict[str, Any]:
    shown: dict[str, Any] = {"Readiness": found.status >= 0, "Status": found.status}
    if found.details:
        shown["Details"] = found.details
    return shown


def _reports(found: Identifier) -> list[dict[str, Any]]:
    return [{"Timestamp": one.time, "Date": clock_text(one.time), "Log": one.text} for one in found.reports]


class StatusCommands(Module):
    """The commands."""

    server: Any

    def _group(self, group: str) -> dict[str, Identifier]:
        found: dict[str, Identifier] | None = self.server.status_reports.groups.get(group)
        if found is None:
            raise MiError(404, "Group not found")
        return found

    @mi_command("sr_get_status", help="shows the status of an identifier (default main) of a group; all: of the whole group")
    def sr_get_status(self, group: str, identifier: str = MAIN) -> dict[str, Any]:
        """Readiness, Status, Details."""
        known = self._group(group)
        if identifier.lower() == ALL:
            status = self.server.status_reports.check(group, ALL)
            return {"Readiness": status >= 0, "Status": status, "Details": "aggregated"}
        if identifier not in known:
            raise MiError(404, "Identity not found")
        return _status(known[identifier])

    @mi_command("sr_list_status", help="lists the status of all identifiers, or of those of a group")
    def sr_list_status(self, group: str | None = None) -> list[dict[str, Any]]:
        """By group, or for one of them."""
        if group is not None:
            return [{"Name": name, **_status(found)} for name, found in self._group(group).items()]
        return [
            {"Name": name, "Identifiers": [{"Name": one, **_status(found)} for one, found in known.items()]}
            for name, known in self.server.status_reports.groups.items()
        ]

    @mi_command("sr_list_reports", help="lists what identifiers reported lately")
    def sr_list_reports(self, group: str | None = None, identifier: str | None = None) -> list[dict[str, Any]]:
        """By group and identifier, or for one group, or for one identifier."""
        if group is None:
            return [
                {"Name": name, "Identifiers": [{"Name": one, "Reports": _reports(found)} for one, found in known.items()]}
                for name, known in self.server.status_reports.groups.items()
            ]
        known = self._group(group)
        if identifier is None:
            return [{"Name": one, "Reports": _reports(found)} for one, found in known.items()]
        if identifier not in known:
            raise MiError(404, "Identifier not found")
        return _reports(known[identifier])

    @mi_command("sr_list_identifiers", help="lists the identifiers of all groups, or of one")
    def sr_list_identifiers(self, group: str | None = None) -> Any:
        """Group and Identifiers."""
        if group is not None:
            return {"Group": group, "Identifiers": list(self._group(group))}
        return [{"Group": name, "Identifiers": list(known)} for name, known in self.server.status_reports.groups.items()]
