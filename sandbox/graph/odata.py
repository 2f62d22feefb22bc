"""The part of OData that Graph's collections speak here: options, `$select`, `$filter`, pages. What is not understood is refused.

Source: Microsoft Graph, "Use query parameters to customize responses", "Paging", "Advanced query capabilities on directory
objects".
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote

from sandbox.graph.errors import bad_request, unsupported_query

type Entity = dict[str, Any]

_AND = re.compile(r"\s+and\s+(?=(?:[^']*'[^']*')*[^']*$)")
_COMPARISON = re.compile(r"(?P<name>[\w/]+)\s+(?P<op>eq|ge|le)\s+(?P<value>'(?:[^']|'')*'|true|false|\d{4}-\d\d-\d\dT[\d:.]+Z)")
_IN = re.compile(r"(?P<name>\w+)\s+in\s+\((?P<values>'(?:[^']|'')*'(?:\s*,\s*'(?:[^']|'')*')*)\)")
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_ANY = re.compile(r"(?P<name>\w+)/any\((?P<x>\w+):\s*(?P=x)/(?P<inner>\w+)\s+eq\s+(?P<value>'(?:[^']|'')*')\)")
MOST_IN_A_CLAUSE = 15
"""So many values `in` takes without the advanced query parameters."""


@dataclass(frozen=True)
class Collection:
    """What a list route answers with, before it is cut into pages."""

    items: list[Entity]
    context: str
    count: bool = False


def options(query: str, allowed: Iterable[str]) -> dict[str, str]:
    """The query options of a call by name, `$` included; a `GraphError` for one that is repeated, unknown or not allowed here."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in found:
            raise bad_request(f"Query option '{name}' was specified more than once, but it must be specified at most once.")
        if name not in allowed:
            raise bad_request(f"The query specified in the URI is not valid. The query parameter '{name}' is not supported.")
        found[name] = value
    return found


def selected(
    entity: Entity, names: str | None, known: Iterable[str], type_name: str, default: Iterable[str] | None = None
) -> Entity:
    """The entity with the properties that `$select` names, else with `default` (None: all)."""
    if names is None:
        return entity if default is None else {name: entity[name] for name in default}
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in known:
            raise bad_request(
                "Parsing OData Select and Expand failed: "
                f"Could not find a property named '{name}' on type 'microsoft.graph.{type_name}'."
            )
    annotations = {name: value for name, value in entity.items() if name.startswith("@")}
    return annotations | {name: entity[name] for name in wanted}


def filtered(items: Iterable[Entity], text: str | None, comparable: Mapping[str, str]) -> list[Entity]:
    """The items that a `$filter` keeps. `comparable` maps each property it may name to operators: "eq in", "eq ge le", "any"."""
    if text is None:
        return list(items)
    tests = [_test(clause.strip(), comparable) for clause in _AND.split(text.strip())]
    return [item for item in items if all(test(item) for test in tests)]


def _test(clause: str, comparable: Mapping[str, str]) -> Callable[[Entity], bool]:
    if (found := _ANY.fullmatch(clause)) and "any" in comparable.get(f"{found['name']}/{found['inner']}", "").split():
        name, inner, wanted = found["name"], found["inner"], _text(found["value"])
        return lambda item: any(one[inner] == wanted for one in item[name])
    if (found := _IN.fullmatch(clause)) and "in" in comparable.get(found["name"], "").split():
        return _is_one_of(found["name"], [_text(value) for value in _QUOTED.findall(found["values"])])
    found = _COMPARISON.fullmatch(clause)
    if not found or found["op"] not in comparable.get(found["name"], "").split():
        raise unsupported_query(f"Unsupported or invalid query filter clause specified: '{clause}'.")
    path, op, value = found["name"].split("/"), found["op"], _literal(found["value"])

    def test(item: Entity) -> bool:
        actual: Any = item
        for part in path:
            actual = (actual or {}).get(part)
        if isinstance(value, datetime):
            actual = datetime.fromisoformat(actual)
        if isinstance(value, str) and isinstance(actual, str):
            return value.casefold() == actual.casefold()
        return bool(actual == value if op == "eq" else actual >= value if op == "ge" else actual <= value)

    return test


def _is_one_of(name: str, values: list[str]) -> Callable[[Entity], bool]:
    if len(values) > MOST_IN_A_CLAUSE:
        raise unsupported_query(
            "Too many child clauses specified in search filter expression containing 'OR' operators: "
            f"{len(values)}. Max allowed: {MOST_IN_A_CLAUSE}."
        )
    wanted = {value.casefold() for value in values}
    return lambda item: item[name] is not None and item[name].casefold() in wanted


def _literal(value: str) -> str | bool | datetime:
    if value in {"true", "false"}:
        return value == "true"
    if value.startswith("'"):
        return _text(value)
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise unsupported_query(f"Invalid literal '{value}'.") from error


def _text(literal: str) -> str:
    return literal[1:-1].replace("''", "'")


def page(collection: Collection, here: str, asked: Mapping[str, str], size: int) -> Entity:
    """One page of the collection as Graph's JSON; `here` is the call's own URL without query, for `@odata.nextLink`."""
    rest = {name: value for name, value in asked.items() if name != "$skiptoken"}
    digest = hashlib.sha256(repr((here, sorted(rest.items()))).encode()).hexdigest()[:16]
    start = _start(asked.get("$skiptoken"), digest)
    if "$top" in asked:
        if not asked["$top"].isdecimal() or not 1 <= int(asked["$top"]) <= 999:
            raise bad_request(f"Invalid page size specified: '{asked['$top']}'. Must be between 1 and 999 inclusive.")
        size = min(size, int(asked["$top"]))
    body: Entity = {"@odata.context": collection.context}
    if collection.count:
        body["@odata.count"] = len(collection.items)
    end = start + size
    if end < len(collection.items):
        token = base64.urlsafe_b64encode(f"{end}.{digest}".encode()).decode()
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in {**rest, "$skiptoken": token}.items())
        body["@odata.nextLink"] = f"{here}?{query}"
    return body | {"value": collection.items[start:end]}


def _start(token: str | None, digest: str) -> int:
    if token is None:
        return 0
    try:
        start, _, made_for = base64.urlsafe_b64decode(token).decode().partition(".")
        if made_for == digest:
            return int(start)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise bad_request("Skip token is not valid for this request.", "Directory_ExpiredPageToken")
