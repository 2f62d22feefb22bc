"""The running product: one stack for the whole tier, a way to start another one, and what is told in the background meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from sandbox import stack as sandbox
from sandbox.stack import Stack
from tests.e2e.story import Another, Story

SHARED_SETTINGS = {"SERVICENOW_PROFILE_FIELD": "u_profile", "SERVICENOW_DONE_STATE": "3"}
"""What the shared stack has besides the sandbox's own settings."""


@dataclass
class Traces:
    """Every line that any host has printed in this session, and the stacks that they came from."""

    lines: list[str] = field(default_factory=list)
    stacks: list[Stack] = field(default_factory=list)


@asynccontextmanager
async def going_on[Name, T](stories: Mapping[Name, Awaitable[T]]) -> AsyncIterator[dict[Name, asyncio.Task[T]]]:
    """Each of them is under way; what is not over by the end is cut off."""
    tasks = {name: asyncio.ensure_future(story) for name, story in stories.items()}
    try:
        yield tasks
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


def one_after_another(start: Another) -> Another:
    """As `start`, but none begins to start before the last one is up: twenty at once would keep everybody else from running."""
    starting = asyncio.Lock()

    @asynccontextmanager
    async def waits(**options: Any) -> AsyncIterator[Stack]:
        async with AsyncExitStack() as resources:
            async with starting:
                running = await resources.enter_async_context(start(**options))
            yield running

    return waits


@pytest.fixture(scope="session")
def traces() -> Traces:
    return Traces()


@pytest.fixture(scope="session")
def another(traces: Traces) -> Another:
    """Starts a stack of a test's own; takes the same arguments as `sandbox.stack.stack`."""

    @asynccontextmanager
    async def start(**options: Any) -> AsyncIterator[Stack]:
        async with sandbox.stack(on_line=traces.lines.append, **options) as running:
            traces.stacks.append(running)
            yield running

    return start


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(another: Another, being_told: object) -> AsyncIterator[Stack]:
    """Runs for the whole tier, enforcing: each test brings a person and a ticket of its own and leaves no fault behind."""
    del being_told
    async with another(**SHARED_SETTINGS) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def being_told(request: pytest.FixtureRequest, another: Another) -> AsyncIterator[Mapping[Story, asyncio.Task[None]]]:
    """The stories that this session has tests for, under way since its first test on the shared stack."""
    stories = [
        cast("Story", item.callspec.params["story"])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path.parent == Path(__file__).parent
        and hasattr(item, "callspec")
        and "story" in item.callspec.params
    ]
    if not stories:
        yield {}
        return
    patiently = one_after_another(another)
    async with another() as shared, going_on({story: story(shared, patiently) for story in stories}) as tasks:
        yield tasks
