"""engine.transport.tls: two sessions talk in memory."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.transport.tls import TlsDomain, TlsError, TlsSession, hello_context
from modules.tls_mgm.domains import Domain
from tests.engine.transport.certificates import Authority


class Pair:
    """A client's domain and two server domains of one authority."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.client = Domain("client", False, ca_list=str(self.authority.ca))
        self.servers: dict[str | None, TlsDomain] = {}
        for name in ("one", "two"):
            certificate, key = self.authority.issue(name, hosts=(f"{name}.example.com",))
            domain = Domain(name, True, certificate=certificate, private_key=key, verify_cert=False)
            domain.build()
            self.servers[f"{name}.example.com"] = domain
        self.client.build()

    def connect(self, name: str, step: int = 0) -> tuple[TlsSession, TlsSession]:
        """A connection after its handshake; step: the client's bytes come in pieces of that size."""
        calling = TlsSession.client(self.client, name)
        called = TlsSession.server(self.servers.get, hello_context())
        calling.start()
        for _ in range(10):
            data = calling.output()
            for position in range(0, len(data), step or len(data) or 1):
                called.decrypt(data[position:position + (step or len(data))])
            answer = called.output()
            if answer:
                calling.decrypt(answer)
            if calling.ready and called.ready:
                break
        return calling, called


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("step", [0, 1, 7, 100])
@pytest.mark.parametrize("name", ["one", "two"])
def test_the_name_decides_however_the_hello_is_cut(pair: Pair, name: str, step: int) -> None:
    calling, called = pair.connect(f"{name}.example.com", step)
    assert calling.ready
    assert called.ready
    assert called.domain is not None
    assert (called.domain.name, called.wanted) == (name, f"{name}.example.com")
    assert called.decrypt(calling.encrypt(b"hello")) == b"hello"
    assert calling.decrypt(called.encrypt(b"x" * 100000)) == b"x" * 100000
    assert calling.is_verified
    assert not called.is_verified


def test_unknown_name_gets_an_alert(pair: Pair) -> None:
    calling = TlsSession.client(pair.client, "three.example.com")
    called = TlsSession.server(pair.servers.get, hello_context())
    calling.start()
    with pytest.raises(TlsError, match="no TLS domain for three"):
        called.decrypt(calling.output())
    with pytest.raises(TlsError, match="unrecognized name"):
        calling.decrypt(called.output())


def test_goodbye(pair: Pair) -> None:
    calling, called = pair.connect("one.example.com")
    called.decrypt(calling.farewell())
    assert called.closed


@pytest.mark.parametrize("domain, wanted, good", [
    (True, "one.example.com", True), (True, "two.example.com", False), (True, None, True), (False, "two.example.com", True),
])
def test_the_certificate_must_be_for_the_domain(pair: Pair, domain: bool, wanted: str | None, good: bool) -> None:
    strict = Domain("strict", False, ca_list=str(pair.authority.ca), verify_domain=domain)
    strict.build()
    calling = TlsSession.client(strict, wanted)
    called = TlsSession.server(lambda _name: pair.servers["one.example.com"], None)
    calling.start()
    called.decrypt(calling.output())
    if good:
        calling.decrypt(called.output())
        assert calling.ready
    else:
        with pytest.raises(TlsError, match="is not for two"):
            calling.decrypt(called.output())


def test_no_domain() -> None:
    with pytest.raises(TlsError, match="no TLS domain"):
        TlsSession.server(lambda _name: None, None)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(min_size=1, max_size=400), hello=st.booleans())
def test_any_bytes(pair: Pair, data: bytes, hello: bool) -> None:
    one = pair.servers["one.example.com"]
    session = TlsSession.server(lambda _name: one, hello_context() if hello else None)
    try:
        assert session.decrypt(data) == b""
    except TlsError:
        pass
    assert not session.ready
    session.output()
    session.farewell()


@pytest.mark.parametrize("name", [".example.com", "a\0b", "x" * 300, "a..b"])
def test_names_nobody_can_ask_for(pair: Pair, name: str) -> None:
    try:
        session = TlsSession.client(pair.client, name)
        session.start()
    except TlsError:
        pass


def test_an_endless_hello_ends(pair: Pair) -> None:
    session = TlsSession.server(pair.servers.get, hello_context())
    record = b"\x16\x03\x01\x40\x00" + b"\x01\x01\xff\xff\x03\x03" + bytes(16378)
    rest = b"\x16\x03\x01\x40\x00" + bytes(16384)
    with pytest.raises(TlsError):
        session.decrypt(record)
        for _ in range(8):
            session.decrypt(rest)


def test_old_versions_only_by_name(tmp_path: Path) -> None:
    domain = Domain("c", False, method=(1, 3))
    domain.build()
    assert domain.context.maximum_version is ssl.TLSVersion.TLSv1_3
