"""One call to the simulated Graph, and the table of routes it is looked up in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.graph.account import Account
from sandbox.graph.errors import GraphError, bad_request, no_segment
from sandbox.graph.kinds import BOTH
from sandbox.graph.odata import Collection, Entity
from sandbox.graph.permissions import CALLS
from sandbox.graph.tenant import Tenant


@dataclass
class Call:
    """An authenticated, permitted call: `ids` are the path's variable segments, `options` its OData query options."""

    tenant: Tenant
    version: str
    ids: list[str]
    options: dict[str, str]
    headers: Mapping[str, str]
    body: Any
    permissions: frozenset[str]
    actor: str
    root: str
    cast: str = ""
    subject: Account | None = None

    @property
    def user(self) -> Account:
        """The user whom the path names; Graph's 404 when there is none."""
        self.subject = self.tenant.account(self.ids[0])
        return self.subject

    def context(self, fragment: str) -> str:
        return f"{self.root}/{self.version}/$metadata#{fragment}"

    def collection(self, items: list[Entity], fragment: str) -> Collection:
        return Collection(items, self.context(fragment), count=self.options.get("$count") == "true")

    def entity(self, entity: Entity, fragment: str) -> Entity:
        return {"@odata.context": self.context(fragment), **entity}

    def may(self, any_of: frozenset[str]) -> bool:
        return bool(self.permissions & any_of)


type Answer = Collection | Entity | None
type Handle = Callable[[Call], Answer]

PAGED = frozenset({"$skiptoken"})


@dataclass(frozen=True)
class Route:
    """`path` is lower case as in the permission table, with a cast such as `graph.group` at its end where there is one."""

    method: str
    path: str
    handle: Handle
    allowed: frozenset[str] = frozenset()
    versions: tuple[str, ...] = BOTH
    writes: bool = False
    status: int = 200
    segments: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.path.strip("/").split("/")))

    @property
    def permissions(self) -> frozenset[str]:
        return CALLS[self.path.removesuffix(f"/{self.cast}")][self.method]

    def held(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """The permissions in an access token that count here."""
        return frozenset(claims.get("roles", ()))

    def allows(self, claims: Mapping[str, Any]) -> bool:
        return bool(self.held(claims) & self.permissions)

    @property
    def cast(self) -> str:
        """The type that the last segment casts to, as `graph.group`; else ""."""
        return self.segments[-1] if self.segments[-1].startswith("graph.") else ""

    def ids(self, segments: list[str]) -> list[str] | None:
        """The variable segments when this path is the route's, else None."""
        if len(segments) != len(self.segments):
            return None
        ids = []
        for mine, theirs in zip(self.segments, segments, strict=True):
            if mine == "{id}":
                ids.append(theirs)
            elif mine != plain(theirs):
                return None
        return ids


def plain(segment: str) -> str:
    """A path segment for comparison: Graph ignores case, and a cast may name its namespace in short."""
    return segment.lower().removeprefix("microsoft.")


def find(routes: list[Route], method: str, version: str, segments: list[str]) -> tuple[Route, list[str]]:
    """The route of a call and its ids; `GraphError` 400 for a path that does not exist, 405 for a method it does not have."""
    here = [route for route in routes if version in route.versions]
    found = [(route, ids) for route in here if (ids := route.ids(segments)) is not None]
    if not found:
        for length in range(1, len(segments) + 1):
            head = segments[:length]
            if not any(_begins(route, head) for route in here):
                raise no_segment(head[-1])
        raise bad_request("Resource path is incomplete.")
    for route, ids in found:
        if route.method == method:
            return route, ids
    allowed = ", ".join(sorted({route.method for route, _ in found}))
    message = "Specified HTTP method is not allowed for the request target."
    raise GraphError(405, "Request_BadRequest", message, headers={"Allow": allowed})


def _begins(route: Route, head: list[str]) -> bool:
    pairs = zip(route.segments, head, strict=False)
    return len(head) <= len(route.segments) and all(mine in ("{id}", plain(theirs)) for mine, theirs in pairs)
