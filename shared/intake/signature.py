"""Standard Webhooks 1.0.0, symmetric signatures (`v1`): is this delivery from someone who holds one of our keys?

Source: the Standard Webhooks specification, sections "Signature scheme" and "Verifying webhook authenticity". Stricter than its
reference libraries where they let two readings through: one grammar per header, one spelling per number, no `.` in an id.
"""

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.intake.fields import TOLERANCE

MAX_BODY = 64 * 1024

_KEY_PREFIX = "whsec_"
_KEY_BYTES = 24

# The signed text is `id.timestamp.body`: a `.` in the id would let its parts be cut elsewhere.
_ID = re.compile(r"[A-Za-z0-9_-]{1,256}")
_TIMESTAMP = re.compile(r"0|[1-9][0-9]{0,11}")
# 32 bytes in base64: the last of 43 digits carries four bits, so that only sixteen digits are canonical there.
_OURS = r"v1,[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="
_OTHERS = r"(?!v1,)[A-Za-z0-9]{1,16},[A-Za-z0-9+/=_-]{1,512}"
_SIGNATURES = re.compile(rf"(?:{_OURS}|{_OTHERS})(?: (?:{_OURS}|{_OTHERS})){{0,7}}")


class TooLarge(Exception):
    """The body is larger than anything we would read."""


class NotAuthentic(Exception):
    """The delivery does not prove that it comes from a holder of a key. The caller learns no more than that.

    `why` is for our log: one of a few constant words, never anything that was sent.
    """

    def __init__(self, why: str) -> None:
        super().__init__("not authentic")
        self.why = why


def check_size(body: bytes) -> None:
    """The body is small enough to be hashed, at most `MAX_BODY` bytes; else `TooLarge`."""
    if len(body) > MAX_BODY:
        raise TooLarge


def parse_key(text: str) -> bytes:
    """The bytes of a `whsec_` key: strict base64 of at least 24 bytes. `ValueError` never repeats the key."""
    encoded = text.removeprefix(_KEY_PREFIX)
    try:
        key = base64.b64decode(encoded, validate=True)
    except ValueError:
        key = b""
    if encoded == text or len(key) < _KEY_BYTES or base64.b64encode(key).decode() != encoded:
        raise ValueError(f"must be {_KEY_PREFIX} and the base64 of at least {_KEY_BYTES} bytes, each key")
    return key


def verify(headers: Mapping[str, object], body: bytes, keys: Sequence[bytes], now: datetime) -> str:
    """The `webhook-id` of a delivery that was signed with one of `keys` within 300 s of `now`; else `NotAuthentic`.

    Header names count in any case, each must be there once. Without keys, or with one that is too short to be a secret, nothing
    is authentic. Every key is compared with every signature, whatever the outcome.
    """
    if not keys or min(map(len, keys)) < _KEY_BYTES:
        raise NotAuthentic("no-keys")
    webhook_id = _header(headers, "webhook-id", _ID)
    timestamp = _header(headers, "webhook-timestamp", _TIMESTAMP)
    signatures = [s.encode() for s in _header(headers, "webhook-signature", _SIGNATURES).split(" ")]
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        raise NotAuthentic("stale")
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    expected = [b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256")) for key in keys]
    if not any([hmac.compare_digest(e, s) for e in expected for s in signatures]):  # noqa: C419  a list, so that all are compared
        raise NotAuthentic("no-match")
    return webhook_id


def _header(headers: Mapping[str, object], name: str, grammar: re.Pattern[str]) -> str:
    values = [value for key, value in headers.items() if str(key).lower() == name]
    match values:
        case [str(value)] if grammar.fullmatch(value):
            return value
        case _:
            raise NotAuthentic(name)
