"""auth: digest authentication (RFC 3261 22, RFC 7616, RFC 8760).

    if (!www_authorize("", "subscriber")) { www_challenge("", "auth"); exit; }

Manual: OpenSIPS 3.6, module auth. Modules with user accounts use what api.py describes.
"""

from modules.auth.module import AuthModule

exports = AuthModule
