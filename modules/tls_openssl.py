"""tls_openssl: the TLS library of tls_mgm is OpenSSL, which Python's ssl module brings along. Nothing else is needed."""

import ssl

from engine.module import Module


class TlsOpenssl(Module):
    """Says which OpenSSL it is."""

    def mod_init(self) -> None:
        self.log.info("TLS by %s", ssl.OPENSSL_VERSION)


exports = TlsOpenssl
