"""The host as a whole: index the app, open what it listens to, serve until told to stop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.functions_host import policy
from sandbox.functions_host.connections import Connections
from sandbox.functions_host.executor import Executor
from sandbox.functions_host.frontend import Frontend
from sandbox.functions_host.ncrontab import Schedule
from sandbox.functions_host.queues import QueueListener, poison_name
from sandbox.functions_host.routes import Route
from sandbox.functions_host.timers import TimerListener
from sandbox.functions_host.worker import Function, IndexingFailed, Worker
from sandbox.simulator import running

HTTP = {
    "shutdown_timeout": 3600.0,  # seconds; how long Azure waits for requests under way when it scales in
    "auto_decompress": False,  # a function gets the body as it was sent
    "max_field_size": 32 * 1024,  # bytes of a header
}


@dataclass(frozen=True, slots=True)
class Options:
    app: Path
    port: int
    key: str
    master_key: str
    lease: int
    """Seconds that a received message stays hidden unless renewed."""


def _timer(function: Function, connections: Connections, executor: Executor) -> TimerListener:
    try:
        return TimerListener(function, Schedule.parse(connections.expand(function.trigger["schedule"])), executor)
    except ValueError as error:
        raise IndexingFailed(f"function {function.name}: {error}") from error


@contextlib.asynccontextmanager
async def serving(options: Options, settings: Mapping[str, str]) -> AsyncIterator[tuple[str, tuple[str, ...]]]:
    """Yields the root URL and the functions' names; on leaving, takes no more work at once and waits for what is under way.

    `IndexingFailed`, `PolicyInvalid` or `SettingMissing` when the app cannot be served.
    """
    rules = policy.read(options.app)
    worker = await Worker.start(options.app)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(worker.stop)
        connections = Connections(settings)
        stack.push_async_callback(connections.close)
        executor = Executor(worker, connections, rules.queues.encoding)
        routes: list[Route] = []
        queues: list[QueueListener] = []
        timers: dict[str, TimerListener] = {}
        in_service = [function for function in worker.functions if not connections.disabled(function.name)]
        for function in in_service:
            trigger = function.trigger
            match function.kind:
                case "httpTrigger":
                    routes.append(
                        Route.of(function, rules.route_prefix, connections.expand(trigger.get("route") or function.name))
                    )
                case "queueTrigger":
                    queue = connections.queue(trigger["queueName"], trigger.get("connection"))
                    aside = poison_name(queue.queue_name)
                    poison = connections.queue(aside, trigger.get("connection")) if aside else None
                    queues.append(QueueListener(function, queue, poison, rules.queues, executor, options.lease))
                case _:
                    timers[function.name] = _timer(function, connections, executor)

        names = tuple(sorted(function.name for function in in_service))
        fire = {name: timer.fire for name, timer in timers.items()}
        frontend = Frontend(routes, fire, names, executor, options.key, options.master_key)
        stack.push_async_callback(frontend.drain)
        listeners: list[QueueListener | TimerListener] = [*queues, *timers.values()]
        async with asyncio.TaskGroup() as listening, running(frontend.app, options.port, **HTTP) as url:
            for listener in listeners:
                listening.create_task(listener.run())
            try:
                yield url, names
            finally:
                for listener in listeners:
                    listener.stop()
