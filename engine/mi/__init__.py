"""The management interface: JSON-RPC, the dispatch of commands and the core's own commands.

CORE_MODULES are loaded by the registry with the rest of the core.
"""

from engine.mi.blacklist_commands import BlacklistCommands
from engine.mi.cache_commands import CacheCommands
from engine.mi.commands import ServerCommands
from engine.mi.event_commands import EventCommands
from engine.mi.statistics import StatisticsCommands
from engine.mi.status_commands import StatusCommands

CORE_MODULES = (
    ServerCommands, EventCommands, StatisticsCommands, BlacklistCommands, StatusCommands, CacheCommands,
)
