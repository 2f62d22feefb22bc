"""Fixtures that every tier may use."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from sandbox.azurite import Azurite

# How long an example takes says how busy the machine is. The same examples each time: who breaks something sees it at once, and
# nobody else; `THOROUGHNESS` looks for new ones.
settings.register_profile("everywhere", deadline=None, derandomize=True)
settings.load_profile("everywhere")


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of a storage account on a real Azurite, shared by the session: use queues and tables of your own."""
    emulator = Azurite()
    try:
        yield emulator.hello().accounts[0].connection_string
    finally:
        emulator.stop()
