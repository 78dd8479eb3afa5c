"""The core's own events, in the order that gives them OpenSIPS' ids (management reference, section 4)."""

from __future__ import annotations

from typing import Final

from engine.events.bus import EventBus

E_CORE_SR_STATUS_CHANGED: Final = "E_CORE_SR_STATUS_CHANGED"
E_CORE_THRESHOLD: Final = "E_CORE_THRESHOLD"
E_CORE_SHM_THRESHOLD: Final = "E_CORE_SHM_THRESHOLD"
E_CORE_PKG_THRESHOLD: Final = "E_CORE_PKG_THRESHOLD"
E_CORE_PROC_AUTO_SCALE: Final = "E_CORE_PROC_AUTO_SCALE"
E_CORE_TCP_DISCONNECT: Final = "E_CORE_TCP_DISCONNECT"
E_CORE_LOG: Final = "E_CORE_LOG"

CORE_EVENTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (E_CORE_SR_STATUS_CHANGED, ("group", "identifier", "status", "details", "old_status")),
    (E_CORE_THRESHOLD, ("source", "time", "extra")),
    (E_CORE_SHM_THRESHOLD, ("usage", "threshold", "used", "size")),
    (E_CORE_PKG_THRESHOLD, ("usage", "threshold", "used", "size", "pid")),
    (E_CORE_PROC_AUTO_SCALE, ("group_type", "group_filter", "group_load", "scale", "process_id", "pid")),
    (E_CORE_TCP_DISCONNECT, ("src_ip", "src_port", "dst_ip", "dst_port", "proto")),
)
LOG_PARAMS: Final = ("time", "pid", "level", "module", "function", "prefix", "message", "format_message")


def define_core_events(bus: EventBus, compat: str = "3.6") -> None:
    """Register what exists before any module is loaded; 3.1 had no E_CORE_SR_STATUS_CHANGED."""
    for name, params in CORE_EVENTS:
        if name != E_CORE_SR_STATUS_CHANGED or compat != "3.1":
            bus.define(name, params)
