"""What the doctor makes of what it reads, and of what it cannot read; that docs/doctor.md lists what it may find."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.people import ADELE, JONI
from shared.adapters import queues
from shared.adapters.receipts import CONTAINER
from shared.adapters.tables import CONTROL_TABLE, TABLE
from shared.cli import documents, granting, tables
from shared.cli.doctor import NEEDS
from shared.doctor import configuration, examination, permissions, registration
from shared.doctor.examination import Tenant, clock_finding, examine
from shared.doctor.findings import WHY, Finding, Status, passes, permission_id
from shared.doctor.ports import QueueSeen, RowsSeen, TicketSeen
from shared.doctor.registration import Policies, Policy
from shared.model import Person, WaitingFor
from shared.ports import Forbidden, NotLetIn, TokenRefused, Unavailable
from shared.settings import Connection
from tests.unit.test_settings import IDENTITY, LEAST, STORAGE, TICKET_SYSTEM
from tests.unit.world import World

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text("utf-8")
EVERY_ID = (*configuration.IDS, *permissions.ids(NEEDS), *(one for ids, _ in examination.CHECKS for one in ids))
APP_ID = "0b0b0b0b-1111-4222-8333-444444444444"
CLAIMS = {"tid": "11111111-2222-4333-8444-555555555555", "appid": APP_ID, "oid": "0a0a0a0a-1111-4222-8333-444444444444"}
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def by_id(findings: Sequence[Finding]) -> dict[str, Finding]:
    found = {one.id: one for one in findings}
    assert len(found) == len(findings)
    return found


def amiss(findings: Sequence[Finding]) -> dict[str, Status]:
    return {one.id: one.status for one in findings if one.status is not Status.OK}


# ---- what is shown


def test_people_are_explained_what_they_can_mend_the_gravest_last_and_one_cause_once() -> None:
    told = [("a", "fault"), ("b", "not-checked"), ("c", "warning"), ("d", "ok"), ("e", "not-checked"), ("f", "not-checked")]
    cause = {"b": "There is no token.", "e": "There is no token.", "f": "It does not answer."}
    findings = [
        {"id": name, "status": status, "what": cause.get(name, f"What {name} is."), "why": "So.", "mend": None, "mandatory": True}
        for name, status in told
    ]
    document = {"version": "1", "mode": "enforce", "identity": None, "ok": False, "findings": findings}
    _, everything, *explained, verdict = tables.doctor(document)
    assert getattr(everything, "row_count", None) == len(told)
    assert [str(one).partition(":")[0] for one in explained] == ["f", "c", "a"]
    assert str(verdict) == "Not in order: 1 at fault, 3 not checked that must be."


# ---- what is found


def test_the_page_lists_every_finding_in_its_order_and_no_other() -> None:
    section = PAGE.partition("## What it may find\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)
    singles = [one for one in EVERY_ID if not one.startswith("permission-")]
    where = singles.index("permissions-full-reset")
    assert listed == [*singles[:where], "permission-", *singles[where:]]


def test_there_is_a_reason_for_every_finding_and_for_nothing_else() -> None:
    assert {one for one in EVERY_ID if not one.startswith("permission-")} == WHY.keys() - {"permission-"}
    assert len(set(EVERY_ID)) == len(EVERY_ID)
    for one in EVERY_ID:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", one)
        assert Finding(one, Status.OK, "").why


def test_the_page_has_the_members_of_the_document() -> None:
    made = documents.doctor("1.0", None, permissions.identity(CLAIMS), (Finding("mode", Status.FAULT, "what", "mend"),), ok=False)
    assert made["identity"] == {"tenant": CLAIMS["tid"], "appId": CLAIMS["appid"], "objectId": CLAIMS["oid"]}
    members = {f"`{name}`" for name in (*made, *made["findings"][0], *made["identity"])}
    assert made["findings"] == [
        {"id": "mode", "status": "fault", "mandatory": True, "what": "what", "why": WHY["mode"], "mend": "mend"}
    ]
    section = PAGE.partition("## `--json`\n")[2].partition("\n## ")[0]
    assert members == set(re.findall(r"^\| (`\w+`) \|", section, re.MULTILINE))
    for status in Status:
        assert f"`{status}`" in PAGE


@pytest.mark.parametrize(
    ("status", "mandatory", "expected"),
    [
        (Status.OK, True, True),
        (Status.WARNING, True, True),
        (Status.FAULT, True, False),
        (Status.FAULT, False, False),
        (Status.NOT_CHECKED, True, False),
        (Status.NOT_CHECKED, False, True),
    ],
)
def test_a_tenant_passes_without_fault_and_with_nothing_mandatory_unknown(
    status: Status, mandatory: bool, expected: bool
) -> None:
    fine = Finding("mode", Status.OK, "")
    assert passes((fine, Finding("cooldown", status, "", mandatory=mandatory))) is expected


def test_what_is_looked_at_is_what_the_app_uses() -> None:
    assert (examination.REQUESTS, examination.RESULTS, examination.POISON) == (queues.REQUESTS, queues.RESULTS, queues.POISON)
    assert (examination.JOURNAL, examination.CONTROL, examination.RECEIPTS) == (TABLE, CONTROL_TABLE, CONTAINER)


# ---- settings


def judged(**changes: str) -> dict[str, Finding]:
    environment = {**LEAST, **changes}
    findings = configuration.judge(environment, configuration.read(environment))
    assert tuple(one.id for one in findings) == configuration.IDS
    for one in findings:
        assert one.status in (Status.OK, Status.NOT_CHECKED) or one.mend
    return by_id(findings)


def test_what_is_needed_with_tickets_is_idle_without_a_ticket_system() -> None:
    found = judged(PROOF_FIELD="u_proof", PROOF_ACCEPTED="in_person", WEBHOOK_KEYS=KEY)["settings-effective"]
    assert found.status is Status.WARNING
    for name in ("PROOF_FIELD", "PROOF_ACCEPTED", "WEBHOOK_KEYS"):
        assert f"{name} (without SERVICENOW_URL)" in found.what
    assert judged(**TICKET_SYSTEM, WEBHOOK_KEYS=KEY)["settings-effective"].status is Status.OK


KEY = "whsec_" + "a2V5" * 12


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("AzureWebJobsStorage__queueServiceUri", "beside AzureWebJobsStorage"),
        ("PROTECTED_USER", "is PROTECTED_USERS meant?"),
        ("SERVICENOW_CATALOG_ITEM", "is SERVICENOW_CATALOG_ITEMS meant?"),
    ],
)
def test_what_nobody_reads_is_told(name: str, said: str) -> None:
    assert f"{name} ({said})" in judged(**{name: "https://contoso.queue.core.windows.net"})["settings-effective"].what


def test_settings_of_the_platform_are_nobodys_misspelling() -> None:
    others = {"PATH": "/bin", "FUNCTIONS_WORKER_PROCESS_COUNT": "1", "WEBSITE_INSTANCE_ID": "0", "LANG": "C"}
    assert judged(**others)["settings-effective"].status is Status.OK


@pytest.mark.parametrize(
    "changes",
    [
        {"JOURNAL_CONNECTION": "Journal", "Journal": STORAGE},
        {"JOURNAL_CONNECTION": "Journal", "Journal__accountName": "contoso"},
        {},
    ],
)
def test_the_journal_on_the_hosts_account_is_noticed_under_any_name(changes: dict[str, str]) -> None:
    assert judged(**changes)["journal-account"].status is Status.WARNING


def test_a_journal_elsewhere_is_fine() -> None:
    assert judged(JOURNAL_CONNECTION="Journal", Journal__accountName="contosojournal")["journal-account"].status is Status.OK
    environment = {**IDENTITY, "JOURNAL_CONNECTION": "Journal", "Journal__accountName": "contosojournal"}
    findings = by_id(configuration.judge(environment, configuration.read(environment)))
    assert findings["journal-account"].status is Status.OK


def test_what_a_dry_run_lacks_is_a_warning_and_in_enforce_a_fault() -> None:
    items = {"SERVICENOW_CATALOG_ITEMS": "*", "COOLDOWN": "PT0S", "WEBHOOK_KEYS": KEY, **TICKET_SYSTEM}
    for name in ("protected-users", "integration-user", "cooldown"):
        assert judged(**items)[name].status is Status.WARNING
        assert judged(MODE="enforce", **items)[name].status is Status.FAULT


def test_without_a_ticket_system_nothing_about_tickets_is_asked() -> None:
    found = judged()
    for name in ("integration-user", "approver-group", "proof-required", "catalog-items", "subject-field", "webhook-keys"):
        assert found[name].status is Status.OK


def test_an_unresolved_reference_is_a_fault_in_any_setting() -> None:
    found = judged(COOLDOWN="@Microsoft.KeyVault(VaultName=v;SecretName=s)")
    assert found["key-vault-references"].status is Status.FAULT
    assert "COOLDOWN" in found["key-vault-references"].what
    assert "VaultName" not in str(found)


def test_a_key_that_is_given_twice_protects_once() -> None:
    assert judged(**TICKET_SYSTEM, WEBHOOK_KEYS=f"{KEY} {KEY}")["webhook-keys"].status is Status.WARNING


def test_settings_that_are_not_valid_are_left_out_so_that_the_rest_can_be_looked_at() -> None:
    made = configuration.read({**LEAST, "SERVICENOW_URL": "https://contoso.service-now.com", "PROOF_FIELD": "u_p", "MODE": "now"})
    assert made.problems.keys() == {"SERVICENOW_AUDIENCE", "PROOF_ACCEPTED", "MODE"}
    assert made.dropped == {"SERVICENOW_URL", "PROOF_FIELD", "MODE"}
    assert made.usable is not None
    assert made.usable.ticket_system is None


def test_without_storage_no_settings_are_usable() -> None:
    made = configuration.read({"MODE": "now"})
    assert made.usable is None
    assert {one.status for one in configuration.judge({}, made)[3:]} == {Status.NOT_CHECKED}


# ---- permissions


def about(
    roles: object, *, full_reset: bool = False, revoke: bool = True, client_id: str | None = APP_ID, **more: Any
) -> dict[str, Finding]:
    claims = {**CLAIMS, "roles": roles, **more}
    findings = permissions.judge(claims, NEEDS, client_id=client_id, full_reset=full_reset, revoke=revoke)
    assert tuple(one.id for one in findings) == permissions.ids(NEEDS)
    return by_id(findings)


DEFAULT = list(granting.DEFAULT_SET)
ALL = "UserAuthenticationMethod.ReadWrite.All"
TAP = "UserAuthMethod-TAP.ReadWrite.All"


def test_the_default_set_is_just_right() -> None:
    assert amiss(tuple(about(DEFAULT).values())) == {}


@pytest.mark.parametrize("permission", DEFAULT)
def test_a_permission_that_is_lacking_is_a_fault(permission: str) -> None:
    found = about([one for one in DEFAULT if one != permission])
    assert amiss(tuple(found.values())) == {permission_id(permission): Status.FAULT}
    assert found[permission_id(permission)].mend == f"reregister grant --identity {APP_ID}"


def test_what_revokes_sessions_is_not_needed_where_they_are_not_revoked() -> None:
    without = [one for one in DEFAULT if one != "User.RevokeSessions.All"]
    assert amiss(tuple(about(without, revoke=False).values())) == {}


@pytest.mark.parametrize(
    ("permission", "status"),
    [
        (ALL, Status.WARNING),
        (TAP, Status.FAULT),
        ("Directory.ReadWrite.All", Status.FAULT),
        ("RoleManagement.ReadWrite.Directory", Status.FAULT),
        ("AppRoleAssignment.ReadWrite.All", Status.FAULT),
        ("something never heard of", Status.FAULT),
        ("AuditLog.Read.All", Status.WARNING),
        ("Policy.Read.All", Status.WARNING),
    ],
)
def test_a_permission_too_many_is_found(permission: str, status: Status) -> None:
    assert amiss(tuple(about([*DEFAULT, permission]).values())) == {"permissions-excess": status}


def test_what_covers_every_method_takes_the_place_of_single_ones() -> None:
    found = about(
        [one for one in DEFAULT if not one.startswith(("UserAuthMethod-", "UserAuthenticationMethod"))] + [ALL], full_reset=True
    )
    assert amiss(tuple(found.values())) == {"permissions-excess": Status.WARNING}


def test_a_full_reset_without_its_permissions_is_a_warning() -> None:
    assert amiss(tuple(about(DEFAULT, full_reset=True).values())) == {"permissions-full-reset": Status.WARNING}
    every = [*DEFAULT, *granting.FULL_RESET]
    assert amiss(tuple(about(every, full_reset=True).values())) == {"permissions-excess": Status.WARNING}
    without = [one for one in every if one != TAP]
    assert amiss(tuple(about(without, full_reset=True).values())) == {"permissions-full-reset": Status.WARNING}


@pytest.mark.parametrize("roles", ["all of them", None, [1], {}])
def test_roles_that_cannot_be_understood_are_not_taken_for_good(roles: object) -> None:
    found = about(roles)
    assert {one.status for one in found.values() if one.id != "graph-token"} == {Status.NOT_CHECKED}
    assert not passes(tuple(found.values()))


def test_a_token_that_shows_nothing_passes_nothing() -> None:
    findings = permissions.judge(None, NEEDS, client_id=None, full_reset=False, revoke=True)
    assert {one.status for one in findings} == {Status.NOT_CHECKED}


@pytest.mark.parametrize("more", [{"idtyp": "user"}, {"scp": "User.Read"}])
def test_a_persons_token_is_not_the_identitys(more: dict[str, Any]) -> None:
    assert about(DEFAULT, **more)["graph-token"].status is Status.FAULT


@pytest.mark.parametrize("claim", ["tid", "appid", "oid"])
def test_a_token_that_does_not_say_whose_it_is_is_not_taken_for_ours(claim: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != claim} | {"roles": DEFAULT}
    findings = permissions.judge(claims, NEEDS, client_id=None, full_reset=False, revoke=True)
    assert amiss(findings) == {"graph-token": Status.NOT_CHECKED}


def test_a_token_of_another_identity_is_a_fault() -> None:
    assert about(DEFAULT, client_id="0b0b0b0b-9999-4222-8333-444444444444")["graph-token"].status is Status.FAULT
    assert about(DEFAULT, client_id=None)["graph-token"].status is Status.OK


def test_what_a_token_says_is_shown_as_identifiers_only() -> None:
    found = about([*DEFAULT, "a\nrole"], tid="\x1b[31m")
    assert "unknown" in found["graph-token"].what
    assert "a\nrole" not in found["permissions-excess"].what


# ---- registration


def policy(
    state: str = "enabled",
    *,
    users: str = "All",
    action: str = registration.ACTION,
    controls: Any = ("mfa",),
    grant: Mapping[str, Any] | None = None,
    conditions: Mapping[str, Any] | None = None,
) -> Policy:
    asked = {"builtInControls": list(controls or ()), "authenticationStrength": None, "operator": "OR", **(grant or {})}
    applied = {"applications": {"includeUserActions": [action]}, "users": {"includeUsers": [users]}, **(conditions or {})}
    document = {"state": state, "conditions": applied, "grantControls": None if controls is None else asked}
    return Policy.model_validate(document)


@pytest.mark.parametrize(
    ("policies", "status"),
    [
        ([policy()], Status.OK),
        ([policy("disabled"), policy()], Status.OK),
        ([policy(users="0a0a0a0a-1111-4222-8333-444444444444")], Status.WARNING),
        ([policy("enabledForReportingButNotEnforced")], Status.WARNING),
        ([policy("disabled")], Status.FAULT),
        ([policy(action="urn:user:registerdevice")], Status.FAULT),
        ([policy(controls=None)], Status.FAULT),
        ([policy(controls=())], Status.FAULT),
        ([], Status.FAULT),
    ],
)
def test_registration_is_protected_by_an_enabled_policy_for_everybody(policies: list[Policy], status: Status) -> None:
    assert registration.judge(policies, "https://graph.microsoft.com").status is status


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"userRiskLevels": [], "clientAppTypes": ["all"], "platforms": None, "locations": None, "devices": None}, Status.OK),
        ({"locations": {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]}}, Status.OK),
        ({"locations": {"includeLocations": ["0b0b0b0b-9999-4222-8333-444444444444"]}}, Status.WARNING),
        ({"locations": {"excludeLocations": ["AllTrusted"]}}, Status.WARNING),
        ({"signInRiskLevels": ["high"]}, Status.WARNING),
        ({"platforms": {"includePlatforms": ["iOS"]}}, Status.WARNING),
        ({"clientAppTypes": ["browser"]}, Status.WARNING),
        ({"aConditionOfTomorrow": {"only": "on Mondays"}}, Status.WARNING),
    ],
)
def test_a_policy_that_holds_for_some_sign_ins_only_is_not_one_for_everybody(conditions: dict[str, Any], status: Status) -> None:
    assert registration.judge([policy(conditions=conditions)], "https://graph.microsoft.com").status is status


@pytest.mark.parametrize(
    ("controls", "grant", "status"),
    [
        (["mfa", "compliantDevice"], {}, Status.OK),
        ([], {"authenticationStrength": {"id": "2"}}, Status.OK),
        (["mfa"], {"operator": "AND", "termsOfUse": ["t"]}, Status.OK),
        (["mfa"], {"termsOfUse": ["t"]}, Status.FAULT),  # whoever has nothing else accepts the terms
        (["mfa"], {"customAuthenticationFactors": ["theirs"]}, Status.FAULT),
        (["mfa", "approvedApplication"], {}, Status.FAULT),
        (["unknownFutureValue"], {"operator": "AND"}, Status.FAULT),
        ([], {"operator": "AND", "termsOfUse": ["t"]}, Status.FAULT),
    ],
)
def test_the_weakest_of_the_controls_that_suffice_must_protect(
    controls: list[str], grant: dict[str, Any], status: Status
) -> None:
    assert registration.judge([policy(controls=controls, grant=grant)], "https://graph.microsoft.com").status is status


def test_a_list_of_graphs_is_read_whatever_else_it_holds() -> None:
    listed = b"""{"@odata.context": "x", "value": [{"id": "1", "displayName": "n", "state": "enabled", "sessionControls": null,
        "conditions": {"clientAppTypes": ["all"], "applications": {"includeApplications": ["All"]}, "users": null},
        "grantControls": {"operator": "OR", "builtInControls": [], "authenticationStrength": {"id": "2"}}}]}"""
    (one,) = Policies.model_validate_json(listed).value
    assert not one.about_registration
    assert one.asks_for_something


# ---- clocks


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        (0, Status.OK),
        (30, Status.OK),
        (-31, Status.OK),  # a date has whole seconds: this may be 30
        (31, Status.WARNING),
        (-32, Status.WARNING),
        (240, Status.WARNING),
        (241, Status.FAULT),
        (-242, Status.FAULT),
        (86400, Status.FAULT),
    ],
)
def test_a_clock_beside_ours_is_a_warning_and_far_beside_a_fault(seconds: int, status: Status) -> None:
    assert clock_finding("clock-graph", NOW + timedelta(seconds=seconds), NOW, NOW).status is status


def test_a_slow_answer_says_nothing_about_the_clock() -> None:
    after = NOW + timedelta(seconds=9)
    assert clock_finding("clock-graph", NOW + timedelta(seconds=5), NOW, after).what == "Its clock is 0 s beside ours."


def test_without_a_date_a_clock_is_not_known() -> None:
    assert clock_finding("clock-graph", None, NOW, NOW).status is Status.NOT_CHECKED


# ---- what cannot be read


@dataclass
class Graph:
    roles: Sequence[str] = tuple(DEFAULT)
    people: tuple[Person, ...] = ()
    error: Exception | None = None

    async def claims(self) -> Mapping[str, Any] | None:
        if self.error:
            raise self.error
        return {**CLAIMS, "roles": list(self.roles)}

    async def administrators(self, limit: int) -> tuple[Person, ...]:
        return self.people[:limit]

    async def policies(self) -> tuple[Policy, ...]:
        return (policy(),)


@dataclass
class Stores:
    messages: int = 0
    error: Exception | None = None
    there: bool = True

    async def queue(self, name: str) -> QueueSeen | None:
        if self.error:
            raise self.error
        return QueueSeen(self.messages, self.messages, 0) if not name.endswith("poison") else None

    async def journal(self) -> bool:
        if self.error:
            raise self.error
        return self.there

    control = receipts = journal


@dataclass
class Tickets:
    error: Exception | None = None
    approvals_seen: RowsSeen = field(default_factory=lambda: RowsSeen(1, 1))

    async def reach(self, table: str) -> RowsSeen:
        return self._or(RowsSeen(1, 9))

    async def ticket(self, tables: Sequence[str], name: str, fields: Sequence[str]) -> TicketSeen | None:
        return self._or(TicketSeen("5" * 32, frozenset({*fields, "requested_for"}), "ca7a", "requested_for", "6" * 32))

    async def approvals(self, sys_id: str) -> RowsSeen:
        return self._or(self.approvals_seen)

    async def subject(self, user: str, name: str) -> str | None:
        return self._or(ADELE)

    async def members(self, group: str) -> RowsSeen:
        return self._or(RowsSeen(1, 1))

    def _or[T](self, answer: T) -> T:
        if self.error:
            raise self.error
        return answer


@dataclass
class Dates:
    now: datetime

    async def told(self, address: str) -> datetime | None:
        return self.now


@pytest.fixture
def tenant(world: World) -> Tenant:
    app = world.app()
    return Tenant(
        app=app,
        environment={},
        needs=NEEDS,
        host_json=b'{"extensions": {"queues": {}}}',
        graph=Graph(people=(person(world),)),
        storage=Stores(),
        tickets=Tickets(),
        dates=Dates(app.clock.now()),
        addresses={"graph": "g", "storage": "s", "ticket-system": "t"},
        ticket="RITM0010001",
    )


def person(world: World) -> Person:
    return Person(
        world.tenant.account(JONI).person.id, JONI, enabled=True, guest=False, management_restricted=False, synced=False
    )


async def statuses(tenant: Tenant) -> dict[str, Status]:
    examined = await examine(tenant)
    assert tuple(one.id for one in examined.findings) == EVERY_ID[len(configuration.IDS) :]
    return amiss(examined.findings)


FINE = {"registration-protected": Status.NOT_CHECKED, "ticket-catalog-item": Status.FAULT}
"""The fake ticket is for an item of its own."""


async def test_a_tenant_is_looked_at_without_any_write(world: World, tenant: Tenant) -> None:
    assert await statuses(tenant) == FINE
    assert {
        name for name in world.calls.names() if not name.endswith((".read", ".person", ".standing", ".inventory", ".lacking"))
    } == set()


async def test_every_check_is_made_whatever_becomes_of_the_others(tenant: Tenant) -> None:
    """An error that nobody has thought of is one check that was not made, and never a pass."""
    broken = replace(tenant, storage=Stores(error=RuntimeError("eyJhbGciOi")))
    found = await statuses(broken)
    stores = {one for one in EVERY_ID if one.startswith("storage-")} | {"queue-encoding", "poison-empty"}
    assert found == FINE | dict.fromkeys(stores, Status.NOT_CHECKED)
    examined = await examine(broken)
    assert not passes(examined.findings)
    assert "eyJ" not in str(examined)


async def test_storage_that_does_not_answer_is_a_fault(tenant: Tenant) -> None:
    found = await statuses(replace(tenant, storage=Stores(error=Unavailable(WaitingFor.STORAGE, "status 503"))))
    for name in (
        "storage-requests-queue",
        "storage-results-queue",
        "storage-poison-queue",
        "storage-journal",
        "storage-receipts",
    ):
        assert found[name] is Status.FAULT


async def test_what_is_not_there_is_fine_only_for_whoever_may_make_it(world: World, tenant: Tenant) -> None:
    """A role is given on a table that there is; a connection string opens the whole account."""
    new = replace(tenant, storage=Stores(there=False))
    assert await statuses(new) == FINE
    by_role = Connection("Journal", None, table_url="https://contoso.table.core.windows.net")
    settings = replace(new.app.settings, journal=by_role, queues=by_role)
    found = by_id((await examine(replace(new, app=replace(new.app, settings=settings)))).findings)
    for name in ("storage-poison-queue", "storage-journal", "storage-control", "storage-receipts"):
        assert found[name].status is Status.WARNING
        assert " create " in str(found[name].mend)
        assert found[name].what.startswith("There is no ")
    assert found["poison-empty"].status is Status.OK


async def test_storage_that_does_not_let_us_in_names_the_role(tenant: Tenant) -> None:
    shut = replace(tenant, storage=Stores(error=NotLetIn(WaitingFor.STORAGE, "403 AuthorizationPermissionMismatch")))
    found = by_id((await examine(shut)).findings)
    assert '"Storage Table Data Contributor"' in str(found["storage-journal"].mend)
    assert "AuthorizationPermissionMismatch" in found["storage-journal"].what


@pytest.mark.parametrize(
    "error", [Forbidden(WaitingFor.TICKET_SYSTEM, "http-403"), TokenRefused(WaitingFor.TICKET_SYSTEM, "http-401")]
)
async def test_a_ticket_system_that_refuses_us_is_a_fault(tenant: Tenant, error: Exception) -> None:
    found = await statuses(replace(tenant, tickets=Tickets(error=error)))
    assert found["ticket-system"] is Status.FAULT
    assert found["ticket-sample"] is Status.NOT_CHECKED


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        (RowsSeen(2, 2), Status.OK),
        (RowsSeen(1, 2), Status.FAULT),
        (RowsSeen(2, None), Status.FAULT),
        (RowsSeen(0, 0), Status.NOT_CHECKED),
    ],
)
async def test_approvals_are_seen_to_be_readable_or_not(tenant: Tenant, seen: RowsSeen, status: Status) -> None:
    found = await statuses(replace(tenant, tickets=Tickets(approvals_seen=seen)))
    assert found.get("ticket-approvals", Status.OK) is status


async def test_without_a_token_there_is_nothing_to_say_about_permissions(tenant: Tenant) -> None:
    error = Unavailable(WaitingFor.GRAPH, "token: no token, ClientAuthenticationError")
    found = await statuses(replace(tenant, graph=Graph(error=error, people=(Person(JONI, JONI, True, False, False, False),))))
    assert found["graph-token"] is Status.FAULT
    assert found["permissions-excess"] is Status.NOT_CHECKED


async def test_without_a_known_administrator_the_guard_is_not_known(tenant: Tenant) -> None:
    assert await statuses(replace(tenant, graph=Graph())) == FINE | {"guard-canary": Status.NOT_CHECKED}


async def test_a_canary_who_is_not_there_proves_nothing(tenant: Tenant) -> None:
    gone = replace(tenant, canary="nobody.at.all@contoso.com")
    assert await statuses(gone) == FINE | {"guard-canary": Status.NOT_CHECKED}


async def test_a_canary_who_is_no_administrator_is_a_fault(tenant: Tenant) -> None:
    assert await statuses(replace(tenant, canary=ADELE)) == FINE | {"guard-canary": Status.FAULT}


async def test_a_file_that_is_no_list_of_policies_is_not_taken_for_one(tenant: Tenant) -> None:
    found = by_id((await examine(replace(tenant, policies=b'{"error": {}}'))).findings)
    assert found["registration-protected"].status is Status.NOT_CHECKED


@pytest.mark.parametrize(
    ("host_json", "environment", "status"),
    [
        (b'{"extensions": {"queues": {"messageEncoding": "base64"}}}', {}, Status.OK),
        (b'{"version": "2.0"}', {}, Status.OK),
        (b'{"extensions": {"queues": {"messageEncoding": "none"}}}', {}, Status.FAULT),
        (b'{"version": "2.0"}', {examination.ENCODING_SETTING: "none"}, Status.FAULT),
        (b'{"extensions": {"queues": {"messageEncoding": "none"}}}', {examination.ENCODING_SETTING: "base64"}, Status.OK),
        (b'{"version": "2.0"}', {examination.ENCODING_SETTING.upper(): "none"}, Status.FAULT),  # the host minds no case
        (b"no JSON", {}, Status.FAULT),
        (b"[]", {}, Status.FAULT),
    ],
)
async def test_how_the_host_reads_messages(tenant: Tenant, host_json: bytes, environment: dict[str, str], status: Status) -> None:
    found = await statuses(replace(tenant, host_json=host_json, environment=environment))
    assert found.get("queue-encoding", Status.OK) is status


async def test_a_clock_that_cannot_be_asked_is_not_known(tenant: Tenant) -> None:
    found = await statuses(replace(tenant, addresses={}))
    assert found == FINE | dict.fromkeys(("clock-graph", "clock-storage", "clock-ticket-system"), Status.NOT_CHECKED)


@pytest.mark.parametrize(("seconds", "status"), [(60, Status.WARNING), (600, Status.FAULT)])
async def test_every_clock_is_held_against_ours(tenant: Tenant, seconds: int, status: Status) -> None:
    late = replace(tenant, dates=Dates(tenant.app.clock.now() + timedelta(seconds=seconds)))
    assert await statuses(late) == FINE | dict.fromkeys(("clock-graph", "clock-storage", "clock-ticket-system"), status)
