"""The running product: one stack for the whole tier, and a way to start another one for tests that need it different."""

import functools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox import stack as sandbox
from sandbox.stack import Stack
from tests.e2e.story import Another

SHARED_SETTINGS = {"SERVICENOW_PROFILE_FIELD": "u_profile", "SERVICENOW_DONE_STATE": "3"}
"""What the shared stack has besides the sandbox's own settings."""


@pytest.fixture(scope="session")
def host_lines() -> list[str]:
    """Every line that any host has printed so far, in this tier."""
    return []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(host_lines: list[str]) -> AsyncIterator[Stack]:
    """Runs for the whole tier, enforcing: each test brings a person and a ticket of its own and leaves no fault behind."""
    async with sandbox.stack(on_line=host_lines.append, **SHARED_SETTINGS) as running:
        yield running


@pytest.fixture(scope="session")
def another(host_lines: list[str]) -> Another:
    """Starts a stack of a test's own; takes the same arguments as `sandbox.stack.stack`."""
    return functools.partial(sandbox.stack, on_line=host_lines.append)
