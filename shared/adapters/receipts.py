"""Receipts in append blobs: `<request id>.jsonl` in one container, which is made on first use where infrastructure has not.

Nothing is overwritten, changed or deleted: it works under a time-based immutability policy that allows protected append writes.
Source: Azure Storage, "Time-based retention policies for immutable blob data"; REST reference, "Append Block".
"""

import contextlib
from collections.abc import AsyncIterator

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import StorageErrorCode
from azure.storage.blob.aio import ContainerClient

from shared.adapters.storage import answering
from shared.model import WaitingFor
from shared.ports import Conflict, Unavailable

CONTAINER = "reregister-receipts"
_SUFFIX = ".jsonl"


class BlobReceipts:
    def __init__(self, client: ContainerClient) -> None:
        self._client = client

    async def read(self, request_id: str) -> bytes:
        async with _answering():
            try:
                download = await self._client.download_blob(_name(request_id))
                return await download.readall()
            except ResourceNotFoundError as error:
                if not _is(error, StorageErrorCode.BLOB_NOT_FOUND, StorageErrorCode.CONTAINER_NOT_FOUND):
                    raise  # it is not storage that says so
                return b""

    async def append(self, request_id: str, data: bytes, at: int) -> None:
        blob = self._client.get_blob_client(_name(request_id))
        async with _answering():
            if at == 0:
                await self._make(request_id)
            try:
                await blob.append_block(data, length=len(data), appendpos_condition=at)
            except HttpResponseError as error:
                if _is(error, StorageErrorCode.APPEND_POSITION_CONDITION_NOT_MET, StorageErrorCode.BLOB_NOT_FOUND):
                    raise Conflict from error
                raise

    async def listed(self) -> tuple[str, ...]:
        async with _answering():
            try:
                names = [name async for name in self._client.list_blob_names()]
            except ResourceNotFoundError as error:
                if not _is(error, StorageErrorCode.CONTAINER_NOT_FOUND):
                    raise
                return ()
        return tuple(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))

    async def ping(self) -> None:
        async with _answering():
            try:
                await self._client.get_container_properties()
            except ResourceNotFoundError as error:
                if not _is(error, StorageErrorCode.CONTAINER_NOT_FOUND):
                    raise

    async def _make(self, request_id: str) -> None:
        """The blob is there: empty, or as somebody else has left it."""
        blob = self._client.get_blob_client(_name(request_id))
        with contextlib.suppress(ResourceExistsError):
            try:
                await blob.create_append_blob(match_condition=MatchConditions.IfMissing)
            except ResourceNotFoundError as error:
                if not _is(error, StorageErrorCode.CONTAINER_NOT_FOUND):
                    raise
                with contextlib.suppress(ResourceExistsError):
                    await self._client.create_container()
                await blob.create_append_blob(match_condition=MatchConditions.IfMissing)


@contextlib.asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    """Only a position that has moved on is a `Conflict`: what a policy, a lease or another kind of blob forbids does not pass."""
    async with answering():
        try:
            yield
        except HttpResponseError as error:
            if error.status_code in (409, 412):
                raise Unavailable(WaitingFor.STORAGE, f"status {error.status_code}") from error
            raise


def _name(request_id: str) -> str:
    return f"{request_id}{_SUFFIX}"


def _is(error: HttpResponseError, *codes: StorageErrorCode) -> bool:
    return getattr(error, "error_code", None) in codes
