"""The simulated Graph lets an administrator make and delete users, and says what tenant it is, as the real one does."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.graph.administration import ROUTES
from sandbox.people import ADELE, EMILY, JONI, MIRIAM, PASSWORD_ID, PHONE_IDS
from tests.contract.graph_stack import EVENTUAL, Stack, refused, started

PERMISSIONS = {
    ("GET", "/users"): {
        "User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All",
    },
    ("POST", "/users"): {"User.ReadWrite.All", "Directory.ReadWrite.All"},
    ("DELETE", "/users/{id}"): {"User.ReadWrite.All"},
    ("POST", "/users/{id}/authentication/phonemethods"): {
        "UserAuthMethod-Phone.ReadWrite.All", "UserAuthenticationMethod.ReadWrite.All",
    },
    ("GET", "/organization"): {"Directory.Read.All", "Directory.ReadWrite.All"},
    ("GET", "/subscribedskus"): {
        "Organization.Read.All", "Organization.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All",
    },
}  # fmt: skip
"""Application permissions, any one of which suffices, from the pages of these calls."""
ADMINISTRATOR = ("Directory.Read.All", "User.ReadWrite.All", "UserAuthenticationMethod.ReadWrite.All")
NEW = {
    "accountEnabled": False,
    "displayName": "New Hire",
    "mailNickname": "new.hire",
    "userPrincipalName": "new.hire@contoso.com",
    "employeeType": "Test",
    "passwordProfile": {"forceChangePasswordNextSignIn": True, "password": "Any Thing 1"},
}
MOBILE = {"phoneNumber": "+1 2065550177", "phoneType": "mobile"}


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with started() as running_stack:
        running_stack.permissions = ADMINISTRATOR
        yield running_stack


def test_the_permissions_are_those_of_each_calls_own_page() -> None:
    assert {(route.method, route.path): set(route.permissions) for route in ROUTES} == PERMISSIONS


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_without_its_permission_each_call_is_refused_and_changes_nothing(stack: Stack, route: Any) -> None:
    path = route.path.format(id=stack.tenant.account(EMILY).person.id)
    others = set(ADMINISTRATOR) - route.permissions
    response = await stack.call(route.method, path, permissions=others, json=NEW if route.method == "POST" else None)
    assert response.status_code == 403
    assert stack.graph.changes() == []


async def test_a_new_user_has_a_password_alone_and_what_was_asked_for(stack: Stack) -> None:
    made = await stack.call("POST", "/users", json=NEW)
    assert made.status_code == 201
    assert "employeeType" not in made.json()
    seen = await stack.get(f"/users/{made.json()['id']}?$select=id,userPrincipalName,accountEnabled,employeeType")
    assert (seen["userPrincipalName"], seen["accountEnabled"], seen["employeeType"]) == (NEW["userPrincipalName"], False, "Test")
    assert [method.id for method in stack.tenant.account(seen["id"]).methods] == [PASSWORD_ID]


@pytest.mark.parametrize(
    "change",
    [
        {"userPrincipalName": ADELE},
        {"userPrincipalName": "new.hire@fabrikam.com"},
        {"userPrincipalName": "new hire@contoso.com"},
        {"displayName": ""},
        {"accountEnabled": None},
        {"passwordProfile": {}},
        {"nonsense": 1},
    ],
)
async def test_a_user_who_cannot_be_made_is_refused(stack: Stack, change: dict[str, Any]) -> None:
    refused(await stack.call("POST", "/users", json=NEW | change), 400, "Request_BadRequest")
    assert len(stack.tenant.accounts) == len((await stack.get("/users?$top=999"))["value"])


async def test_a_deleted_user_is_not_there_any_more(stack: Stack) -> None:
    assert (await stack.call("DELETE", f"/users/{EMILY}")).status_code == 204
    refused(await stack.call("GET", f"/users/{EMILY}"), 404, "Request_ResourceNotFound")
    refused(await stack.call("DELETE", f"/users/{EMILY}"), 404, "Request_ResourceNotFound")


async def test_an_application_deletes_no_administrator(stack: Stack) -> None:
    refused(await stack.call("DELETE", f"/users/{JONI}"), 403, "Authorization_RequestDenied")
    assert stack.tenant.find(JONI)


async def test_a_phone_is_added_once_of_each_type_and_a_mobile_first(stack: Stack) -> None:
    path = f"/users/{EMILY}/authentication/phoneMethods"
    refused(await stack.call("POST", path, json=MOBILE | {"phoneType": "alternateMobile"}), 400, "badRequest")
    added = await stack.call("POST", path, json=MOBILE)
    assert (added.status_code, added.json()["id"]) == (201, PHONE_IDS["mobile"])
    refused(await stack.call("POST", path, json=MOBILE), 400, "badRequest")
    assert (await stack.call("POST", path, json=MOBILE | {"phoneType": "alternateMobile"})).status_code == 201


@pytest.mark.parametrize("change", [{"phoneNumber": "2065550177"}, {"phoneType": "fax"}, {"phoneNumber": None}])
async def test_a_phone_that_is_none_is_refused(stack: Stack, change: dict[str, Any]) -> None:
    response = await stack.call("POST", f"/users/{EMILY}/authentication/phoneMethods", json=MOBILE | change)
    refused(response, 400, "badRequest")


async def test_a_restricted_unit_keeps_phones_from_being_added(stack: Stack) -> None:
    body = MOBILE | {"phoneType": "office"}
    response = await stack.call("POST", f"/users/{MIRIAM}/authentication/phoneMethods", json=body)
    refused(response, 403, "Authorization_RequestDenied")


async def test_users_are_counted_only_as_an_advanced_query(stack: Stack) -> None:
    refused(await stack.call("GET", "/users?$count=true&$top=1"), 400, "Request_UnsupportedQuery")
    body = await stack.get("/users?$count=true&$top=1&$select=id", headers=EVENTUAL)
    assert body["@odata.count"] == len(stack.tenant.accounts)
    assert len(body["value"]) == 1


async def test_the_tenant_says_who_it_is(stack: Stack) -> None:
    changed = await stack.client.put("/_sim/organization", json={"displayName": "Contoso Test", "synced": True})
    assert changed.status_code == 200
    assert (await stack.client.put("/_sim/organization", json={"nonsense": 1})).status_code == 400
    [ours] = (await stack.get("/organization"))["value"]
    assert (ours["displayName"], ours["onPremisesSyncEnabled"]) == ("Contoso Test", True)
    assert [domain["name"] for domain in ours["verifiedDomains"] if domain["isInitial"]] == ["contoso.onmicrosoft.com"]
    assert [domain["name"] for domain in ours["verifiedDomains"] if domain["isDefault"]] == ["contoso.com"]
    [sku] = (await stack.get("/subscribedSkus"))["value"]
    assert sku["consumedUnits"] == stack.tenant.organization.skus[sku["skuPartNumber"]]
