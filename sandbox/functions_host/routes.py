"""Route templates of HTTP functions: `a/{x}/{y:int}/{*rest}`, any case, the most specific one first.

Source: "Routing in ASP.NET Core: route templates and constraints, precedence"; "Azure Functions HTTP
trigger: customize the HTTP endpoint".
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sandbox.functions_host.worker import Function, IndexingFailed

CONSTRAINTS = {
    "": r"[^/]+?",
    "int": r"-?\d+",
    "long": r"-?\d+",
    "alpha": r"[A-Za-z]+",
    "bool": r"true|false",
    "guid": r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}",
}
PARAMETER = re.compile(r"\{(\*?)(\w+)(?::(\w+))?(\??)\}")


def _pattern(template: str) -> re.Pattern[str]:
    pattern, position = "", 0
    for found in PARAMETER.finditer(template):
        pattern += re.escape(template[position : found.start()])
        position = found.end()
        rest, name, constraint, optional = found.groups(default="")
        if constraint not in CONSTRAINTS:
            raise IndexingFailed(f"route constraint {constraint!r} is not emulated: {template}")
        value = f"(?P<{name}>{'.*?' if rest else CONSTRAINTS[constraint]})"
        if (optional or rest) and pattern.endswith("/"):
            value = f"(?:/{value})?"
            pattern = pattern[:-1]
        pattern += value
    pattern += re.escape(template[position:])
    if "{" in PARAMETER.sub("", template):
        raise IndexingFailed(f"not a route template: {template}")
    return re.compile(f"/{pattern}/?", re.IGNORECASE)


def _rank(segment: str) -> int:
    """The smaller, the more specific."""
    if not (found := PARAMETER.fullmatch(segment)):
        return 1
    return (4 if found[1] else 2) + (not found[3])


@dataclass(frozen=True, slots=True)
class Route:
    function: Function
    template: str
    methods: frozenset[str]
    """Upper case; empty stands for all."""
    pattern: re.Pattern[str] = field(repr=False)

    @classmethod
    def of(cls, function: Function, prefix: str, template: str) -> "Route":
        whole = "/".join(part for part in (prefix, template.strip("/")) if part)
        methods = frozenset(str(method).upper() for method in function.trigger.get("methods") or ())
        return cls(function, whole, methods, _pattern(whole))


def by_precedence(routes: Iterable[Route]) -> list[Route]:
    """The routes, the most specific one first."""
    return sorted(routes, key=lambda route: [_rank(segment) for segment in route.template.split("/")])


def match(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The first of `routes` for this request and its parameters; None when there is none, also for a method not listed.

    `path` is percent-decoded except for `%2F` and `%25`.
    """
    for route in routes:
        if (not route.methods or method.upper() in route.methods) and (found := route.pattern.fullmatch(path)):
            return route, {name: value.replace("%25", "%") for name, value in found.groupdict().items() if value is not None}
    return None
