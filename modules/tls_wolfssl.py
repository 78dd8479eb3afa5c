"""tls_wolfssl: accepted so that scripts which load it start. TLS is OpenSSL's here too: ciphers_list has to be in its words."""

import ssl

from engine.module import Module


class TlsWolfssl(Module):
    """Says that it is not wolfSSL."""

    def mod_init(self) -> None:
        self.log.notice("there is no wolfSSL here, TLS is done by %s; everything in tls_mgm works the same", ssl.OPENSSL_VERSION)


exports = TlsWolfssl
