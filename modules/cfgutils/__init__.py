"""cfgutils: random decisions, sleeping, locks, shared variables, time recurrences and other things scripts like to have.

Manual: OpenSIPS 3.6, module cfgutils.
"""

from engine.errors import ConfigError
from engine.module import Module, modparam
from modules.cfgutils.counting import Counting
from modules.cfgutils.debugging import Debugging
from modules.cfgutils.locks import Locks
from modules.cfgutils.random import Chance
from modules.cfgutils.timing import Timing
from modules.cfgutils.variables import Variables


class CfgUtils(Chance, Timing, Locks, Counting, Debugging, Variables, Module):
    """The module; each topic is a class of its own."""

    shv_hash_size = modparam(int, 64, help="slots for shared variables", effect="a dictionary grows as it must")
    lock_pool_size = modparam(int, 32, min=1, help="number of dynamic locks", effect="every key has a lock of its own")

    def mod_init(self) -> None:
        if self.lock_pool_size & (self.lock_pool_size - 1):
            raise ConfigError("cfgutils: lock_pool_size must be a power of 2")
        self.init_chance()
        self.init_locks()
        self.init_variables()
        self.init_hash()


exports = CfgUtils
