"""The table of global parameters and the settings that come out of it."""

import dataclasses

import pytest

from engine.errors import ConfigErrors, UnknownName
from engine.script.globals import PARAMETERS, REMOVED, resolve_globals
from engine.script.parser import parse_text
from engine.script.settings import Settings


def settings(text: str, version: str = "3.6") -> Settings:
    return resolve_globals(parse_text(text + "\nroute { exit; }"), version)


def error(text: str) -> str:
    with pytest.raises(ConfigErrors) as caught:
        settings(text)
    return str(caught.value.errors[0])


def test_every_parameter_has_its_setting() -> None:
    lists = {"socket": "sockets", "alias": "aliases", "dst_blacklist": "dst_blacklists",
             "auto_scaling_profile": "auto_scaling_profiles", "mem-group": "mem_groups"}
    fields = {field.name for field in dataclasses.fields(Settings)}
    for name, entry in PARAMETERS.items():
        canonical = entry.canonical or name
        assert lists.get(canonical, canonical) in fields
        assert canonical in PARAMETERS
    assert not REMOVED.keys() & PARAMETERS.keys()


def test_types_and_last_one_wins() -> None:
    found = settings('log_level=4 log_level = -1\ncheck_via=yes server_header="Server: x" tos=IPTOS_RELIABILITY '
                     'poll_method="select" chroot=tmp mpath="/a" mpath="/b" advertised_address=my.host.org udp_workers=0x10')
    assert (found.log_level, found.check_via, found.server_header, found.tos) == (-1, True, "Server: x", "IPTOS_RELIABILITY")
    assert (found.poll_method, found.chroot, found.mpath) == ("select", "tmp", ["/a", "/b"])
    assert found.advertised_address == "my.host.org"
    assert found.udp_workers == 16
    assert "log_level" in found.explicit and "xlog_level" not in found.explicit


def test_defaults_of_older_releases() -> None:
    assert (settings("").max_while_loops, settings("").xlog_print_level) == (10000, 2)
    assert (settings("", "3.1").max_while_loops, settings("", "3.1").xlog_print_level) == (100, -1)
    assert settings("max_while_loops=7", "3.1").max_while_loops == 7


def test_deprecated_spellings_work_with_a_warning() -> None:
    found = settings('log_stderror=no log_facility=LOG_LOCAL0 log_name="x" listen=udp:1.2.3.4 execmsgthreshold=5')
    assert (found.stderror_enabled, found.syslog_enabled) == (False, True)
    assert (found.syslog_facility, found.syslog_name) == ("LOG_LOCAL0", "x")
    assert (len(found.sockets), found.exec_msg_threshold) == (1, 5)
    messages = [warning.message for warning in found.warnings]
    assert len(messages) == 4
    assert "'log_facility' is deprecated, use 'syslog_facility' instead" in messages


def test_what_has_no_effect_is_told() -> None:
    warnings = settings("shm_memlog_size=5").warnings
    assert [(warning.level, "no effect" in warning.message) for warning in warnings] == [("info", True)]


def test_debug_mode_sets_the_log() -> None:
    found = settings("debug_mode=yes log_level=1 syslog_enabled=yes")
    assert (found.log_level, found.stderror_enabled, found.syslog_enabled) == (4, True, False)


@pytest.mark.parametrize(("text", "said"), [
    ("udp_wrkers=4", "did you mean udp_workers"), ("children=4", "use udp_workers"), ("fork=yes", "debug_mode"),
    ("debug=3", "log_level"),
    ('check_via="yes"', "expects yes or no"), ("server_header=abc", 'write "abc"'), ("maxbuffer=-5", "at least 0"),
    ("event_shm_threshold=150", "at most 100"), ("tos=IPTOS_LOWDLAY", "did you mean IPTOS_LOWDELAY"),
    ('stderror_log_format="xml"', "unknown value"),
    ("db_default_url=5", "expects a string"), ("log_facility=LOCAL0", "LOG_LOCAL0"),
])
def test_errors(text: str, said: str) -> None:
    assert said in error(text)


def test_unknown_names_have_their_own_class() -> None:
    with pytest.raises(ConfigErrors) as caught:
        settings("nonsense=5")
    assert isinstance(caught.value.errors[0], UnknownName)
