"""Runs one invocation as the host sees it: call the function, then write its queue outputs; both must succeed."""

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping

from azure.core.exceptions import AzureError

from sandbox.functions_host.connections import Connections, put
from sandbox.functions_host.encoding import Encoding, encode, messages
from sandbox.functions_host.protos import TypedData
from sandbox.functions_host.worker import Function, InvocationFailed, Worker

log = logging.getLogger("host")


class Executor:
    """Executes functions; `running` is the number of invocations under way."""

    def __init__(self, worker: Worker, connections: Connections, encoding: Encoding) -> None:
        self._worker, self._encoding = worker, encoding
        self._queues = {
            (function.name, output["name"]): connections.queue(output["queueName"], output.get("connection"))
            for function in worker.functions
            for output in function.outputs
            if output["type"] == "queue"
        }
        self.running = 0

    async def run(
        self, function: Function, reason: str, argument: TypedData, metadata: Mapping[str, TypedData] | None = None
    ) -> dict[str, TypedData]:
        """The function's outputs, after its queue outputs were written; `InvocationFailed` when it or a write failed."""
        invocation, started = str(uuid.uuid4()), time.monotonic()
        log.info("Executing 'Functions.%s' (Reason='%s', Id=%s)", function.name, reason, invocation)
        self.running += 1
        outcome = "Failed"
        try:
            outputs = await self._worker.invoke(function, invocation, argument, metadata or {})
            await self._write(function, outputs)
            outcome = "Succeeded"
        except InvocationFailed as failure:
            log.error("Exception while executing function: Functions.%s %s", function.name, failure)  # noqa: TRY400
            raise
        except (AzureError, TypeError, ValueError) as error:
            log.exception("Error while writing the outputs of Functions.%s", function.name)
            raise InvocationFailed(f"an output could not be written: {error}") from error
        else:
            return outputs
        finally:
            self.running -= 1
            milliseconds = (time.monotonic() - started) * 1000
            log.info("Executed 'Functions.%s' (%s, Id=%s, Duration=%.0fms)", function.name, outcome, invocation, milliseconds)

    async def _write(self, function: Function, outputs: Mapping[str, TypedData]) -> None:
        writes = [
            put(queue, encode(body, self._encoding))
            for (owner, name), queue in self._queues.items()
            if owner == function.name and name in outputs
            for body in messages(outputs[name])
        ]
        await asyncio.gather(*writes)
