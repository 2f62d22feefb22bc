"""One run of the live tier: how it may begin, and what is known while it goes on."""

import secrets
from dataclasses import dataclass, field

from tests.live import facts, guard
from tests.live.graph import Graph, printed_token
from tests.live.made import Made
from tests.live.people import People
from tests.live.settings import Settings, Wrong
from tests.live.verdicts import Claim


@dataclass
class Live:
    """The tenant that it may write to, whom it has made there, what was found so far."""

    settings: Settings
    graph: Graph
    people: People
    domain: str
    name: str
    claims: dict[str, Claim] = field(default_factory=dict)
    rest: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def begun(given: Settings, *, cleaning: bool) -> Live:
    """A run in a tenant that may be written to; `Wrong` with every reason why it may not."""
    token = printed_token(given.token_command)
    graph = Graph(given.graph, token)
    known = facts.read(graph, token, given)
    if why := guard.refusals(known, given.typed, guard.SAME_TENANT if cleaning else guard.RULES):
        raise Wrong(["This tenant is not written to:", *why])
    people = People(graph, Made(given.journal), given.typed.tenant, secrets.token_hex(4))
    domain = facts.initial_domain(graph)
    if isinstance(domain, guard.Unread):
        raise Wrong([f"Nobody can say where test users would live: {domain.why}."])
    return Live(given, graph, people, domain, str(known.name))
