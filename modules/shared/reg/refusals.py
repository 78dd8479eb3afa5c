"""Why a REGISTER is refused: status and the text of P-Registrar-Error for each reason (manual of registrar)."""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """One reason."""

    status: int
    text: str


class Refused(Exception):
    """Ends the handling of a REGISTER; the answer is made from the refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


DELETE_RECORD = Refusal(500, "usrloc_record_delete failed")
GET_RECORD = Refusal(500, "usrloc_record_get failed")
INSERT_CONTACT = Refusal(500, "usrloc_contact_insert failed")
UPDATE_CONTACT = Refusal(500, "usrloc_contact_update failed")
DELETE_CONTACT = Refusal(500, "usrloc_contact_delete failed")
INTERNAL = Refusal(500, "Server Internal Error")
AOR_LENGTH = Refusal(500, "Address Of Record too long")
BAD_CSEQ = Refusal(400, "Invalid CSeq number")
BAD_Q = Refusal(400, "Invalid q param in contact")
BAD_MESSAGE = Refusal(400, "Message parse error")
NO_TO = Refusal(400, "To header not found")
NO_CALL_ID = Refusal(400, "Call-ID header not found")
NO_CSEQ = Refusal(400, "CSeq header not found")
BAD_EXPIRES = Refusal(400, "Expires parse error")
BAD_CONTACT = Refusal(400, "Contact parse error")
STAR_EXPIRES = Refusal(400, "* used in contact and expires is not zero")
STAR_ALONE = Refusal(400, "* used in contact and more than 1 contact")
BAD_AOR = Refusal(400, "Error while parsing AOR")
BAD_ESCAPE = Refusal(400, "Error while unescaping username")
CONTACT_LENGTH = Refusal(400, "Contact/received too long")
CALL_ID_LENGTH = Refusal(400, "Callid too long")
BAD_PATH = Refusal(400, "Path parse error")
PATH_UNSUPPORTED = Refusal(420, "No support for found Path indicated")
TOO_BRIEF = Refusal(423, "Registration interval too short for push notification")
NOT_IMPLEMENTED = Refusal(501, "Method Not Implemented")
TOO_MANY = Refusal(503, "Too many registered contacts")
PUSH_UNSUPPORTED = Refusal(555, "Push Notification Service Not Supported")
