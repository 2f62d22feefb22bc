"""The settings of the live tier, from the caller's shell: one frozen value, or every problem at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.live.guard import Typed

ROOT = Path(__file__).parents[2]
PREFIX = "LIVE_"
REQUIRED = {
    "LIVE_TENANT_ID": "the id of a tenant that is for tests only",
    "LIVE_CONFIRM": "the same id, typed again",
    "LIVE_GRAPH_TOKEN_COMMAND": "a command that prints an access token for Microsoft Graph there",
}
APP = ("LIVE_APP_URL", "LIVE_FUNCTION_KEY", "LIVE_WEBHOOK_KEY", "LIVE_TICKET")
"""They go together: who names one names all."""
OPTIONAL = (
    "LIVE_ALLOWED_DOMAINS", "LIVE_ALLOWED_NAME", "LIVE_GRAPH_ENDPOINT", "LIVE_APP_TOKEN", "LIVE_HARDWARE_OATH_USER", *APP,
    "LIVE_APP_SETTINGS", "LIVE_JOURNAL",
)  # fmt: skip
GRAPH = "https://graph.microsoft.com"
GRAPH_HOSTS = frozenset(
    {"graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"}
)
_LOOPBACK = frozenset({"127.0.0.1", "localhost"})
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TICKET = re.compile(r"(?P<table>[a-z0-9_]+)/(?P<sys_id>[0-9a-f]{32})/(?P<number>[A-Z]+\d+)")


class Wrong(Exception):
    """What is not as it must be, each problem a sentence."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Ticket:
    table: str
    sys_id: str
    number: str


@dataclass(frozen=True, slots=True)
class DeployedApp:
    """An app that runs in dry-run, the keys that it knows, and a ticket that it may decide about."""

    url: str
    function_key: str = field(repr=False)
    webhook_key: str = field(repr=False)
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Settings:
    """`app_token` is one of the app's own identity for Graph; `app_settings` a file as `reregister --settings` takes it."""

    typed: Typed
    token_command: str = field(repr=False)
    graph: str
    app_token: str = field(repr=False)
    hardware_oath_user: str
    app: DeployedApp | None
    app_settings: Path | None
    journal: Path

    def given(self) -> frozenset[str]:
        """The optional parts that are there, by the names that tests ask for."""
        parts = {
            "LIVE_APP_TOKEN": self.app_token,
            "LIVE_HARDWARE_OATH_USER": self.hardware_oath_user,
            "LIVE_APP_URL": self.app,
            "LIVE_APP_SETTINGS": self.app_settings,
        }
        return frozenset(name for name, part in parts.items() if part)


def load(environment: Mapping[str, str]) -> Settings:
    """The settings; `Wrong` with every problem. A blank one is absent, an unknown one is a problem: it may be misspelt."""
    given = {name: value.strip() for name, value in environment.items() if name.startswith(PREFIX) and value.strip()}
    problems = [f"{name} is required: {meaning}." for name, meaning in REQUIRED.items() if name not in given]
    problems += [f"{name} is no setting." for name in sorted(given.keys() - {*REQUIRED, *OPTIONAL})]
    if (named := [name for name in APP if name in given]) and len(named) < len(APP):
        problems += [f"{name} is required with {named[0]}." for name in APP if name not in given]
    graph, app = given.get("LIVE_GRAPH_ENDPOINT", GRAPH).rstrip("/"), given.get("LIVE_APP_URL", "").rstrip("/")
    if not _is_root(graph) or urlsplit(graph).hostname not in GRAPH_HOSTS | _LOOPBACK:
        problems.append("LIVE_GRAPH_ENDPOINT is no root of Microsoft Graph.")
    if app and not _is_root(app):
        problems.append("LIVE_APP_URL is no https root.")
    problems += [
        f"{name} is no GUID."
        for name in ("LIVE_TENANT_ID", "LIVE_HARDWARE_OATH_USER")
        if name in given and not _GUID.fullmatch(given[name])
    ]
    ticket = _TICKET.fullmatch(given.get("LIVE_TICKET", ""))
    if "LIVE_TICKET" in given and not ticket:
        problems.append("LIVE_TICKET is not of the form table/sys_id/number.")
    file = Path(given["LIVE_APP_SETTINGS"]) if "LIVE_APP_SETTINGS" in given else None
    if file and not file.is_file():
        problems.append("LIVE_APP_SETTINGS is no file.")
    if problems:
        raise Wrong(problems)
    deployed = (
        DeployedApp(app, given["LIVE_FUNCTION_KEY"], given["LIVE_WEBHOOK_KEY"], Ticket(**ticket.groupdict())) if ticket else None
    )
    return Settings(
        typed=Typed(
            tenant=given["LIVE_TENANT_ID"],
            confirmed=given["LIVE_CONFIRM"],
            domains=frozenset(given.get("LIVE_ALLOWED_DOMAINS", "").casefold().split()),
            name=given.get("LIVE_ALLOWED_NAME", ""),
        ),
        token_command=given["LIVE_GRAPH_TOKEN_COMMAND"],
        graph=graph,
        app_token=given.get("LIVE_APP_TOKEN", ""),
        hardware_oath_user=given.get("LIVE_HARDWARE_OATH_USER", ""),
        app=deployed,
        app_settings=file,
        journal=Path(given.get("LIVE_JOURNAL", ROOT / ".live" / "made.jsonl")),
    )


def _is_root(url: str) -> bool:
    """Whether it is `https://host[:port]`, or `http` to this machine."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    plain = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
    return (
        plain and bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK))
    )
