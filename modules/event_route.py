"""event_route: event routes are part of the core (since 3.6); loading this module does no harm and says so."""

from engine.module import Module


class EventRoute(Module):
    """Nothing is left to do here."""


exports = EventRoute
