"""The doctor against the running sandbox: each fault is provoked once and found, a tenant in order passes, nothing is written."""

import base64
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from sandbox.identity import DEFAULT_PERMISSIONS
from sandbox.people import ADELE, EVERYONE_GROUP_ID, JONI
from sandbox.servicenow import INTEGRATION_USER, INTEGRATION_USER_ID
from sandbox.stack import AGENT, APPROVER, OTHER_ITEM, Remote, Stack
from shared.cli.doctor import NEEDS
from shared.doctor import configuration, examination, permissions
from tests.e2e.story import Another
from tests.e2e.test_operator import ran

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVERY_ID = (*configuration.IDS, *permissions.ids(NEEDS), *(one for ids, _ in examination.CHECKS for one in ids))
GROUP = "9b000000000000000000000000000001"
PROOF, PROFILE, OBJECT_ID = "u_identity_proof", "u_profile", "u_entra_object_id"
TICKET_TEXT = "caller lost the phone on a train"
PHONE = "2065550101"  # Adele's


@dataclass
class Patient:
    """A tenant in order, and a file of settings that can be spoilt."""

    stack: Stack
    folder: Path
    settings: dict[str, str]
    ticket: str
    words: list[str] = field(default_factory=list)

    async def examined(self, *words: str, **changes: str | None) -> dict[str, Any]:
        """The document, held against its exit status; with these settings changed, or left out where they are None."""
        values = {name: value for name, value in {**self.settings, **changes}.items() if value is not None}
        file = self.folder / "local.settings.json"
        file.write_text(json.dumps({"Values": values}))
        done = await ran(self.folder, "--settings", file, "doctor", "--json", *(words or ("--ticket", self.ticket)))
        assert done.returncode in (0, 1), (done.stdout, done.stderr)
        said: dict[str, Any] = json.loads(done.stdout)
        assert said["ok"] is (done.returncode == 0)
        assert tuple(one["id"] for one in said["findings"]) == EVERY_ID
        for secret in self.secrets():
            assert secret not in done.stdout + done.stderr
        return said

    def secrets(self) -> tuple[str, ...]:
        """What the command was given or has read, and must not show; `eyJ` begins every token."""
        stack = self.stack
        keys = stack.account.key, stack.journal_account.key, stack.webhook_key, self.settings["IDENTITY_HEADER"]
        return (*keys, "eyJ", PHONE, TICKET_TEXT)


def found(document: Mapping[str, Any]) -> dict[str, str]:
    """What is not as it should be, by id."""
    return {one["id"]: one["status"] for one in document["findings"] if one["status"] != "ok"}


def what(document: Mapping[str, Any], finding: str) -> str:
    (one,) = [one for one in document["findings"] if one["id"] == finding]
    assert one["why"]
    assert one["status"] not in ("warning", "fault") or one["mend"], one
    return str(one["what"])


FINE = {"registration-protected": "not-checked"}
"""What our identity is not meant to see."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(another: Another) -> AsyncIterator[Stack]:
    """A stack of this file's own, without an app: nobody else writes to it."""
    async with another(app=False) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ticket(stack: Stack) -> str:
    """Approved, with everything that a ticket can have."""
    await stack.servicenow.post("/_sim/groups", {"name": "MFA approvers", "sys_id": GROUP, "members": [APPROVER]})
    adele = await stack.person(ADELE)
    fields = {OBJECT_ID: adele["id"]}
    await stack.servicenow.put("/_sim/fields", {"table": "sys_user", "record": ADELE, "fields": fields})
    opened = await stack.open_ticket(ADELE, **{PROOF: "verified_id", PROFILE: "require-reregister"}, description=TICKET_TEXT)
    await stack.approve(opened)
    return str(opened["number"])


@pytest.fixture
def patient(stack: Stack, ticket: str, tmp_path: Path) -> Patient:
    chosen = {
        "AZURE_CLIENT_ID": "0b0b0b0b-1111-4222-8333-444444444444",
        "ALLOWED_PROFILES": "require-reregister",
        "PROTECTED_USERS": "c0117050-0000-4000-8000-000000000009",
        "PROTECTED_GROUPS": EVERYONE_GROUP_ID,
        "SERVICENOW_INTEGRATION_USER": INTEGRATION_USER_ID,
        "SERVICENOW_USER_FIELD": OBJECT_ID,
        "SERVICENOW_PROFILE_FIELD": PROFILE,
        "PROOF_FIELD": PROOF,
        "PROOF_ACCEPTED": "verified_id",
        "APPROVER_GROUP": GROUP,
    }
    return Patient(stack, tmp_path, {**stack.settings, **chosen}, ticket)


async def everything_stored(stack: Stack) -> dict[str, Any]:
    """Every queue, table and container of both accounts."""
    seen: dict[str, Any] = {}
    for account in (stack.account, stack.journal_account):
        async with (
            QueueServiceClient.from_connection_string(account.connection_string) as queues,
            TableServiceClient.from_connection_string(account.connection_string) as tables,
            BlobServiceClient.from_connection_string(account.connection_string) as blobs,
        ):
            seen[account.name] = (
                sorted([queue.name async for queue in queues.list_queues()]),
                sorted([table.name async for table in tables.list_tables()]),
                sorted([container.name async for container in blobs.list_containers()]),
            )
    return seen


# ---- a tenant in order


async def test_a_tenant_in_order_passes_and_nothing_is_written_or_made(patient: Patient) -> None:
    stored, stack = await everything_stored(patient.stack), patient.stack
    said = await patient.examined()
    assert found(said) == FINE
    assert said["ok"] is True
    assert said["mode"] == "enforce"
    assert said["identity"] == {
        "tenant": "11111111-2222-4333-8444-555555555555",
        "appId": "0b0b0b0b-1111-4222-8333-444444444444",
        "objectId": "0a0a0a0a-1111-4222-8333-444444444444",
    }
    assert await everything_stored(stack) == stored
    for service in (stack.graph, stack.servicenow):
        assert {call["method"] for call in await service.log()} == {"GET"}


async def test_the_sample_ticket_may_be_named_by_its_sys_id(patient: Patient) -> None:
    record = (await patient.stack.servicenow.get(f"/_sim/ticket?ticket={patient.ticket}"))["record"]
    assert found(await patient.examined("--ticket", record["sys_id"])) == FINE


async def test_people_are_shown_what_is_wrong_why_and_what_mends_it(patient: Patient) -> None:
    """In a dry run a ticket need not be named."""
    file = patient.folder / "people.json"
    file.write_text(json.dumps({"Values": {**patient.settings, "MODE": "dry-run", "COOLDOWN": "PT0S"}}))
    done = await ran(patient.folder, "--settings", file, "doctor", "--canary", JONI)
    words = " ".join(done.stdout.split())
    assert done.returncode == 0, words
    assert "cooldown: COOLDOWN is nothing: one person may be reset again and again. Resets of one person" in words
    assert "az functionapp config appsettings set" in words
    assert "ticket-sample: No ticket was named." in words
    assert "No fault was found." in words


async def test_without_a_ticket_a_tenant_that_enforces_does_not_pass(patient: Patient) -> None:
    said = await patient.examined("--canary", JONI)
    assert said["ok"] is False
    assert found(said) == FINE | dict.fromkeys(("ticket-sample", *examination.TICKET_IDS), "not-checked")


# ---- settings


async def test_guardrails_that_are_left_out_are_found(patient: Patient) -> None:
    said = await patient.examined(
        COOLDOWN="PT0S",
        PROTECTED_USERS=None,
        PROTECTED_GROUPS=None,
        SERVICENOW_INTEGRATION_USER=None,
        APPROVER_GROUP=None,
        PROOF_FIELD=None,
        PROOF_ACCEPTED=None,
        SERVICENOW_CATALOG_ITEMS="*",
        SERVICENOW_CATALOG_ITEM="abc",  # misspelt
        SERVICENOW_USER_FIELD="user_name",
        JOURNAL_CONNECTION=None,
        WEBHOOK_KEYS="whsec_" + base64.b64encode(b"k" * 24).decode(),
        ALLOWED_PROFILES="require-reregister full-reset",
        AzureFunctionsJobHost__extensions__queues__messageEncoding="none",
    )
    expected = {
        "cooldown": "fault",
        "protected-users": "fault",
        "protected-groups": "warning",
        "integration-user": "fault",
        "approver-group": "warning",
        "proof-required": "warning",
        "catalog-items": "warning",
        "settings-effective": "warning",
        "subject-field": "warning",
        "journal-account": "warning",
        "webhook-keys": "warning",
        "permissions-full-reset": "warning",
        "queue-encoding": "fault",
    }
    assert found(said) == FINE | expected
    assert said["ok"] is False
    assert "SERVICENOW_CATALOG_ITEM " in what(said, "settings-effective")
    assert "no proof of identity is required" in what(said, "proof-required")
    for finding in expected:
        what(said, finding)


async def test_every_problem_with_the_settings_is_told_and_the_rest_is_examined(patient: Patient) -> None:
    """The key is a reference to a vault that was not resolved."""
    said = await patient.examined(
        BREAKER_LIMIT="many",
        REQUEST_MAX_AGE="soon",
        WEBHOOK_KEYS="@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/key)",
    )
    for name in ("BREAKER_LIMIT", "REQUEST_MAX_AGE", "WEBHOOK_KEYS"):
        assert name in what(said, "settings-valid")
    assert "WEBHOOK_KEYS" in what(said, "key-vault-references")
    assert found(said) == FINE | dict.fromkeys(("settings-valid", "key-vault-references", "webhook-keys"), "fault")
    assert said["ok"] is False


async def test_with_settings_that_allow_no_check_nothing_passes(patient: Patient) -> None:
    said = await patient.examined(AzureWebJobsStorage=None, WEBHOOK_KEYS=None)
    assert (said["ok"], said["mode"], said["identity"]) == (False, None, None)
    assert (found(said)["settings-valid"], found(said)["guard-canary"]) == ("fault", "not-checked")


async def test_a_webhook_without_a_key_is_found(patient: Patient) -> None:
    assert found(await patient.examined(WEBHOOK_KEYS=None)) == FINE | {"webhook-keys": "fault"}


async def test_what_a_ticket_does_not_have_is_found(patient: Patient) -> None:
    said = await patient.examined(
        PROOF_FIELD="u_no_such_field",
        SERVICENOW_PROFILE_FIELD="u_neither",
        SERVICENOW_CATALOG_ITEMS=OTHER_ITEM,
        SERVICENOW_USER_FIELD="u_nor_this",
        APPROVER_GROUP="9b000000000000000000000000000002",
    )
    expected = ("ticket-proof-field", "ticket-profile-field", "ticket-catalog-item", "ticket-subject", "ticket-approver-group")
    assert found(said) == FINE | dict.fromkeys(expected, "fault")
    for finding in expected:
        what(said, finding)


async def test_a_field_that_leads_to_nobody_in_entra_is_found(patient: Patient) -> None:
    said = await patient.examined(SERVICENOW_USER_FIELD="sys_id")
    assert found(said) == FINE | {"ticket-subject": "fault"}


async def test_a_token_that_servicenow_does_not_accept_is_found(patient: Patient) -> None:
    said = await patient.examined(SERVICENOW_AUDIENCE="api://somebody-else")
    unknown = dict.fromkeys(("ticket-total-count", "ticket-sample", *examination.TICKET_IDS), "not-checked")
    assert found(said) == FINE | unknown | {"ticket-system": "fault", "ticket-approver-group": "fault"}
    assert "does not accept our token" in what(said, "ticket-system")


# ---- Microsoft Graph

TOO_MANY = (
    "UserAuthMethod-TAP.ReadWrite.All",
    "Directory.ReadWrite.All",
    "RoleManagement.ReadWrite.Directory",
    "AuditLog.Read.All",
)


@asynccontextmanager
async def granted(stack: Stack, *roles: str, less: tuple[str, ...] = ()) -> AsyncIterator[None]:
    """The identity with more permissions than the default set, or less."""
    await stack.identity.put("/_sim/roles", {"roles": sorted({*DEFAULT_PERMISSIONS, *roles} - {*less})})
    try:
        yield
    finally:
        await stack.identity.put("/_sim/roles", {"roles": sorted(DEFAULT_PERMISSIONS)})


async def test_each_permission_that_is_lacking_and_each_too_many_is_found(patient: Patient) -> None:
    async with granted(patient.stack, *TOO_MANY, less=tuple(DEFAULT_PERMISSIONS)):
        said = await patient.examined()
    for permission in DEFAULT_PERMISSIONS:
        name = "permission-" + permission.lower().replace(".", "-")
        assert found(said)[name] == "fault"
        assert permission in what(said, name)
    for permission in TOO_MANY:
        assert permission in what(said, "permissions-excess")
    assert (found(said)["permissions-excess"], said["ok"]) == ("fault", False)


async def test_without_full_reset_what_covers_every_method_is_told_as_what_only_a_deadlocked_default_needs(
    patient: Patient,
) -> None:
    async with granted(patient.stack, "UserAuthenticationMethod.ReadWrite.All"):
        said = await patient.examined()
    assert found(said) == FINE | {"permissions-excess": "warning"}
    assert "deadlocked default" in what(said, "permissions-excess")


async def test_without_a_token_nothing_about_graph_passes(patient: Patient) -> None:
    said = await patient.examined(IDENTITY_HEADER="not-the-one-of-this-app")
    seen = found(said)
    assert (seen["graph-token"], seen["permissions-excess"], seen["guard-canary"]) == ("fault", "not-checked", "not-checked")


async def test_an_administrator_who_is_not_refused_is_a_fault(patient: Patient) -> None:
    """So is a tenant whose registration nothing protects, as a person has found out."""
    (patient.folder / "policies.json").write_text(json.dumps({"value": [policy("disabled")]}))
    said = await patient.examined("--ticket", patient.ticket, "--canary", ADELE, "--policies", "policies.json")
    assert found(said) == {"guard-canary": "fault", "registration-protected": "fault"}
    assert said["ok"] is False


async def test_without_a_known_administrator_the_guard_is_not_checked_and_nothing_passes(patient: Patient) -> None:
    await patient.stack.graph.fault(path="roleDefinitionId", times=5, status=403)
    try:
        said = await patient.examined()
    finally:
        await patient.stack.graph.delete("/_sim/faults")
    assert (found(said), said["ok"]) == (FINE | {"guard-canary": "not-checked"}, False)


async def test_a_canary_whose_roles_cannot_be_read_is_not_refused_for_certain(patient: Patient) -> None:
    await patient.stack.graph.fault(path="transitiveMemberOf", times=50, status=503)
    try:
        said = await patient.examined("--ticket", patient.ticket, "--canary", JONI)
    finally:
        await patient.stack.graph.delete("/_sim/faults")
    assert (found(said), said["ok"]) == (FINE | {"guard-canary": "not-checked"}, False)


def policy(state: str = "enabled", users: str = "All", action: str = "urn:user:registersecurityinfo") -> dict[str, Any]:
    return {
        "displayName": "Registration",
        "state": state,
        "conditions": {
            "applications": {"includeApplications": [], "includeUserActions": [action]},
            "users": {"includeUsers": [users]},
        },
        "grantControls": {"operator": "OR", "builtInControls": ["mfa"], "authenticationStrength": None},
    }


async def test_with_a_permission_that_it_must_not_have_the_list_is_read_and_the_permission_reported(patient: Patient) -> None:
    async with granted(patient.stack, "Policy.Read.All"):
        bare = await patient.examined()
        await patient.stack.graph.put("/_sim/policies", [policy()])
        covered = await patient.examined()
    assert found(bare) == {"permissions-excess": "warning", "registration-protected": "fault"}
    assert found(covered) == {"permissions-excess": "warning"}


# ---- storage


async def test_what_is_shut_names_the_role_that_is_missing(patient: Patient) -> None:
    """A key of somebody else's opens nothing: storage answers 403."""
    wrong = base64.b64encode(b"another key" * 6).decode()

    def shut(name: str) -> str:
        return ";".join(
            f"AccountKey={wrong}" if part.startswith("AccountKey=") else part for part in patient.settings[name].split(";")
        )

    said = await patient.examined(AzureWebJobsStorage=shut("AzureWebJobsStorage"), JournalStorage=shut("JournalStorage"))
    seen = found(said)
    roles = {
        "storage-requests-queue": "Storage Queue Data Contributor",
        "storage-results-queue": "Storage Queue Data Contributor",
        "storage-poison-queue": "Storage Queue Data Contributor",
        "storage-journal": "Storage Table Data Contributor",
        "storage-control": "Storage Table Data Contributor",
        "storage-receipts": "Storage Blob Data Contributor",
    }
    for name, role in roles.items():
        assert seen[name] == "fault"
        assert "403" in what(said, name)
        assert role in next(one["mend"] for one in said["findings"] if one["id"] == name)
    assert (seen["queue-encoding"], seen["poison-empty"]) == ("not-checked", "not-checked")
    assert "ticket-sample" not in seen


async def test_what_is_wrong_with_queues_is_found_and_left_as_it_is(patient: Patient) -> None:
    """One is not there, a message on another is not base64, and something lies among the poison."""
    async with QueueServiceClient.from_connection_string(patient.stack.account.connection_string) as service:
        requests, results, poison = map(service.get_queue_client, ("mfa-requests", "mfa-results", "mfa-requests-poison"))
        await results.delete_queue()
        await poison.create_queue()
        await poison.send_message(base64.b64encode(b"anything").decode())
        await requests.send_message('{"plain": "JSON"}')
        await requests.send_message(base64.b64encode(b"{}").decode())
        stored = await everything_stored(patient.stack)
        try:
            said = await patient.examined()
            assert await everything_stored(patient.stack) == stored
            assert [len(await queue.peek_messages(5)) for queue in (requests, poison)] == [2, 1]
        finally:
            await requests.clear_messages()
            await poison.delete_queue()
            await results.create_queue()
    expected = ("storage-results-queue", "queue-encoding", "poison-empty")
    assert found(said) == FINE | dict.fromkeys(expected, "fault")
    assert "1 of the 2" in what(said, "queue-encoding")
    assert "plain" not in json.dumps(said)


async def test_the_journal_on_the_hosts_account_under_another_name_is_noticed(patient: Patient) -> None:
    said = await patient.examined(JournalStorage=patient.settings["AzureWebJobsStorage"])
    assert found(said) == FINE | {"journal-account": "warning"}


# ---- ServiceNow


@asynccontextmanager
async def may(stack: Stack, **less: Any) -> AsyncIterator[None]:
    """The integration user with rights of this kind."""
    usual = {
        "read": ["sc_req_item", "sysapproval_approver", "sys_user", "sys_user_grmember"],
        "write": {"sc_req_item": ["work_notes", "comments", "state"]},
    }
    await stack.servicenow.put("/_sim/rights", {"user": INTEGRATION_USER, "rights": {**usual, **less}})
    try:
        yield
    finally:
        await stack.servicenow.put("/_sim/rights", {"user": INTEGRATION_USER, "rights": "integration"})


async def test_without_rights_in_servicenow_it_is_not_reached(patient: Patient) -> None:
    async with may(patient.stack, api=False):
        said = await patient.examined()
    assert found(said)["ticket-system"] == "fault"
    assert "http-403" in what(said, "ticket-system")


async def test_what_servicenow_hides_is_found(patient: Patient) -> None:
    hidden = {"sc_req_item": ["opened_by", "work_notes", PROOF], "sys_user": [OBJECT_ID]}
    only = {"sysapproval_approver": "state=rejected", "sys_user_grmember": "group=none"}
    async with may(patient.stack, hidden=hidden, only=only):
        said = await patient.examined()
    expected = ("ticket-fields", "ticket-proof-field", "ticket-subject", "ticket-approvals", "ticket-approver-group")
    assert (found(said), said["ok"]) == (FINE | dict.fromkeys(expected, "fault"), False)
    assert "opened_by, work_notes" in what(said, "ticket-fields")
    assert "0 of 1" in what(said, "ticket-approvals")


async def test_a_part_of_an_approval_that_is_hidden_is_found_and_a_ticket_that_is(patient: Patient) -> None:
    async with may(patient.stack, hidden={"sysapproval_approver": ["state"]}):
        said = await patient.examined()
    assert found(said) == FINE | {"ticket-approvals": "fault"}
    async with may(patient.stack, only={"sc_req_item": "number=none"}):
        said = await patient.examined()
    assert found(said) == FINE | {"ticket-sample": "fault"} | dict.fromkeys(examination.TICKET_IDS, "not-checked")


async def turned(stack: Stack, examine: Callable[[], Awaitable[dict[str, Any]]], **settings: Any) -> dict[str, Any]:
    before = await stack.servicenow.get("/_sim/settings")
    await stack.servicenow.put("/_sim/settings", settings)
    try:
        return await examine()
    finally:
        await stack.servicenow.put("/_sim/settings", {name: before[name] for name in settings})


async def test_a_gateway_that_takes_the_total_away_is_found(patient: Patient) -> None:
    said = await turned(patient.stack, patient.examined, total_count=False)
    assert found(said) == FINE | {"ticket-total-count": "fault", "ticket-approvals": "fault"}


async def test_an_instance_that_sleeps_is_found(patient: Patient) -> None:
    said = await turned(patient.stack, patient.examined, hibernating=200)
    assert found(said)["ticket-system"] == "fault"
    assert found(said)["ticket-sample"] == "not-checked"


# ---- clocks


async def test_clocks_that_are_beside_ours_are_found(patient: Patient) -> None:
    async def ahead(service: Remote, path: str, seconds: int) -> None:
        told = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        await service.fault(path=path, status=401, headers={"Date": told})

    graph, servicenow = patient.stack.graph, patient.stack.servicenow
    await ahead(graph, "^/v1.0/organization", 100)
    await ahead(servicenow, "sys_user.sysparm_limit=1", -600)
    try:
        said = await patient.examined()
    finally:
        await graph.delete("/_sim/faults")
        await servicenow.delete("/_sim/faults")
    assert found(said) == FINE | {"clock-graph": "warning", "clock-ticket-system": "fault"}


# ---- usage


async def test_a_file_of_policies_that_is_not_there_is_told_in_words(patient: Patient) -> None:
    file = patient.folder / "local.settings.json"
    file.write_text(json.dumps({"Values": patient.settings}))
    done: subprocess.CompletedProcess[str] = await ran(
        patient.folder, "--settings", file, "doctor", "--json", "--policies", "missing.json"
    )
    assert done.returncode == 1
    assert "missing.json" in json.loads(done.stdout)["error"]
    assert AGENT not in done.stdout
