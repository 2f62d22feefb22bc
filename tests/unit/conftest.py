"""In this tier nothing waits and nothing is sent: time is virtual, the ports are fakes."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator, Mapping

import pytest
import structlog

from tests.unit.world import World
from tests.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"virtual-time": VirtualTimeLoop}


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer(key_order=["event"])]
    )


@pytest.fixture
def world() -> Iterator[World]:
    """In `enforce`, with an approved ticket for Adele and no message yet."""
    yield (world := World())
    assert not world.violations, world.violations
