"""engine.server.options."""

import pytest

from engine.script.settings import Settings
from engine.server.options import USAGE, UsageError, parse


def test_what_units_and_images_use() -> None:
    options = parse("-F -E -f /etc/x.cfg -P /run/x.pid -G /run/g.pid -m 256 -M 8 -u sip -g sip -n 4 -N 2 -w /var -o A=b=c -o D -p m4".split())
    assert (options.foreground, options.stderror, options.cfg) == (True, True, "/etc/x.cfg")
    assert (options.pid_file, options.pgid_file, options.user, options.group) == ("/run/x.pid", "/run/g.pid", "sip", "sip")
    assert (options.workdir, options.values, options.preprocessor) == ("/var", {"A": "b=c", "D": ""}, "m4")
    assert len(options.no_effect) == 4


def test_check_and_our_own() -> None:
    assert parse(["-c"]).check == "c"
    assert parse(["-C", "-c"]).check == "C"
    assert parse(["-C", "--json"]).json
    assert parse(["--show-python", "--compat", "3.1"]).compat == "3.1"
    assert parse(["-V"]).version
    assert parse(["-h"]).help
    assert parse(["-dd", "-d"]).verbosity == 3


@pytest.mark.parametrize(("words", "text"), [
    (["-Q"], "Unknown option `-Q`."), (["--nothing"], "Unknown option `--nothing`."), (["-f"], "Option `-f` requires an argument."),
    (["-n", "many"], "bad UDP workers number: -n many"), (["-b", "x"], "bad max buffer size number: -b x"),
    (["-l", "udp:1.2.3.4:x"], "bad -l address specifier"), (["-l", "udp:"], "bad -l address specifier"),
    (["--compat", "4.0"], "unknown release 4.0"), (["-o", "=x"], "cannot add option"), (["start"], "Unknown argument `start`."),
])
def test_mistakes(words: list[str], text: str) -> None:
    with pytest.raises(UsageError, match=text.replace(".", r"\.").replace("`", "`")):
        parse(words)


def test_options_go_over_the_script() -> None:
    settings = Settings(log_level=2)
    options = parse("-l tcp:127.0.0.1:5070 -l [::1] -A adv.example.com -b 1000000 -v -d -F".split())
    options.apply(settings)
    assert [(spec.proto, spec.host, spec.port_list) for spec in settings.sockets] == [("tcp", "127.0.0.1", [5070]), ("udp", "::1", [])]
    assert (settings.advertised_address, settings.maxbuffer, settings.check_via, settings.log_level) == (
        "adv.example.com", 1000000, True, 3)
    assert not settings.syslog_enabled


def test_debug_and_daemon() -> None:
    settings = Settings()
    parse(["-D"]).apply(settings)
    assert (settings.log_level, settings.stderror_enabled, settings.debug_mode) == (4, True, True)
    settings = Settings()
    parse([]).apply(settings)
    assert settings.syslog_enabled
    settings = Settings(explicit={"syslog_enabled"})
    parse([]).apply(settings)
    assert not settings.syslog_enabled


def test_every_short_option_is_explained() -> None:
    for letter in "fcCmMblnNrRvdDFEVhwtugpPGWoaksAe":
        assert f"-{letter}" in USAGE, letter
