"""Database URLs."""

from __future__ import annotations

import pytest

from engine.db.url import parse_db_url
from engine.errors import ConfigError


@pytest.mark.parametrize("text, path", [
    ("sqlite:///var/x.sqlite", "/var/x.sqlite"), ("sqlite://var/x.sqlite", "/var/x.sqlite"), ("sqlite:////x", "/x"),
])
def test_files(text: str, path: str) -> None:
    assert (parse_db_url(text).scheme, parse_db_url(text).path) == ("sqlite", path)


def test_servers() -> None:
    url = parse_db_url("mysql://us%40er:p%3Ass@db.example.com:3307/opensips?tls=on&x=%20")
    assert (url.scheme, url.user, url.password, url.host, url.port, url.database, url.params) == (
        "mysql", "us@er", "p:ss", "db.example.com", 3307, "opensips", {"tls": "on", "x": " "},
    )
    url = parse_db_url("postgres://[2001:db8::1]/x")
    assert (url.host, url.port, url.database, url.user) == ("[2001:db8::1]", 0, "x", "")


def test_the_password_is_not_shown() -> None:
    assert str(parse_db_url("mysql://u:secret@h/d")) == "mysql://u:***@h/d"


@pytest.mark.parametrize("text", ["", "x", "sqlite", "sqlite:x", "://h/d", "mysql://h:port/d", "mysql://h:70000/d"])
def test_bad_urls(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_db_url(text)
