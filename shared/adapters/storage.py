"""What the storage adapters share: patience, and the translation of the SDK's errors into the port's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceModifiedError

from shared.model import WaitingFor
from shared.ports import Conflict, Unavailable

CALL_SECONDS = 15
# One quick repeat, then the queue waits for us: storage's own default would wait 15 s and more inside the invocation.
PATIENCE: dict[str, Any] = {
    "retry_total": 1,
    "retry_backoff_factor": 0.2,
    "initial_backoff": 1,
    "increment_base": 1,
    "connection_timeout": 5,
    "read_timeout": 10,
    "logging_enable": False,
}


@contextlib.asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Within, storage answers in time; else `Unavailable`. A condition that does not hold (409, 412) is a `Conflict`."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except (ResourceExistsError, ResourceModifiedError) as error:
        raise Conflict from error
    except HttpResponseError as error:
        raise Unavailable(WaitingFor.STORAGE, f"status {error.status_code}") from error
    except (AzureError, TimeoutError, OSError) as error:
        raise Unavailable(WaitingFor.STORAGE, type(error).__name__) from error
