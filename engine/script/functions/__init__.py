"""The core's own functions, by topic."""

from __future__ import annotations

from typing import Final

from engine.module import Module
from engine.script.functions.blacklist import BlacklistFunctions
from engine.script.functions.branches import BranchFunctions
from engine.script.functions.cache import CacheFunctions
from engine.script.functions.flags import FlagFunctions
from engine.script.functions.forward import ForwardFunctions
from engine.script.functions.misc import EventFunctions, OutputFunctions, StatusFunctions
from engine.script.functions.uri import OldUriFunctions, UriFunctions
from engine.script.functions.via import ViaFunctions

CORE_MODULES: Final[tuple[type[Module], ...]] = (
    UriFunctions, OldUriFunctions, BranchFunctions, FlagFunctions, ViaFunctions, ForwardFunctions, BlacklistFunctions,
    CacheFunctions, EventFunctions, OutputFunctions, StatusFunctions,
)
"""What the registry loads under the name "core"."""
