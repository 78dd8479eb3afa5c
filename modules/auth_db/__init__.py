"""auth_db: users of digest authentication in a database table (subscriber), and which URIs they may use (uri).

    if (!www_authorize("", "subscriber")) { www_challenge("", "auth"); exit; }
    if (!db_is_to_authorized("uri")) { send_reply(403, "Forbidden"); exit; }

Manual: OpenSIPS 3.6, module auth_db. A query waits in its own run only.
"""

from modules.auth_db.module import AuthDb

exports = AuthDb
