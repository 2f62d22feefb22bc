"""The file by which other commands find the stack that `make up` left running: addresses and keys, for its owner's eyes only."""

import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, TextIO

import aiohttp

from sandbox.azurite import Account
from sandbox.processes import ROOT
from sandbox.stack import Remote, Stack

FOLDER = ROOT / ".sandbox"
FILE = "stack.json"
SERVICES = ("identity", "graph", "servicenow", "app")


class NothingRuns(Exception):
    """No stack was left running from this checkout."""


@contextlib.contextmanager
def written(stack: Stack, folder: Path) -> Iterator[None]:
    """The file is there within the block, and gone afterwards unless another stack has taken its place."""
    document: dict[str, Any] = {
        "pid": os.getpid(),
        **{name: getattr(stack, name).url for name in SERVICES},
        "accounts": [
            {"name": account.name, "key": account.key, "endpoints": account.endpoints}
            for account in (stack.account, stack.journal_account)
        ],
        "settings": stack.settings,
        "webhookKey": stack.webhook_key,
        "functionKey": stack.function_key,
    }
    file = folder / FILE
    fresh = file.with_suffix(f".{os.getpid()}")
    with private(fresh) as writing:
        json.dump(document, writing, indent=2)
    fresh.replace(file)
    try:
        yield
    finally:
        with contextlib.suppress(NothingRuns):
            if _read(folder)["pid"] == os.getpid():
                file.unlink()


def private(path: Path) -> TextIO:
    """A new file that only its owner may read, open for writing; its folder too."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    return open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600))


@contextlib.asynccontextmanager
async def attached(folder: Path) -> AsyncIterator[Stack]:
    """The stack that runs, to speak to; it is not ended here. `NothingRuns`."""
    document = _read(folder)
    async with aiohttp.ClientSession() as session:
        remotes = {name: Remote(session, document[name]) for name in SERVICES}
        key = document["functionKey"]
        accounts = [Account(**account) for account in document["accounts"]]
        stack = Stack(
            account=accounts[0],
            journal_account=accounts[1],
            identity=remotes["identity"],
            graph=remotes["graph"],
            servicenow=remotes["servicenow"],
            settings=document["settings"],
            webhook_key=document["webhookKey"],
            function_key=key,
            session=session,
        )
        stack.app = Remote(session, document["app"], **{"x-functions-key": key})
        yield stack


def _read(folder: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        os.kill(document["pid"], 0)  # asks only whether it is there
    except (FileNotFoundError, ProcessLookupError):
        raise NothingRuns("nothing runs here: start it with `make up`, and leave it running") from None
    return document
