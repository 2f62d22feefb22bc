"""A simulated Microsoft Graph: the users, methods, roles and reports of one tenant, as an app sees them.

    graph = SimulatedGraph(Tenant(contoso(), Settings(lag_seconds=5)))
    async with running(graph.app) as url: ...      # or: python -m sandbox.graph --port 0 [--seed FILE] [--audience AUD]

What Microsoft documents is as documented, permissions included. These are our reading, because no document says: the status of
"alternate mobile first"; that passkeys and Windows Hello do not hold a default method, that an active hardware token does, and
that one of two methods which serve the default may go; the code of a missing method; that an unsupported query option is refused,
not ignored; that a user property beyond the permission is refused; that no membership shows a custom role, and no list of a
user's what a group of theirs is eligible for. Where more depends on it, a field of `Settings` decides.
"""

from sandbox.graph.server import SimulatedGraph
from sandbox.graph.tenant import Settings, Tenant

__all__ = ["Settings", "SimulatedGraph", "Tenant"]
