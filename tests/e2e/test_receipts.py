"""A reset leaves a receipt that holds; whoever tampers with it in storage is found, by the hash that stands on the ticket."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.storage.blob.aio import BlobClient

from sandbox.stack import Stack
from tests.e2e.story import Another, Case, case
from tests.e2e.test_operator import Operator

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def done(another: Another) -> AsyncIterator[Case]:
    """A reset on a stack of this file's own: its storage is tampered with."""
    async with another() as stack:
        reset = await case(stack)
        assert (await reset.ended())["outcome"] == "done"
        yield reset


def blob(stack: Stack, request_id: str) -> BlobClient:
    connection = stack.settings[stack.settings.get("JOURNAL_CONNECTION", "AzureWebJobsStorage")]
    return BlobClient.from_connection_string(connection, "reregister-receipts", f"{request_id}.jsonl")


async def read(done: Case) -> bytes:
    async with blob(done.stack, done.id) as client:
        return await (await client.download_blob()).readall()


async def put(done: Case, receipt: bytes) -> None:
    """By somebody who may do anything with our storage: the blob is another one."""
    async with blob(done.stack, done.id) as client:
        await client.delete_blob()
        await client.create_append_blob()
        if receipt:
            await client.append_block(receipt)


async def verified(done: Case, folder: Path, *words: str, status: int = 0) -> dict[str, Any]:
    (one,) = (await Operator(done.stack, folder).asks("verify", done.id, *words, status=status))["receipts"]
    assert isinstance(one, dict)
    return one


async def test_a_reset_leaves_a_receipt_that_holds_and_whoever_tampers_with_it_is_found(done: Case, tmp_path: Path) -> None:
    status = await done.status()
    (result,) = await done.results()
    (note,) = await done.notes("outcome")
    told = status["receipt"]["hash"]
    assert result["data"]["receipt"] == status["receipt"]
    assert note.splitlines()[-1] == f"Receipt: {told}"

    one = await verified(done, tmp_path, "--anchor", told)
    assert (one["holds"], [said["from"] for said in one["anchors"]]) == (True, ["given", "ticket", "journal"])
    whole = await read(done)
    lines = whole.splitlines(keepends=True)
    try:
        await put(done, whole.replace(b'"status":204', b'"status":404', 1))
        edited = await verified(done, tmp_path, status=1)
        await put(done, b"".join(lines[:-4]))
        truncated = await verified(done, tmp_path, status=1)
        await put(done, b"")
        emptied = await verified(done, tmp_path, status=1)
    finally:
        await put(done, whole)
    assert [found["fault"] for found in edited["findings"]] == ["edited"]
    assert {found["fault"] for found in truncated["findings"]} == {"truncated"}
    assert {found["fault"] for found in emptied["findings"]} == {"missing", "truncated"}
    assert (await verified(done, tmp_path))["holds"] is True


async def test_what_is_on_record_names_nobody_and_can_be_checked_by_hand(done: Case, tmp_path: Path) -> None:
    whole = await read(done)
    user, _, domain = done.person.partition("@")
    assert [word for word in (user, domain, "2065550199", "handset") if word.encode() in whole] == []
    page = (Path(__file__).resolve().parents[2] / "docs" / "receipts.md").read_text("utf-8")
    script = page.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "receipt.jsonl").write_bytes(whole)
    told = (await done.status())["receipt"]["hash"]
    ran = subprocess.run(["python3", "-c", script, tmp_path / "receipt.jsonl", told], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
