"""pure: the environment → what is wrong with the settings, what of them has no effect, and which guardrails are left out.

Which guardrails there should be says SECURITY.md, "What to know before enforcing".
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared import settings as app_settings
from shared.doctor.findings import Finding, Status
from shared.guardrails import ANY
from shared.model import Mode
from shared.settings import HOST_STORAGE, Connection, Settings, SettingsInvalid

GOOD_KEY_BYTES = 32
VAULT_REFERENCE = "@Microsoft.KeyVault("
EDITABLE_FIELDS = frozenset({"user_name", "email", "name", "employee_number"})
ONLY_WITH_TICKETS = (
    "APPROVALS_REQUIRED",
    "APPROVAL_MAX_AGE",
    "APPROVER_GROUP",
    "PROOF_ACCEPTED",
    "PROOF_FIELD",
    "SERVICENOW_AUDIENCE",
    "SERVICENOW_CATALOG_ITEMS",
    "SERVICENOW_DONE_STATE",
    "SERVICENOW_INTEGRATION_USER",
    "SERVICENOW_PROFILE_FIELD",
    "SERVICENOW_TABLES",
    "SERVICENOW_USER_FIELD",
    "WEBHOOK_KEYS",
)
"""What nothing asks for without SERVICENOW_URL."""

_BELONG_TO = {
    "PROOF_ACCEPTED": "PROOF_FIELD",
    "PROOF_FIELD": "PROOF_ACCEPTED",
    "SERVICENOW_AUDIENCE": "SERVICENOW_URL",
    "SERVICENOW_CATALOG_ITEMS": "SERVICENOW_URL",
}
"""What must go too, where the first cannot be had."""


@dataclass(frozen=True, slots=True)
class Read:
    """What became of the environment: every problem, what was asked for, and the settings as far as they are usable.

    `dropped` are those that were left out to make them so.
    """

    problems: Mapping[str, str]
    asked: frozenset[str]
    usable: Settings | None
    dropped: frozenset[str] = frozenset()


class _Asked(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


def read(environment: Mapping[str, str]) -> Read:
    """The settings; where some are not valid, those without them, so that everything else can be looked at all the same."""
    left = _Asked(environment)
    problems: dict[str, str] = {}
    while True:
        try:
            usable = app_settings.load(left)
        except SettingsInvalid as invalid:
            problems = problems or invalid.problems
            wrong = {*invalid.problems, *(_BELONG_TO[name] for name in invalid.problems if name in _BELONG_TO)}
            if wrong.isdisjoint(left):
                return Read(problems, frozenset(left.names), None)
            for name in wrong & left.keys():
                del left[name]
        else:
            return Read(problems, frozenset(left.names), usable, frozenset(environment.keys() - left.keys()))


IDS = (
    "settings-valid", "settings-effective", "key-vault-references", "mode", "webhook-keys", "journal-account", "protected-users",
    "protected-groups", "integration-user", "approver-group", "proof-required", "catalog-items", "subject-field", "cooldown",
)  # fmt: skip


def judge(environment: Mapping[str, str], made: Read) -> tuple[Finding, ...]:
    """One finding for each of `IDS`; those about a choice are not made where there are no usable settings."""
    first = (_valid(made), _effective(environment, made), _vault(environment, made))
    chosen = made.usable
    if chosen is None:
        unknown = (Finding(name, Status.NOT_CHECKED, "The settings are not valid.") for name in IDS[len(first) :])
        return (*first, *unknown)
    return (*first, *_choices(environment, chosen))


def _valid(made: Read) -> Finding:
    if not made.problems:
        return Finding("settings-valid", Status.OK, "All settings are valid.")
    what = "; ".join(f"{name} {problem}" for name, problem in sorted(made.problems.items()))
    return Finding("settings-valid", Status.FAULT, f"{what}.", _set(*sorted(made.problems)))


def _effective(environment: Mapping[str, str], made: Read) -> Finding:
    given = {name for name, value in environment.items() if value.strip()}
    idle = {name: "without SERVICENOW_URL" for name in ONLY_WITH_TICKETS if name in given and "SERVICENOW_URL" not in given}
    connections = {name.partition("__")[0] for name in made.asked if "__" in name} | {HOST_STORAGE}
    for name in sorted(given - made.asked):
        owner = name.partition("__")[0]
        if "__" in name and owner in connections | (given & made.asked):
            idle[name] = f"beside {owner}" if owner in given else "not a part of a connection that is read"
        elif meant := difflib.get_close_matches(name, made.asked, n=1, cutoff=0.85):
            idle[name] = f"is {meant[0]} meant?"
    if not idle:
        return Finding("settings-effective", Status.OK, "Every setting that is given is used.")
    what = "; ".join(f"{name} ({why})" for name, why in sorted(idle.items()))
    names = " ".join(sorted(idle))
    mend = f"az functionapp config appsettings delete --name <app> --resource-group <group> --setting-names {names}"
    return Finding("settings-effective", Status.WARNING, f"Without effect: {what}.", mend)


def _vault(environment: Mapping[str, str], made: Read) -> Finding:
    unresolved = sorted(name for name in made.asked if environment.get(name, "").strip().startswith(VAULT_REFERENCE))
    if not unresolved:
        return Finding("key-vault-references", Status.OK, "No setting is a reference that was not resolved.")
    mend = (
        'az role assignment create --role "Key Vault Secrets User" --assignee <client id> --scope <id of the vault>'
        " && az functionapp restart --name <app> --resource-group <group>"
    )
    return Finding("key-vault-references", Status.FAULT, f"Not resolved: {', '.join(unresolved)}.", mend)


def _choices(environment: Mapping[str, str], chosen: Settings) -> Iterator[Finding]:
    limits, system = chosen.limits, chosen.ticket_system
    earnest = chosen.mode is Mode.ENFORCE
    grave = Status.FAULT if earnest else Status.WARNING
    yield _mode(chosen)
    yield _keys(environment, chosen)
    yield _own_account(chosen)
    yield _named("protected-users", "PROTECTED_USERS", bool(limits.protected_users), grave)
    yield _named("protected-groups", "PROTECTED_GROUPS", bool(limits.protected_groups), Status.WARNING)
    with_tickets: list[tuple[str, Callable[[], Finding]]] = [
        (
            "integration-user",
            lambda: _named("integration-user", "SERVICENOW_INTEGRATION_USER", limits.integration_user is not None, grave),
        ),
        (
            "approver-group",
            lambda: _named("approver-group", "APPROVER_GROUP", limits.approver_group is not None, Status.WARNING),
        ),
        ("proof-required", lambda: _proof(limits.proof_field is not None)),
        ("catalog-items", lambda: _items(limits.catalog_items == ANY, bool(limits.catalog_items))),
        ("subject-field", lambda: _subject_field(system.user_field if system else "")),
    ]
    for name, look in with_tickets:
        yield look() if system else Finding(name, Status.OK, "No ticket system is configured.")
    if limits.cooldown:
        yield Finding("cooldown", Status.OK, f"One person is reset at most once in {limits.cooldown}.")
    else:
        yield Finding("cooldown", grave, "COOLDOWN is nothing: one person may be reset again and again.", _set("COOLDOWN"))


def _mode(chosen: Settings) -> Finding:
    what = "enforce: what is allowed is done." if chosen.mode is Mode.ENFORCE else "dry-run: nothing is removed."
    return Finding("mode", Status.OK, f"MODE is {what}")


def _keys(environment: Mapping[str, str], chosen: Settings) -> Finding:
    name, keys = "webhook-keys", chosen.webhook_keys
    mend = 'az keyvault secret set --vault-name <vault> --name <secret> --value "whsec_$(openssl rand -base64 32)"'
    if not keys:
        given = bool(environment.get("WEBHOOK_KEYS", "").strip())
        if chosen.ticket_system is None and not given:
            return Finding(name, Status.OK, "There is none, and no ticket system either: the webhook refuses everything.")
        what = "What is given is no key" if given else "There is none"
        return Finding(name, Status.FAULT, f"{what}: the webhook refuses everything.", mend)
    short = sum(len(key) < GOOD_KEY_BYTES for key in keys)
    if short:
        return Finding(name, Status.WARNING, f"{short} of {len(keys)} is shorter than {GOOD_KEY_BYTES} bytes.", mend)
    if len(set(keys)) < len(keys):
        return Finding(name, Status.WARNING, "The same key is given twice.", mend)
    return Finding(name, Status.OK, f"{len(keys)}, of at least {GOOD_KEY_BYTES} bytes.")


def _own_account(chosen: Settings) -> Finding:
    name, mend = "journal-account", _set("JOURNAL_CONNECTION")
    theirs, ours = _account(chosen.queues), _account(chosen.journal)
    if chosen.journal.name == chosen.queues.name or theirs == ours:
        return Finding(name, Status.WARNING, "The journal is on the account that the host keeps its own things on.", mend)
    return Finding(name, Status.OK, f"The journal is on an account of its own ({chosen.journal.name}).")


def _account(connection: Connection) -> str:
    """The name of the account, or what stands for it: the host and path that its services are below."""
    if connection.connection_string is not None:
        parts = (part.partition("=") for part in connection.connection_string.split(";"))
        fields = {key.strip().lower(): value for key, _, value in parts}
        return fields.get("accountname") or fields.get("tableendpoint") or fields.get("queueendpoint") or "development"
    url = urlsplit(connection.table_url or connection.queue_url or connection.blob_url or "")
    host = url.hostname or ""
    return url.path.strip("/") if app_settings.loopback(host) else host.partition(".")[0]


def _named(finding: str, setting: str, there: bool, otherwise: Status) -> Finding:
    if there:
        return Finding(finding, Status.OK, f"{setting} is set.")
    return Finding(finding, otherwise, f"{setting} is not set.", _set(setting))


def _proof(required: bool) -> Finding:
    if required:
        return Finding("proof-required", Status.OK, "A ticket must say how identity was proven.")
    what = "PROOF_FIELD is not set: no proof of identity is required."
    return Finding("proof-required", Status.WARNING, what, _set("PROOF_FIELD", "PROOF_ACCEPTED"))


def _items(anything: bool, named: bool) -> Finding:
    name, mend = "catalog-items", _set("SERVICENOW_CATALOG_ITEMS")
    if anything:
        return Finding(name, Status.WARNING, "SERVICENOW_CATALOG_ITEMS is *: any approved ticket justifies a reset.", mend)
    if not named:
        return Finding(name, Status.WARNING, "SERVICENOW_CATALOG_ITEMS is not set: no ticket justifies a reset.", mend)
    return Finding(name, Status.OK, "The catalog items that justify a reset are named.")


def _subject_field(field: str) -> Finding:
    name = "subject-field"
    if field in EDITABLE_FIELDS:
        what = f"SERVICENOW_USER_FIELD is {field}; make sure that users cannot edit it, or use a field with the object id."
        return Finding(name, Status.WARNING, what, _set("SERVICENOW_USER_FIELD"))
    return Finding(name, Status.OK, f"The person is the one that {field} leads to.")


def _set(*names: str) -> str:
    values = " ".join(f"{name}=<value>" for name in names)
    return f"az functionapp config appsettings set --name <app> --resource-group <group> --settings {values}"
