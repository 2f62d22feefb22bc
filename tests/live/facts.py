"""What the guard wants to know, read without any write: each fact, or why it could not be read."""

from collections.abc import Callable
from typing import Any

import httpx

from tests.live.graph import EVENTUAL, Graph, Unexpected, claims, permissions
from tests.live.guard import Facts, Unread
from tests.live.settings import Settings


def read(graph: Graph, token: str, given: Settings) -> Facts:
    """Every fact; one that cannot be read keeps no other from being read."""
    organization, app = _one(lambda: _organization(graph)), given.app

    def ours[T](look: Callable[[dict[str, Any]], T]) -> T | Unread:
        return organization if isinstance(organization, Unread) else _one(lambda: look(organization))

    return Facts(
        tenant=ours(lambda one: _text(one["id"])),
        name=ours(lambda one: _text(one["displayName"])),
        domains=ours(lambda one: tuple(_text(domain["name"]) for domain in one["verifiedDomains"])),
        synced=ours(_synced),
        users=_one(lambda: _number(graph.get("/users?$count=true&$top=1&$select=id", EVENTUAL)["@odata.count"])),
        seats=_one(lambda: max((_number(sku["consumedUnits"]) for sku in graph.list("/subscribedSkus")), default=0)),
        permissions=_one(lambda: permissions(token)),
        app_tenant=_one(lambda: _text(claims(given.app_token)["tid"])) if given.app_token else None,
        mode=_one(lambda: _mode(app.url)) if app else None,
    )


def initial_domain(graph: Graph) -> str | Unread:
    """The domain that the tenant was born with: test users live there."""

    def look() -> str:
        [name] = [domain["name"] for domain in _organization(graph)["verifiedDomains"] if domain["isInitial"]]
        return _text(name)

    return _one(look)


def _organization(graph: Graph) -> dict[str, Any]:
    [one] = graph.list("/organization?$select=id,displayName,verifiedDomains,onPremisesSyncEnabled")
    return one


def _synced(organization: dict[str, Any]) -> bool:
    match organization["onPremisesSyncEnabled"]:
        case None | False:
            return False
        case True:
            return True
        case other:
            raise TypeError(f"onPremisesSyncEnabled is {other!r}")


def _mode(app_url: str) -> str:
    answer = httpx.get(f"{app_url}/api/health", timeout=60)
    return _text(answer.json()["mode"])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"a number was expected, not {type(value).__name__}")
    return value


def _one[T](look: Callable[[], T]) -> T | Unread:
    try:
        return look()
    except Unexpected as error:
        return Unread(str(error))
    except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
        return Unread(f"{type(error).__name__}: {error}")
