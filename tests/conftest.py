"""Fixtures that every tier may use."""

from collections.abc import Iterator

import pytest

from sandbox.azurite import Azurite


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of a storage account on a real Azurite, shared by the session: use queues and tables of your own."""
    emulator = Azurite()
    try:
        yield emulator.hello().accounts[0].connection_string
    finally:
        emulator.stop()
