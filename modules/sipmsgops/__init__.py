"""sipmsgops: operations on SIP messages by their meaning: headers, methods, bodies, codecs, Request-URI parameters.

Manual: OpenSIPS 3.6, module sipmsgops. All changes to headers and body are recorded on the run (ctx.edits) and applied
when the message leaves; reading keeps seeing the message as it came.
"""

from engine.module import Module
from modules.sipmsgops.body import BodyFunctions
from modules.sipmsgops.codecs import CodecFunctions
from modules.sipmsgops.headers import HeaderFunctions
from modules.sipmsgops.lists import ListHeaderFunctions
from modules.sipmsgops.ruri import RuriFunctions
from modules.sipmsgops.validate import ValidateFunctions


class SipMsgOps(
    HeaderFunctions, ListHeaderFunctions, BodyFunctions, CodecFunctions, RuriFunctions, ValidateFunctions, Module,
):
    """The module; each topic is a class of its own."""


exports = SipMsgOps
