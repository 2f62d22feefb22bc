"""What the app asks of storage, counted in Azurite's access log (the "common" log format, one line for each request).

The two accounts tell journal and queues apart. Not counted: what the host itself asks (polling, deleting, renewing messages) and
what the bench asks. The app's timers must be out of service meanwhile: what they read has no mark of its own.
"""

import re
from collections import Counter
from collections.abc import Iterable

from sandbox.bench.lines import Lines
from sandbox.stack import Stack

REQUEST = re.compile(r'"(GET|HEAD|POST|PUT|DELETE|MERGE|PATCH) (\S+) HTTP/[\d.]+" \d+')
RECEIPT = re.compile(r"/[^/]+/reregister-receipts")


def kind(line: str, journal: str, queues: str) -> str | None:
    """What the app asked, in words; None for a request that is not counted."""
    if not (found := REQUEST.search(line)):
        return None
    method, path = found[1], found[2]
    if path.startswith(f"/{journal}/") and RECEIPT.match(path):
        return {"PUT": "receipt appends" if "comp=appendblock" in path else "receipts made"}.get(method, "receipt reads")
    if path.startswith(f"/{journal}/reregistercontrol(") and method == "GET":
        return "switch reads"
    if path.startswith(f"/{journal}/"):
        if method == "POST" and "$batch" in path:
            return "table transactions"
        if method == "GET":
            return "table reads"
        return f"table {method}"
    if method == "POST" and path.startswith(f"/{queues}/") and "/messages" in path:
        return f"messages put on {path.split('/')[2]}"
    return None


def count(lines: Iterable[str], stack: Stack) -> Counter[str]:
    kinds = (kind(line, stack.journal_account.name, stack.account.name) for line in lines)
    return Counter(one for one in kinds if one)


async def all_logged(stack: Stack, log: Lines) -> None:
    """Returns when everything that was asked before is in the log: a request of our own has come through behind it."""
    mark = log.mark()
    async with stack.queue("mfa-results") as queue:
        await queue.get_queue_properties()
    await log.wait(r"GET /\w+/mfa-results\?comp=metadata", mark)
