"""uac_auth: the credentials this server proves itself with when others challenge it.

    modparam("uac_auth", "credential", "alice:example.com:secret")

Manual: OpenSIPS 3.6, module uac_auth. Other modules use what api.py describes.
"""

from modules.uac_auth.module import UacAuthModule

exports = UacAuthModule
