"""gflags: flags of the whole server, from the script and over MI."""

from __future__ import annotations

import pytest

from engine.errors import ConfigErrors, MiError
from tests.helpers import Harness, make_request
from tests.modules.small_parts import script, show

BODY = f'if (is_gflag(3)) {show("set")} else {show("clear")} set_gflag(3); if ($cs == "2") reset_gflag(0);'


def test_flags_stay_and_are_reached_by_mi() -> None:
    with Harness(script("gflags", BODY, {"gflags.initial": 1})) as server:
        server.send(make_request(cseq=1))
        assert server.mi("get_gflags") == {"hex": "0x9", "dec": "9"}
        assert server.mi("is_gflag", ["9"]) is True
        assert server.mi("is_gflag", {"bitmask": "0x2"}) is False
        server.send(make_request(cseq=2, call_id="two"))
        assert server.mi("get_gflags") == {"hex": "0x8", "dec": "8"}
        assert server.mi("reset_gflag", ["0x8"]) == "OK"
        assert server.mi("set_gflag", ["0x80000000"]) == "OK"
        assert server.mi("get_gflags")["dec"] == "2147483648"
        assert [line.strip() for line in server.xlog()] == ["clear", "set"]
        for bad in ("", "x", "0", "0x100000000", "-1"):
            with pytest.raises(MiError, match="Bad parameter value"):
                server.mi("set_gflag", [bad])


def test_a_flag_beyond_the_map_is_refused_at_load() -> None:
    with pytest.raises(ConfigErrors, match="out of range"):
        Harness(script("gflags", "set_gflag(32);"))
