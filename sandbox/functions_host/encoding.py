"""Message text on a storage queue and the bytes it stands for (`extensions.queues.messageEncoding`)."""

import base64
import binascii
import json
from typing import Literal

from sandbox.functions_host.protos import TypedData

type Encoding = Literal["base64", "none"]


def encode(body: bytes, encoding: Encoding) -> str:
    return base64.b64encode(body).decode() if encoding == "base64" else body.decode()


def decode(text: str, encoding: Encoding) -> bytes | None:
    """The bytes of a message; None when it is not in the encoding that the host expects (blanks are allowed, as in .NET)."""
    if encoding == "none":
        return text.encode()
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        return None


def messages(output: TypedData) -> list[bytes]:
    """What a function put into a queue output: one message, or one per item of a list. A `QueueMessage` counts as its body."""
    match output.kind:
        case "string":
            return [output.value.encode()]
        case "bytes":
            return [output.value]
        case "json":
            value = json.loads(output.value)
            items = value if isinstance(value, list) else [value]
            return [(item["body"] if isinstance(item, dict) else str(item)).encode() for item in items]
        case kind:
            raise TypeError(f"a queue output cannot hold {kind}")
