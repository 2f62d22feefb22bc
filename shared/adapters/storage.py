"""What the storage adapters share: patience, and the translation of the SDK's errors into the port's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceModifiedError

from shared import waits
from shared.model import WaitingFor
from shared.ports import Conflict, NotLetIn, Unavailable
from shared.waits import AskedToWait

CALL_SECONDS = 15


def heed(response: Any) -> None:
    """Whoever asks for a wait gets it from the queue: an SDK's own retry would sleep it out inside the invocation."""
    answer = response.http_response
    waits.heed(answer.status_code, answer.headers.get("Retry-After"), datetime.now(UTC))


# One quick repeat, then the queue waits for us: storage's own default would wait 15 s and more inside the invocation.
PATIENCE: dict[str, Any] = {
    "retry_total": 1,
    "retry_backoff_factor": 0.2,
    "initial_backoff": 1,
    "increment_base": 1,
    "random_jitter_range": 0,
    "raw_response_hook": heed,
    "connection_timeout": 5,
    "read_timeout": 10,
    "logging_enable": False,
}


@contextlib.asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Within, storage answers in time and lets us in; else `Unavailable`. An unmet condition (409, 412) is a `Conflict`."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except (ResourceExistsError, ResourceModifiedError) as error:
        raise Conflict from error
    except HttpResponseError as error:
        if error.status_code in (401, 403):
            raise NotLetIn(
                WaitingFor.STORAGE, f"our identity may not: a role or a network rule is missing ({_said(error)})"
            ) from error
        raise Unavailable(WaitingFor.STORAGE, f"status {error.status_code}") from error
    except AskedToWait as asked:
        raise Unavailable(WaitingFor.STORAGE, str(asked), asked.retry_after) from asked
    except (AzureError, TimeoutError, OSError) as error:
        raise Unavailable(WaitingFor.STORAGE, type(error).__name__) from error


def _said(error: HttpResponseError) -> str:
    """Status and storage's own code, which tells a role (`AuthorizationPermissionMismatch`) from a network rule or a key."""
    code = getattr(error, "error_code", None)
    return f"{error.status_code} {getattr(code, 'value', code)}" if code else str(error.status_code)
