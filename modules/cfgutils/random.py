"""Decisions by chance: rand_event() and its probability, $RANDOM."""

from __future__ import annotations

import random
from typing import Any

from engine.errors import MiError
from engine.module import ALL_ROUTES, Context, function, mi_command, modparam, pvar


class Chance:
    """Mixed into the module."""

    initial_probability = modparam(int, 10, min=0, max=100, help="percent of rand_event() that are true")

    def init_chance(self) -> None:
        """At mod_init."""
        self._random = random.Random()
        self._probability: int = self.initial_probability

    @function(ALL_ROUTES)
    def rand_event(self, ctx: Context, probability: int | None = None) -> bool:
        """True by chance, in so many percent of the calls."""
        return self._random.random() * 100 < (self._probability if probability is None else probability)

    @function(ALL_ROUTES)
    def rand_set_prob(self, ctx: Context, probability: int) -> int:
        """Set the probability in percent. 1."""
        self._probability = probability
        return 1

    @function(ALL_ROUTES)
    def rand_reset_prob(self, ctx: Context) -> int:
        """Back to initial_probability. 1."""
        self._probability = self.initial_probability
        return 1

    @function(ALL_ROUTES)
    def rand_get_prob(self, ctx: Context) -> int:
        """The probability is the return code (so 0 ends the script, as in OpenSIPS)."""
        return self._probability

    @pvar("RANDOM")
    def random_number(self, ctx: Context) -> int:
        """A number from 0 to 2^31 - 1."""
        return self._random.getrandbits(31)

    @mi_command("rand_set_prob", help="sets the probability of rand_event() in percent")
    def mi_set_prob(self, prob_proc: int) -> None:
        """400 above 100."""
        if not 0 <= prob_proc <= 100:
            raise MiError(400, "Bad parameter value")
        self._probability = prob_proc

    @mi_command("rand_reset_prob", help="sets the probability of rand_event() back to its initial value")
    def mi_reset_prob(self) -> None:
        """initial_probability."""
        self._probability = self.initial_probability

    @mi_command("rand_get_prob", help="shows the probability of rand_event()")
    def mi_get_prob(self) -> dict[str, Any]:
        """In percent."""
        return {"actual probability percent": self._probability}
