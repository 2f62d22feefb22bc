"""The environment becomes one frozen value, or every problem with it at once. Nothing else reads it; secrets stay out of reprs.

The names and defaults are those of the settings table in README.md, which a test compares with this file.
"""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pydantic import TypeAdapter, ValidationError

from shared.guardrails import ANY, Limits
from shared.intake import parse_key
from shared.model import Mode, Profile

NO_PROOF = frozenset(
    {
        "none",
        "no",
        "kba",
        "kbv",
        "knowledge",
        "knowledge_based",
        "security_question",
        "security_questions",
        "date_of_birth",
        "ssn",
    }
)
HOST_STORAGE = "AzureWebJobsStorage"
GRAPH = "https://graph.microsoft.com"
_ADDRESSES = ("accountName", "blobServiceUri", "queueServiceUri", "tableServiceUri")
_DURATION = re.compile(r"P(?=.)(\d{1,4}D)?(T(?=.)(\d{1,5}H)?(\d{1,6}M)?(\d{1,7}S)?)?")
_SYS_ID = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_RECORD_NAME = re.compile(r"(?!\.{1,2}$)[0-9A-Za-z._-]{1,64}")  # records that ship with ServiceNow have names like "glide.maint"
_OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CLIENT_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,79}")
_SOURCE = re.compile(r"[!-~]{1,256}")
_SECONDS: TypeAdapter[timedelta] = TypeAdapter(timedelta)


@dataclass(frozen=True, slots=True)
class Connection:
    """One storage connection as the host reads it: a connection string, or service addresses for the managed identity."""

    name: str
    connection_string: str | None = field(default=None, repr=False)
    queue_url: str | None = None
    table_url: str | None = None
    blob_url: str | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class TicketSystem:
    url: str
    audience: str
    user_field: str
    profile_field: str | None
    proof_field: str | None
    approver_group: str | None
    done_state: str | None


@dataclass(frozen=True, slots=True)
class Settings:
    mode: Mode
    graph_endpoint: str
    client_id: str | None
    queues: Connection
    journal: Connection
    webhook_keys: tuple[bytes, ...] = field(repr=False)
    revoke_sessions: bool
    give_up_after: timedelta
    claim_lease: timedelta
    ticket_system: TicketSystem | None
    limits: Limits


class SettingsInvalid(Exception):
    """What is wrong, by name of the setting, and the mode as far as that can be told. No value is repeated."""

    def __init__(self, problems: Mapping[str, str], mode: Mode | None = None) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in sorted(problems.items())))
        self.problems = dict(problems)
        self.mode = mode


class _Reader:
    """Reads each setting once, and collects which are given and what is wrong. A blank setting is an absent one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.given: set[str] = set()
        self.problems: dict[str, str] = {}

    def value[T](self, name: str, default: T, parse: Callable[[str], T]) -> T:
        text = self._environment.get(name, "").strip()
        if not text:
            return default
        self.given.add(name)
        try:
            return parse(text)
        except ValueError as error:
            self.problems[name] = str(error)
            return default


def loopback(host: str | None) -> bool:
    """The names under which the SDKs, too, take a host for this machine."""
    return host in ("localhost", "127.0.0.1", "::1")


_HOST = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


def _address(text: str) -> SplitResult | None:
    """The parts of a URL whose host and port can be one."""
    try:
        parts = urlsplit(text)
        return parts if _HOST.fullmatch(parts.netloc.rpartition("@")[2]) and parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def _root(text: str) -> str:
    """An absolute URL of a service, without path, query or user; `http` only on a loopback host."""
    parts = _address(text)
    if parts is None or parts.scheme not in ("http", "https"):
        raise ValueError("is not an absolute http(s) URL")
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be the root of a service, without path, query or user")
    if parts.scheme == "http" and not loopback(parts.hostname):
        raise ValueError("must be https")
    return f"{parts.scheme}://{parts.netloc}"


def _duration(text: str) -> timedelta:
    if not _DURATION.fullmatch(text):
        raise ValueError("is not an ISO 8601 duration such as PT24H")
    try:
        return _SECONDS.validate_python(text)
    except ValidationError as error:
        raise ValueError("is not an ISO 8601 duration such as PT24H") from error


def _positive_duration(text: str) -> timedelta:
    if not (duration := _duration(text)):
        raise ValueError("must be longer than nothing")
    return duration


def _boolean(text: str) -> bool:
    match text.lower():
        case "true":
            return True
        case "false":
            return False
    raise ValueError("is neither true nor false")


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text):
        raise ValueError("is not a whole number of at least 1")
    return int(text)


def _limit(text: str) -> int:
    """Zero is zero: nothing is let through."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,2}", text):
        raise ValueError("is not a whole number from 0 to 999")
    return int(text)


def _object_id(text: str) -> str:
    if not _OBJECT_ID.fullmatch(text):
        raise ValueError("is not object ids")
    return text.lower()


def _proof(text: str) -> str:
    """Knowledge is no proof: attackers know birthdays, badge numbers and managers (NIST SP 800-63A-4, section 2.5.1)."""
    if text.lower().replace("-", "_") in NO_PROOF:
        raise ValueError("accepts what is no proof of identity")
    if not re.fullmatch(r"[!-~]{1,100}", text):
        raise ValueError("is not values of a choice")
    return text


def _one_of[E: (Mode, Profile)](kind: type[E]) -> Callable[[str], E]:
    def parse(text: str) -> E:
        try:
            return kind(text)
        except ValueError as error:
            raise ValueError(f"is none of {', '.join(kind)}") from error

    return parse


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"is not {what}")
        return text

    return parse


_field_name = _matching(_FIELD, "a field name")


def _words[T](each: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    return lambda text: tuple(each(word) for word in text.split())


def _record_name(text: str) -> str:
    """A sys_id in the lower case in which ServiceNow gives it; a name of its own as it is."""
    if not _RECORD_NAME.fullmatch(text):
        raise ValueError("is not a sys_id")
    return text.lower() if _SYS_ID.fullmatch(text) else text


def _catalog_items(text: str) -> frozenset[str]:
    return ANY if text == "*" else frozenset(_words(_matching(_SYS_ID, "sys_ids of 32 hex digits, or *"))(text.lower()))


def _connection(reader: _Reader, name: str) -> Connection:
    """The connection `name`: its value, or `name__…` for the managed identity. Azurite's shorthand is understood too."""
    connection_string = reader.value(name, None, _connection_string)
    if name in reader.given:
        return Connection(name, connection_string)
    account = reader.value(f"{name}__accountName", None, str)
    reader.value(f"{name}__credential", None, _matching(re.compile("managedidentity"), "managedidentity"))
    client_id = reader.value(f"{name}__clientId", None, _matching(_CLIENT_ID, "a client id"))

    def service(kind: str) -> str | None:
        named = account is not None and re.fullmatch(r"[a-z0-9]{3,24}", account)
        derived = f"https://{account}.{kind}.core.windows.net" if named else None
        return reader.value(f"{name}__{kind}ServiceUri", derived, _service_url)

    queue_url, table_url, blob_url = service("queue"), service("table"), service("blob")
    if reader.given.isdisjoint(f"{name}__{part}" for part in _ADDRESSES):
        reader.problems[name] = "is missing"
    return Connection(name, None, queue_url, table_url, blob_url, client_id)


def _connection_string(text: str) -> str:
    """As the storage SDKs read it: `UseDevelopmentStorage=true`, or an account with a key or a signature."""
    parts = [part.partition("=") for part in text.strip(";").split(";")]
    fields = {name.strip().lower(): value for name, _, value in parts}
    development = fields == {"usedevelopmentstorage": "true"}
    keyed = "accountname" in fields and _base64(fields.get("accountkey", ""))
    addressed = "accountname" in fields or any(name.endswith("endpoint") for name in fields)
    signed = "sharedaccesssignature" in fields and addressed
    if not (development or keyed or signed) or not all(equals for _, equals, _ in parts):
        raise ValueError("is not a storage connection string")
    return text


def _base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def _service_url(text: str) -> str:
    parts = _address(text)
    if parts is None or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("is not the address of a storage service")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback(parts.hostname)):
        raise ValueError("must be https")
    return text


def _ticket_system(reader: _Reader, proof_field: str | None, approver_group: str | None) -> TicketSystem | None:
    url = reader.value("SERVICENOW_URL", None, _root)
    audience = reader.value("SERVICENOW_AUDIENCE", None, _matching(re.compile(r"[!-~]{1,512}"), "an audience"))
    user_field = reader.value("SERVICENOW_USER_FIELD", "user_name", _field_name)
    profile_field = reader.value("SERVICENOW_PROFILE_FIELD", None, _field_name)
    done_state = reader.value("SERVICENOW_DONE_STATE", None, _matching(re.compile(r"-?[0-9a-z_]{1,40}"), "a state value"))
    if "SERVICENOW_URL" not in reader.given:
        return None
    if audience is None:
        reader.problems.setdefault("SERVICENOW_AUDIENCE", "is required with SERVICENOW_URL")
    return TicketSystem(url or "", audience or "", user_field, profile_field, proof_field, approver_group, done_state)


def load(environment: Mapping[str, str]) -> Settings:
    """The settings, complete and consistent; else `SettingsInvalid` with every problem."""
    reader = _Reader(environment)
    mode = reader.value("MODE", Mode.DRY_RUN, _one_of(Mode))
    proof_field = reader.value("PROOF_FIELD", None, _field_name)
    approver_group = reader.value("APPROVER_GROUP", None, _record_name)
    ticket_system = _ticket_system(reader, proof_field, approver_group)
    journal_name = reader.value(
        "JOURNAL_CONNECTION", HOST_STORAGE, _matching(re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}"), "the name of a connection")
    )
    queues = _connection(reader, HOST_STORAGE)
    journal = queues if journal_name == HOST_STORAGE else _connection(reader, journal_name)
    if queues.connection_string is None and queues.queue_url is None:
        reader.problems.setdefault(queues.name, "names no queue service")
    if journal.connection_string is None and journal.table_url is None:
        reader.problems.setdefault(journal.name, "names no table service")
    if journal.connection_string is None and journal.blob_url is None:
        reader.problems.setdefault(journal.name, "names no blob service")
    catalog_items = reader.value("SERVICENOW_CATALOG_ITEMS", frozenset[str](), _catalog_items)
    if mode is Mode.ENFORCE and ticket_system and not catalog_items:
        reader.problems.setdefault("SERVICENOW_CATALOG_ITEMS", "is required in enforce when SERVICENOW_URL is set")
    proof_accepted = _set(reader, "PROOF_ACCEPTED", (), _proof)
    for name, other in (("PROOF_ACCEPTED", "PROOF_FIELD"), ("PROOF_FIELD", "PROOF_ACCEPTED")):
        if other in reader.given and name not in reader.given:
            reader.problems[name] = f"is required with {other}"
    settings = Settings(
        mode=mode,
        graph_endpoint=reader.value("GRAPH_ENDPOINT", GRAPH, _root),
        client_id=reader.value("AZURE_CLIENT_ID", None, _matching(_CLIENT_ID, "a client id")),
        queues=queues,
        journal=journal,
        webhook_keys=reader.value("WEBHOOK_KEYS", (), _words(parse_key)),
        revoke_sessions=reader.value("REVOKE_SESSIONS", True, _boolean),
        give_up_after=reader.value("GIVE_UP_AFTER", timedelta(hours=6), _duration),
        claim_lease=reader.value("CLAIM_LEASE", timedelta(minutes=2), _positive_duration),
        ticket_system=ticket_system,
        limits=Limits(
            request_max_age=reader.value("REQUEST_MAX_AGE", timedelta(hours=24), _duration),
            trusted_sources=_set(reader, "TRUSTED_SOURCES", (), _matching(_SOURCE, "CloudEvents sources")),
            allowed_profiles=_set(reader, "ALLOWED_PROFILES", (Profile.REQUIRE_REREGISTER,), _one_of(Profile)),
            ticket_system=ticket_system is not None,
            ticket_tables=_set(reader, "SERVICENOW_TABLES", ("sc_req_item",), _matching(_FIELD, "names of tables")),
            catalog_items=catalog_items,
            approvals_required=reader.value("APPROVALS_REQUIRED", 1, _count),
            approval_max_age=reader.value("APPROVAL_MAX_AGE", timedelta(hours=72), _duration),
            approver_group=approver_group,
            integration_user=reader.value("SERVICENOW_INTEGRATION_USER", None, _record_name),
            proof_field=proof_field,
            proof_accepted=proof_accepted,
            protected_users=_set(reader, "PROTECTED_USERS", (), _object_id),
            protected_groups=_set(reader, "PROTECTED_GROUPS", (), _object_id),
            allowed_groups=_set(reader, "ALLOWED_GROUPS", (), _object_id),
            cooldown=reader.value("COOLDOWN", timedelta(hours=24), _duration),
            actor_hourly_limit=reader.value("ACTOR_HOURLY_LIMIT", 10, _limit),
            breaker_limit=reader.value("BREAKER_LIMIT", 50, _limit),
        ),
    )
    if reader.problems:
        raise SettingsInvalid(reader.problems, None if "MODE" in reader.problems else mode)
    return settings


def graph_endpoint(environment: Mapping[str, str]) -> str:
    """The root of Microsoft Graph alone, for whoever has no other setting of the app; `SettingsInvalid` as in `load`."""
    reader = _Reader(environment)
    root = reader.value("GRAPH_ENDPOINT", GRAPH, _root)
    if reader.problems:
        raise SettingsInvalid(reader.problems)
    return root


def host_storage(environment: Mapping[str, str]) -> Connection:
    """The connection that the triggers use, whatever else is wrong; `SettingsInvalid` when it is wrong itself."""
    reader = _Reader(environment)
    connection = _connection(reader, HOST_STORAGE)
    if reader.problems:
        raise SettingsInvalid(reader.problems)
    return connection


def _set[T](reader: _Reader, name: str, default: Iterable[T], each: Callable[[str], T]) -> frozenset[Any]:
    return frozenset(reader.value(name, tuple(default), _words(each)))
