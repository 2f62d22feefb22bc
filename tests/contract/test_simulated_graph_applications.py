"""The simulated Graph where it is about service principals: it refuses what the real one refuses."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sandbox.graph.applications import GRANTER
from sandbox.graph.principals import DESK_APP_ID, DESK_OBJECT_ID, DESK_ROLE_ID, GRAPH_APP_ID, GRAPH_OBJECT_ID, GRAPH_ROLES
from sandbox.people import JONI, PATTI
from sandbox.tokens import IDENTITY_CLIENT_ID, IDENTITY_OBJECT_ID
from shared.cli import granting
from tests.contract.graph_stack import Stack, refused, started

READ = "Application.Read.All"
BOTH = (READ, GRANTER)
ROLE = GRAPH_ROLES["User.Read.All"]


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with started() as running:
        yield running


async def granted(stack: Stack, role: str = ROLE, *, permissions: tuple[str, ...] = BOTH, **more: str) -> httpx.Response:
    body = {"principalId": IDENTITY_OBJECT_ID, "resourceId": GRAPH_OBJECT_ID, "appRoleId": role} | more
    return await stack.call("POST", f"/servicePrincipals/{GRAPH_OBJECT_ID}/appRoleAssignedTo", json=body, permissions=permissions)


async def as_person(stack: Stack, upn: str, method: str, path: str, *scopes: str, **more: Any) -> httpx.Response:
    claims = {"idtyp": "user", "scp": " ".join(scopes), "oid": stack.tenant.account(upn).person.id}
    headers = {"Authorization": f"Bearer {stack.token((), **claims)}"}
    return await stack.client.request(method, f"/v1.0{path}", headers=headers, **more)


def test_it_offers_the_app_roles_that_the_product_knows_under_the_same_ids() -> None:
    wanted = granting.wanted(full_reset=True, deadlock=True)
    assert {value: GRAPH_ROLES[value] for value in wanted} == wanted


async def test_a_service_principal_is_read_by_its_object_id_and_by_its_application_id(stack: Stack) -> None:
    by_id = await stack.get(f"/servicePrincipals/{IDENTITY_OBJECT_ID}", permissions=[READ])
    by_app = await stack.get(f"/servicePrincipals(appId='{IDENTITY_CLIENT_ID}')", permissions=[READ])
    assert by_id == by_app
    assert (by_id["servicePrincipalType"], by_id["displayName"]) == ("ManagedIdentity", "reregister")
    graph = await stack.get(f"/servicePrincipals(appId='{GRAPH_APP_ID}')?$select=id,appRoles", permissions=[READ])
    assert graph.keys() - {"@odata.context"} == {"id", "appRoles"}
    assert {role["value"]: role["id"] for role in graph["appRoles"]} == GRAPH_ROLES


async def test_unknown_ones_are_not_found_and_names_are_no_ids(stack: Stack) -> None:
    for key in (f"/{DESK_APP_ID}", f"(appId='{DESK_OBJECT_ID}')"):
        refused(await stack.call("GET", f"/servicePrincipals{key}", permissions=[READ]), 404, "Request_ResourceNotFound")
    refused(await stack.call("GET", "/servicePrincipals/reregister", permissions=[READ]), 400, "Request_BadRequest")


async def test_they_are_found_by_name(stack: Stack) -> None:
    found = await stack.get("/servicePrincipals?$filter=displayName eq 'ServiceNow'&$select=id", permissions=[READ])
    assert found["value"] == [{"id": DESK_OBJECT_ID}]


async def test_an_assignment_is_made_listed_and_taken_away(stack: Stack) -> None:
    made = await granted(stack)
    assert made.status_code == 201
    path = f"/servicePrincipals/{IDENTITY_OBJECT_ID}/appRoleAssignments"
    (listed,) = (await stack.get(path, permissions=[READ]))["value"]
    assert (listed["appRoleId"], listed["resourceDisplayName"], listed["id"]) == (ROLE, "Microsoft Graph", made.json()["id"])
    gone = await stack.call("DELETE", f"{path}/{listed['id']}", permissions=BOTH)
    assert gone.status_code == 204
    assert (await stack.get(path, permissions=[READ]))["value"] == []
    refused(await stack.call("DELETE", f"{path}/{listed['id']}", permissions=BOTH), 404, "Request_ResourceNotFound")


async def test_a_second_assignment_of_the_same_role_is_a_bad_request(stack: Stack) -> None:
    assert (await granted(stack)).status_code == 201
    refused(await granted(stack), 400, "Request_BadRequest", "already exists on the object")
    assert stack.tenant.principals.held(IDENTITY_OBJECT_ID) == ["User.Read.All"]


@pytest.mark.parametrize(
    ("role", "body", "text"),
    [
        (DESK_ROLE_ID, {}, "was not found on application"),
        ("00000000-0000-0000-0000-000000000001", {}, "was not found on application"),
        (ROLE, {"resourceId": DESK_OBJECT_ID}, "Not a valid reference update"),
        (ROLE, {"principalId": IDENTITY_CLIENT_ID}, "Not a valid reference update"),
        (ROLE, {"more": "x"}, "need principalId"),
    ],
)
async def test_what_cannot_be_assigned_is_a_bad_request(stack: Stack, role: str, body: dict[str, str], text: str) -> None:
    refused(await granted(stack, role, permissions=BOTH, **body), 400, "Request_BadRequest", text)
    assert stack.tenant.principals.assignments == []


@pytest.mark.parametrize("permissions", [(READ,), (GRANTER,), ()])
async def test_granting_needs_both_permissions(stack: Stack, permissions: tuple[str, ...]) -> None:
    refused(await granted(stack, permissions=permissions), 403, "Authorization_RequestDenied")


async def test_reading_needs_a_permission(stack: Stack) -> None:
    response = await stack.call("GET", f"/servicePrincipals/{IDENTITY_OBJECT_ID}", permissions=["User.Read.All"])
    refused(response, 403, "Authorization_RequestDenied")


async def test_a_person_reads_by_what_was_delegated_and_grants_by_their_role(stack: Stack) -> None:
    path = f"/servicePrincipals/{GRAPH_OBJECT_ID}/appRoleAssignedTo"
    body = {"principalId": IDENTITY_OBJECT_ID, "resourceId": GRAPH_OBJECT_ID, "appRoleId": ROLE}
    one = f"/servicePrincipals/{IDENTITY_OBJECT_ID}"
    assert (await as_person(stack, PATTI, "GET", one, *BOTH)).status_code == 200
    refused(await as_person(stack, PATTI, "POST", path, *BOTH, json=body), 403, "Authorization_RequestDenied")
    refused(await as_person(stack, JONI, "POST", path, READ, json=body), 403, "Authorization_RequestDenied")
    assert (await as_person(stack, JONI, "POST", path, *BOTH, json=body)).status_code == 201


async def test_what_is_delegated_counts_nowhere_else(stack: Stack) -> None:
    person = stack.tenant.account(PATTI).person.id
    refused(await as_person(stack, JONI, "GET", f"/users/{person}", "User.Read.All"), 403, "Authorization_RequestDenied")
