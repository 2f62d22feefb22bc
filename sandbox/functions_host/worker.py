"""The adapter to Microsoft's worker library (`azure-functions-runtime`), which indexes a function app and runs its functions.

One app per process: the library keeps a global registry that is never cleared. Failures are results there, and
exceptions here.
"""

import asyncio
import json
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime

from sandbox.functions_host import protos
from sandbox.functions_host.protos import ParameterBinding, StatusResult, TypedData

type Binding = Mapping[str, Any]
"""A binding as the app declares it: `name`, `type`, `direction` and what its type needs."""

TRIGGERS = ("httpTrigger", "queueTrigger", "timerTrigger")
OUTPUTS = ("http", "queue")


class IndexingFailed(Exception):
    """The app cannot be served: an import failed, a declaration is wrong, or it uses what this host does not have."""


class InvocationFailed(Exception):
    """The function raised, or what it returned could not be used."""


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    id: str
    trigger: Binding
    outputs: tuple[Binding, ...]

    @property
    def kind(self) -> str:
        return str(self.trigger["type"])


def _function(name: str, id_: str, bindings: list[Binding]) -> Function:
    triggers = [b for b in bindings if b["type"] in TRIGGERS]
    outputs = [b for b in bindings if b["type"] in OUTPUTS and str(b["direction"]).upper() == "OUT"]
    if len(triggers) != 1 or len(triggers) + len(outputs) != len(bindings):
        raise IndexingFailed(f"function {name} has bindings that this host does not emulate: {[b['type'] for b in bindings]}")
    return Function(name, id_, triggers[0], tuple(outputs))


def _check(result: Any, failure: type[Exception]) -> None:
    if result.status != StatusResult.Success:
        raise failure(f"{result.exception.message}\n{result.exception.stack_trace}".rstrip())


class Worker:
    """An indexed app. `functions` lists what it declares; `invoke` runs one of them on the current event loop."""

    def __init__(self, functions: tuple[Function, ...]) -> None:
        self.functions = functions

    @classmethod
    async def start(cls, app: Path) -> "Worker":
        """The worker with the app in folder `app` indexed; `IndexingFailed` with the reason, also when it has no functions."""
        sys.path.insert(0, str(app))
        runtime.start_threadpool_executor()
        request = SimpleNamespace(worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(app)))
        properties = {"protos": protos, "host": "127.0.0.1"}
        started = await runtime.worker_init_request(SimpleNamespace(request=request, properties=properties))
        _check(started.result, IndexingFailed)
        found = (await runtime.functions_metadata_request(None)).function_metadata_results or []
        if not found:
            raise IndexingFailed(f"no functions found in {app}")
        return cls(tuple(_function(f.name, f.function_id, [json.loads(b) for b in f.raw_bindings]) for f in found))

    async def invoke(
        self, function: Function, invocation: str, argument: TypedData, metadata: Mapping[str, TypedData]
    ) -> dict[str, TypedData]:
        """What the function put into its outputs, by binding name (`$return` is one); `InvocationFailed` when it failed."""
        trace = f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-00"
        request = SimpleNamespace(
            invocation_id=invocation,
            function_id=function.id,
            input_data=[ParameterBinding(function.trigger["name"], argument)],
            trigger_metadata=metadata,
            trace_context=SimpleNamespace(trace_parent=trace, trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        # A task of its own: an invocation's context variables must not leak into the next one on the same connection, and a
        # caller that goes away does not stop it.
        done = await asyncio.shield(
            asyncio.create_task(runtime.invocation_request(SimpleNamespace(request=SimpleNamespace(invocation_request=request))))
        )
        _check(done.result, InvocationFailed)
        outputs = {output.name: output.data for output in done.output_data if output.data is not None}
        if done.return_value is not None:
            outputs["$return"] = done.return_value
        return outputs

    def stop(self) -> None:
        """Waits for the threads of synchronous functions."""
        runtime.stop_threadpool_executor()
