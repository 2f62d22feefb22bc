"""The simulated Microsoft Graph has the calls, permissions and shapes of the real one, and refuses everything else."""

import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgraph.generated.models.user import User
from pydantic.alias_generators import to_camel

from sandbox import people, tokens
from sandbox.graph import SimulatedGraph, Tenant
from sandbox.graph.account import serves
from sandbox.graph.authentication import UNTYPED_DELETE
from sandbox.graph.kinds import KINDS, TOKEN_DEVICE
from sandbox.graph.server import ROUTES
from sandbox.people import (
    ADELE,
    ALEX,
    BIANCA,
    CHRISTIE,
    DEBRA,
    EMILY,
    ENRICO,
    GRADY,
    GUEST,
    HENRIETTA,
    IRVIN,
    ISAIAH,
    JONI,
    LEE,
    LYNNE,
    MIRIAM,
    NESTOR,
    PATTI,
    PHONE_IDS,
    RAUL,
)
from sandbox.simulator import running
from tests.contract.graph_stack import DEFAULT_SET, EVENTUAL, EVERYTHING, READ, WRITE, Stack, raw, refused, started

FACTS = Path(__file__).parent / "facts"


def facts(name: str) -> Any:
    return json.loads((FACTS / name).read_text())


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with started() as running_stack:
        yield running_stack


class TestAgainstMicrosoftsOwnFacts:
    def test_the_permission_table_is_microsofts_for_every_route(self) -> None:
        calls = facts("graph_permissions.json")["calls"]
        own_pages = {
            ("POST", "/users/{id}/authentication/hardwareoathmethods/{id}/deactivate"),
            ("GET", "/users/{id}/authentication/signinpreferences"),
            ("PATCH", "/users/{id}/authentication/signinpreferences"),
        }
        for route in ROUTES:
            path = route.path.partition("/graph.")[0]
            if (route.method, path) not in own_pages:
                assert route.permissions == set(calls[path][route.method]), (route.method, path)

    def test_deactivation_takes_the_permissions_that_the_metadata_prints_for_the_path_without_an_id(self) -> None:
        calls = facts("graph_permissions.json")["calls"]
        printed = calls["/users/{id}/authentication/hardwareoathmethods/deactivate"]["POST"]
        route = next(r for r in ROUTES if r.path.endswith("/deactivate"))
        assert route.permissions == set(printed)

    @pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.type != "hardwareOath"], ids=lambda kind: kind.type)
    def test_every_method_type_shows_exactly_the_properties_of_the_metadata(self, kind: Any) -> None:
        types = facts("graph_types.json")["types"]
        assert set(kind.shows) == set(types[f"{kind.type}AuthenticationMethod"]["properties"])

    @pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.type)
    def test_enumerations_have_values_of_the_metadata(self, kind: Any) -> None:
        document = facts("graph_types.json")
        for name, type_name in (
            document["types"].get(f"{kind.type}AuthenticationMethod", {"properties": {}})["properties"].items()
        ):
            values = document["enums"].get(type_name.removeprefix("graph."))
            assert values is None or kind.shows[name] in values, name

    def test_every_sign_in_preference_is_one_of_the_metadata_and_is_served_by_some_method(
        self,
    ) -> None:
        values = set(facts("graph_types.json")["enums"]["userDefaultAuthenticationMethod"]) - {"none", "unknownFutureValue"}
        phones = [people.phone(kind, "+1 2065550199") for kind in ("mobile", "alternateMobile", "office")]
        methods = [*phones, people.authenticator("x"), people.software_oath()]
        for value in values:
            assert any(serves(value, method) for method in methods), value

    @pytest.mark.parametrize(
        ("path", "type_name"),
        [
            (f"/users/{JONI}/transitiveMemberOf/graph.directoryRole?$count=true", "directoryRole"),
            ("/roleManagement/directory/roleAssignments", "unifiedRoleAssignment"),
            ("/roleManagement/directory/roleAssignmentScheduleInstances", "unifiedRoleAssignmentScheduleInstance"),
            ("/roleManagement/directory/roleEligibilityScheduleInstances", "unifiedRoleEligibilityScheduleInstance"),
            ("/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances?$filter=principalId eq '{nestor}'",
             "privilegedAccessGroupEligibilityScheduleInstance"),
            ("/auditLogs/directoryAudits", "directoryAudit"),
            ("/reports/authenticationMethods/userRegistrationDetails/{nestor}", "userRegistrationDetails"),
        ],
    )  # fmt: skip
    async def test_no_answer_has_a_property_that_the_metadata_does_not_know(
        self, stack: Stack, path: str, type_name: str
    ) -> None:
        await stack.call("POST", f"/users/{ADELE}/revokeSignInSessions")
        path = path.replace("{nestor}", stack.tenant.account(NESTOR).person.id)
        body = await stack.get(path, headers=EVENTUAL)
        entities = body.get("value", [body])
        assert entities
        types = facts("graph_types.json")["types"]
        base = types.get(types[type_name]["base"], {"properties": {}})["properties"]
        schedule = {"startDateTime", "endDateTime"} if type_name.startswith("privileged") else set()
        known = {"id", "deletedDateTime"} | set(types[type_name]["properties"]) | set(base) | schedule
        for entity in entities:
            assert {name for name in entity if not name.startswith("@")} <= known

    async def test_every_user_property_is_one_that_the_sdk_knows(self, stack: Stack) -> None:
        names = ",".join(
            ("id,accountEnabled,userType,externalUserState,creationType,onPremisesSyncEnabled,isManagementRestricted",
             "signInSessionsValidFromDateTime,department,employeeId")
        )  # fmt: skip
        body = await stack.get(f"/users/{GUEST}?$select={names}")
        assert {name for name in body if not name.startswith("@")} == set(names.split(","))
        assert set(names.split(",")) <= {to_camel(field.name) for field in dataclasses.fields(User)}

    async def test_a_hardware_token_has_the_documented_device(self, stack: Stack) -> None:
        [token] = (await stack.get(f"/beta/users/{CHRISTIE}/authentication/hardwareOathMethods"))["value"]
        assert set(token["device"]) == {*TOKEN_DEVICE, "id", "assignedTo"}
        assert token["device"]["id"] == token["id"]
        assert token["device"]["status"] == "activated"


class TestWhoMayCall:
    async def test_no_token_is_401_with_a_challenge_and_writes_nothing(self, stack: Stack) -> None:
        response = await stack.client.delete(f"/v1.0/users/{ADELE}/authentication/phoneMethods/{PHONE_IDS['mobile']}")
        refused(response, 401, "InvalidAuthenticationToken")
        assert response.headers["WWW-Authenticate"].startswith("Bearer ")
        assert stack.graph.changes() == []

    @pytest.mark.parametrize(
        ("token", "text"),
        [
            (lambda stack: stack.token(lifetime=-10), "expired"),
            (lambda stack: stack.token(audience="https://vault.azure.net"), "Invalid audience"),
            (lambda stack: stack.token(audience=stack.url + "/"), "Invalid audience"),
            (lambda stack: stack.token() + "x", "Invalid token"),
            (lambda stack: "none at all", "Invalid token"),
        ],
    )
    async def test_a_token_that_is_not_for_graph_now_is_401(self, stack: Stack, token: Callable[[Stack], str], text: str) -> None:
        headers = {"Authorization": f"Bearer {token(stack)}"}
        response = await stack.client.get(f"/v1.0/users/{ADELE}", headers=headers)
        refused(response, 401, "InvalidAuthenticationToken", text)

    @pytest.mark.parametrize("audience", [None, "https://graph.microsoft.com"])
    async def test_its_own_root_and_graphs_are_audiences(self, stack: Stack, audience: str | None) -> None:
        headers = {"Authorization": f"Bearer {stack.token(audience=audience)}"}
        assert (await stack.client.get(f"/v1.0/users/{ADELE}", headers=headers)).status_code == 200

    async def test_an_audience_that_is_given_is_the_only_one(self) -> None:
        graph = SimulatedGraph(audiences=["https://graph.microsoft.us"])
        async with running(graph.app) as url, httpx.AsyncClient(base_url=url, verify=False) as client:
            for audience, status in (("https://graph.microsoft.us", 200), (url, 401), ("https://graph.microsoft.com", 401)):
                headers = {"Authorization": f"Bearer {tokens.mint(audience, EVERYTHING)}"}
                assert (await client.get(f"/v1.0/users/{ADELE}", headers=headers)).status_code == status

    @pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
    async def test_every_route_refuses_a_token_without_its_permissions(self, stack: Stack, route: Any) -> None:
        user = stack.tenant.account(ADELE).person.id
        path = "/beta" + route.path.replace("{id}", user, 1).replace("{id}", PHONE_IDS["mobile"])
        response = await stack.call(route.method, path, permissions=["Mail.Send"])
        assert response.status_code == 403, response.text
        assert response.json()["error"]["code"]
        assert stack.graph.changes() == []

    async def test_methods_and_directory_refuse_in_their_own_words(self, stack: Stack) -> None:
        error = refused(
            await stack.call("GET", f"/users/{ADELE}/authentication/methods", permissions=["User.Read.All"]), 403, "accessDenied"
        )
        assert error["innerError"]["message"] == error["message"]
        response = await stack.call("POST", f"/users/{ADELE}/revokeSignInSessions", permissions=["User.Read.All"])
        refused(response, 403, "Authorization_RequestDenied", "Insufficient privileges")

    @pytest.mark.parametrize(
        ("permission", "segment", "allowed"),
        [
            ("UserAuthMethod-Phone.ReadWrite.All", "phoneMethods", True),
            ("UserAuthMethod-Phone.ReadWrite.All", "softwareOathMethods", False),
            ("UserAuthMethod-SoftwareOATH.ReadWrite.All", "softwareOathMethods", True),
            ("UserAuthMethod-MicrosoftAuthApp.ReadWrite.All", "microsoftAuthenticatorMethods", True),
            ("UserAuthMethod-Phone.Read.All", "phoneMethods", False),
            (READ, "phoneMethods", False),
            (WRITE, "phoneMethods", True),
        ],
    )
    async def test_deleting_takes_the_permission_of_the_type(
        self, stack: Stack, permission: str, segment: str, allowed: bool
    ) -> None:
        response = await stack.delete(ADELE, segment, "00000000-0000-0000-0000-000000000000", permissions=[permission])
        assert response.status_code == (404 if allowed else 403)

    async def test_the_default_permission_set_cannot_issue_a_temporary_access_pass_nor_change_the_default(
        self, stack: Stack
    ) -> None:
        issue = await stack.call(
            "POST", f"/users/{ADELE}/authentication/temporaryAccessPassMethods", json={}, permissions=DEFAULT_SET
        )
        refused(issue, 403, "accessDenied")
        change = {"userPreferredMethodForSecondaryAuthentication": "push"}
        path = f"/beta/users/{ADELE}/authentication/signInPreferences"
        refused(await stack.call("PATCH", path, json=change, permissions=DEFAULT_SET), 403, "accessDenied")
        assert stack.graph.changes() == []

    async def test_basic_profiles_do_not_tell_whether_an_account_is_enabled(self, stack: Stack) -> None:
        basic = ["User.ReadBasic.All"]
        assert (await stack.get(f"/users/{HENRIETTA}", permissions=basic))["displayName"] == "Henrietta Mueller"
        response = await stack.call("GET", f"/users/{HENRIETTA}?$select=id,accountEnabled", permissions=basic)
        refused(response, 403, "Authorization_RequestDenied")

    async def test_an_application_may_act_on_an_administrator(self, stack: Stack) -> None:
        assert (await stack.delete(JONI, "phoneMethods", PHONE_IDS["mobile"])).status_code == 204

    @pytest.mark.parametrize("bound", [True, False])
    async def test_a_restricted_administrative_unit_keeps_applications_out(self, bound: bool) -> None:
        async with started(restricted_units_bind=bound) as stack:
            assert (await stack.get(f"/users/{MIRIAM}?$select=isManagementRestricted"))["isManagementRestricted"] is True
            response = await stack.delete(MIRIAM, "phoneMethods", PHONE_IDS["mobile"])
            if bound:
                refused(response, 403, "Authorization_RequestDenied", "restricted management administrative unit")
            assert stack.tenant.account(MIRIAM).removals == [] if bound else response.status_code == 204


class TestWhatIsNoCall:
    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "//users/{id}", 400, "BadRequest"),
            ("DELETE", "//users/{id}/authentication/phoneMethods/{phone}", 400, "BadRequest"),
            ("GET", "/users/{id}/", 400, "BadRequest"),
            ("GET", "/users/{id}/authentication/phoneMethods/../methods", 400, "BadRequest"),
            ("GET", "/users/{id}/authentication/hardwareOathMethods", 400, "BadRequest"),
            ("POST", "/users/{id}/authentication/hardwareOathMethods/{phone}/deactivate", 400, "BadRequest"),
            ("GET", "/users/{id}/authentication/signInPreferences", 400, "BadRequest"),
            ("DELETE", "/users/{id}/authentication/qrCodePinMethod", 400, "BadRequest"),
            ("GET", "/users/{id}/authentication/unheardOfMethods", 400, "BadRequest"),
            ("GET", "/users/{id}/authentication", 400, "BadRequest"),
            ("POST", "/$batch", 400, "BadRequest"),
            ("DELETE", "/users/{id}", 403, "Authorization_RequestDenied"),
            ("DELETE", "/users/{id}/authentication/methods", 405, "Request_BadRequest"),
            ("DELETE", "/users/{id}/authentication/passwordMethods/{password}", 405, "Request_BadRequest"),
            ("GET", "/users/{id}/revokeSignInSessions", 405, "Request_BadRequest"),
            ("PATCH", "/users/{id}/authentication/phoneMethods/{phone}", 405, "Request_BadRequest"),
            ("GET", "/users/nobody@contoso.com", 404, "Request_ResourceNotFound"),
            ("GET", "/users/..%2F..%2Fusers", 404, "Request_ResourceNotFound"),
            ("POST", "/users/nobody@contoso.com/revokeSignInSessions", 404, "Request_ResourceNotFound"),
            ("DELETE", "/users/{id}/authentication/phoneMethods/{password}", 404, "resourceNotFound"),
            ("DELETE", "/users/{id}/authentication/softwareOathMethods/{phone}", 404, "resourceNotFound"),
            ("GET", "/users/{id}/authentication/methods?$top=1", 400, "BadRequest"),
            ("GET", "/users/{id}/authentication/methods?$filter=id eq 'x'", 400, "BadRequest"),
            ("GET", "/users/{id}?$select=id,nonsense", 400, "BadRequest"),
            ("GET", "/users/{id}?select=id", 400, "BadRequest"),
            ("GET", "/users/{id}?$select=id&$select=mail", 400, "BadRequest"),
            ("GET", "/roleManagement/directory/roleAssignments?$filter=principalId ne 'x'", 400, "Request_UnsupportedQuery"),
            ("GET", "/roleManagement/directory/roleAssignments?$filter=principalId eq x", 400, "Request_UnsupportedQuery"),
            ("GET", "/roleManagement/directory/roleAssignments?$filter=nonsense eq 'x'", 400, "Request_UnsupportedQuery"),
            (
                "GET",
                "/roleManagement/directory/roleAssignments?$filter=principalId eq 'x' or true",
                400,
                "Request_UnsupportedQuery",
            ),
            ("GET", "/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances", 400, "MissingFilter"),
            (
                "GET",
                "/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances?$filter=accessId eq 'member'",
                400,
                "MissingFilter",
            ),
            (
                "GET",
                "/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances?$filter=principalId eq 'x'&$top=9",
                400,
                "BadRequest",
            ),
            ("GET", "/users/{id}/ownedObjects/graph.group?$count=true", 400, "Request_UnsupportedQuery"),
            ("GET", "/users/{id}/transitiveMemberOf/graph.group", 400, "Request_UnsupportedQuery"),
            ("GET", "/users/{id}/transitiveMemberOf/graph.group?$count=true", 400, "Request_UnsupportedQuery"),
            ("GET", "/users/{id}/transitiveMemberOf?$top=1000", 400, "BadRequest"),
            ("GET", "/users/{id}/transitiveMemberOf?$skiptoken=x", 400, "Directory_ExpiredPageToken"),
        ],
    )
    async def test_what_the_real_one_does_not_know_is_refused_and_changes_nothing(
        self, stack: Stack, method: str, path: str, status: int, code: str
    ) -> None:
        user = stack.tenant.account(ADELE).person.id
        path = path.format(id=user, phone=PHONE_IDS["mobile"], password=people.PASSWORD_ID)
        authorization = f"Bearer {stack.token()}"
        request = f"{method} /v1.0{path.replace(' ', '%20')} HTTP/1.1"
        response = await raw(stack.url, request, authorization)
        assert response.status_code == status, response.text
        assert response.json()["error"]["code"] == code
        assert stack.graph.changes() == []
        assert stack.graph.log[-1]["write"] is (method != "GET")

    @pytest.mark.parametrize("path", ["/", "/users", "/v2.0/users/x", "/v1.0", "//v1.0/users/x", "/V1.0/users/x"])
    async def test_what_is_below_no_version_is_refused(self, stack: Stack, path: str) -> None:
        response = await raw(stack.url, f"GET {path} HTTP/1.1", f"Bearer {stack.token()}")
        assert (response.status_code, response.json()["error"]["code"]) == (400, "BadRequest")

    async def test_names_of_segments_are_not_case_sensitive(self, stack: Stack) -> None:
        assert (await stack.get(f"/Users/{ADELE.upper()}/Authentication/PhoneMethods"))["value"]

    async def test_the_untyped_delete_is_answered_by_the_service_behind(self, stack: Stack) -> None:
        response = await stack.call("DELETE", f"/users/{ADELE}/authentication/methods/{PHONE_IDS['mobile']}")
        assert response.status_code == 404
        assert set(response.json()) == {"Message", "MessageDetail"}
        assert response.json()["Message"].startswith("No HTTP resource was found that matches the request URI 'https://mface.")
        assert [call["refused"] for call in stack.graph.writes()] == ["NoSuchController"]
        assert UNTYPED_DELETE not in ROUTES

    async def test_a_body_that_is_not_json_is_refused(self, stack: Stack) -> None:
        path = f"/beta/users/{ADELE}/authentication/signInPreferences"
        for content, kind in ((b"{", "application/json"), (b"{}", "text/plain")):
            response = await stack.call("PATCH", path, content=content, headers={"Content-Type": kind})
            refused(response, 400, "BadRequest", "Unable to read JSON request payload")


class TestUsers:
    async def test_without_select_only_the_default_properties_are_there(self, stack: Stack) -> None:
        body = await stack.get(f"/users/{ADELE}")
        assert "accountEnabled" not in body
        assert "userType" not in body
        assert body["userPrincipalName"] == ADELE
        assert len(body) == 12

    async def test_a_user_is_found_by_id_and_by_name_and_a_guest_by_an_encoded_one(self, stack: Stack) -> None:
        for upn in (ADELE, GUEST):
            by_name = await stack.get(f"/users/{upn}")
            assert await stack.get(f"/users/{by_name['id']}") == by_name

    async def test_a_raw_number_sign_cuts_the_name_off(self, stack: Stack) -> None:
        headers = {"Authorization": f"Bearer {stack.token()}"}
        response = await stack.client.get(f"/v1.0/users/{GUEST}", headers=headers)
        refused(response, 404, "Request_ResourceNotFound", "megan_fabrikam.com")

    @pytest.mark.parametrize(
        ("user", "name", "value"),
        [
            (HENRIETTA, "accountEnabled", False),
            (ADELE, "accountEnabled", True),
            (GUEST, "userType", "Guest"),
            (GUEST, "creationType", "Invitation"),
            (ISAIAH, "onPremisesSyncEnabled", True),
            (ADELE, "onPremisesSyncEnabled", None),
            (MIRIAM, "isManagementRestricted", True),
            (ADELE, "isManagementRestricted", None),
        ],
    )
    async def test_select_tells_the_rest(self, stack: Stack, user: str, name: str, value: Any) -> None:
        assert (await stack.get(f"/users/{user}?$select={name}"))[name] == value

    async def test_a_user_can_be_disabled_renamed_and_removed_while_something_runs(self, stack: Stack) -> None:
        stack.tenant.update(ADELE, enabled=False)
        assert (await stack.get(f"/users/{ADELE}?$select=accountEnabled"))["accountEnabled"] is False
        stack.tenant.update(ADELE, user_principal_name="adele@contoso.com")
        assert (await stack.call("GET", f"/users/{ADELE}")).status_code == 404
        stack.tenant.remove("adele@contoso.com")
        assert (await stack.call("GET", "/users/adele@contoso.com/authentication/methods")).status_code == 404


class TestRoles:
    async def roles(self, stack: Stack, user: str) -> list[str]:
        path = f"/users/{user}/transitiveMemberOf/microsoft.graph.directoryRole?$count=true"
        body = await stack.get(path, headers=EVENTUAL)
        assert body["@odata.count"] == len(body["value"])
        return [role["displayName"] for role in body["value"]]

    async def of_principal(self, stack: Stack, path: str, principal: str) -> list[Any]:
        params = {"$filter": f"principalId eq '{principal}'"}
        return list((await stack.get(path, params=params))["value"])

    async def test_an_active_role_is_found_in_three_ways(self, stack: Stack) -> None:
        joni = stack.tenant.account(JONI).person.id
        assert await self.roles(stack, JONI) == ["Global Administrator"]
        for path in ("roleAssignments", "roleAssignmentScheduleInstances"):
            [found] = await self.of_principal(stack, f"/roleManagement/directory/{path}", joni)
            assert found["roleDefinitionId"] == people.ROLES["Global Administrator"]
        assert await self.roles(stack, ADELE) == []

    async def test_a_role_through_a_group_is_under_the_group_and_in_the_transitive_lists(self, stack: Stack) -> None:
        stack.tenant.join(EMILY, people.PIM_GROUP_ID)
        emily = stack.tenant.account(EMILY).person.id
        assert await self.roles(stack, EMILY) == ["Helpdesk Administrator"]
        assert await self.of_principal(stack, "/roleManagement/directory/roleAssignments", emily) == []
        assert await self.of_principal(stack, "/roleManagement/directory/roleAssignments", people.PIM_GROUP_ID)
        path = "/beta/roleManagement/directory/transitiveRoleAssignments"
        params = {"$filter": f"principalId eq '{emily}'", "$count": "true"}
        assert len((await stack.get(path, params=params, headers=EVENTUAL))["value"]) == 1
        assert (await stack.call("GET", path, params=params)).status_code == 404

    async def test_an_eligible_role_is_no_active_one(self, stack: Stack) -> None:
        lee = stack.tenant.account(LEE).person.id
        assert await self.roles(stack, LEE) == []
        assert await self.of_principal(stack, "/roleManagement/directory/roleAssignments", lee) == []
        [found] = await self.of_principal(stack, "/roleManagement/directory/roleEligibilityScheduleInstances", lee)
        assert found["memberType"] == "Direct"

    async def test_a_role_over_an_administrative_unit_is_in_assignments_only(self, stack: Stack) -> None:
        stack.tenant.grant(EMILY, "User Administrator", scope="/administrativeUnits/x")
        emily = stack.tenant.account(EMILY).person.id
        assert await self.roles(stack, EMILY) == []
        [found] = await self.of_principal(stack, "/roleManagement/directory/roleAssignments", emily)
        assert found["directoryScopeId"] == "/administrativeUnits/x"

    async def test_a_custom_role_is_in_assignments_only_and_is_not_built_in(self, stack: Stack) -> None:
        assert await self.roles(stack, IRVIN) == []
        irvin = stack.tenant.account(IRVIN).person.id
        [found] = await self.of_principal(stack, "/roleManagement/directory/roleAssignments", irvin)
        role = await stack.get(f"/roleManagement/directory/roleDefinitions/{found['roleDefinitionId']}")
        assert role["isBuiltIn"] is False

    def test_roles_go_to_role_assignable_groups_only_and_those_hold_no_groups(self, stack: Stack) -> None:
        with pytest.raises(ValueError, match="not role-assignable"):
            stack.tenant.grant(people.EVERYONE_GROUP_ID, "Helpdesk Administrator")
        seed = people.contoso()
        next(group for group in seed.groups if group.role_assignable).members.append(people.SALES_GROUP_ID)
        with pytest.raises(ValueError, match="cannot contain groups"):
            Tenant(seed)

    async def test_groups_tell_whether_roles_may_be_assigned_to_them(self, stack: Stack) -> None:
        path = f"/users/{LYNNE}/transitiveMemberOf/graph.group?$count=true&$select=id,isAssignableToRole"
        groups = (await stack.get(path, headers=EVENTUAL))["value"]
        assert {group["id"]: group["isAssignableToRole"] for group in groups} == {
            people.ROLE_GROUP_ID: True,
            people.EVERYONE_GROUP_ID: None,
        }

    async def test_without_a_permission_for_groups_their_properties_are_null(self, stack: Stack) -> None:
        path = f"/users/{LYNNE}/transitiveMemberOf/graph.group?$count=true&$select=id,isAssignableToRole"
        groups = (await stack.get(path, headers=EVENTUAL, permissions=["User.Read.All"]))["value"]
        assert len(groups) == 2
        assert {group["isAssignableToRole"] for group in groups} == {None}

    async def test_owned_groups_are_an_advanced_query_with_limited_information_too(self, stack: Stack) -> None:
        path = f"/users/{GRADY}/ownedObjects/microsoft.graph.group?$select=id,isAssignableToRole,securityEnabled&$top=999"
        refused(await stack.call("GET", path, headers=EVENTUAL), 400, "Request_UnsupportedQuery")
        refused(await stack.call("GET", f"{path}&$count=true"), 400, "Request_UnsupportedQuery")
        for permissions, flags in ((DEFAULT_SET, (True, True)), (["User.Read.All"], (None, None))):
            [found] = (await stack.get(f"{path}&$count=true", headers=EVENTUAL, permissions=permissions))["value"]
            assert found["id"] == people.HELPDESK_GROUP_ID
            assert (found["isAssignableToRole"], found["securityEnabled"]) == flags
        refused(
            await stack.call("GET", f"{path}&$count=true", headers=EVENTUAL, permissions=["GroupMember.Read.All"]),
            403,
            "Authorization_RequestDenied",
        )

    async def test_a_group_is_read_with_a_permission_for_groups_or_not_at_all(self, stack: Stack) -> None:
        path = f"/groups/{people.ROLE_GROUP_ID}?$select=id,isAssignableToRole,securityEnabled"
        found = await stack.get(path, permissions=DEFAULT_SET)
        assert (found["isAssignableToRole"], found["securityEnabled"]) == (True, True)
        refused(await stack.call("GET", path, permissions=["User.Read.All"]), 403, "Authorization_RequestDenied")
        missing = path.replace(people.ROLE_GROUP_ID, stack.tenant.account(ADELE).person.id)
        refused(await stack.call("GET", missing), 404, "Request_ResourceNotFound")

    async def test_role_assignable_groups_are_listed_by_a_filter_that_is_no_advanced_query(self, stack: Stack) -> None:
        path = "/groups?$filter=isAssignableToRole eq true&$select=id,isAssignableToRole&$top=2"
        first = await stack.get(path, permissions=DEFAULT_SET)
        response = await stack.client.get(first["@odata.nextLink"], headers={"Authorization": f"Bearer {stack.token()}"})
        listed = [*first["value"], *response.json()["value"]]
        assert {group["id"]: group["isAssignableToRole"] for group in listed} == {
            people.ROLE_GROUP_ID: True,
            people.PIM_GROUP_ID: True,
            people.HELPDESK_GROUP_ID: True,
            people.ELIGIBLE_ROLE_GROUP_ID: True,
        }

    async def test_groups_are_told_from_people_by_their_ids_fifteen_at_a_time(self, stack: Stack) -> None:
        adele = stack.tenant.account(ADELE).person.id
        ids = [people.SALES_GROUP_ID.upper(), people.ROLE_GROUP_ID, *[adele] * 13]
        path = "/groups?$select=id&$filter=id in ({})"
        found = await stack.get(path.format(",".join(f"'{one}'" for one in ids)), permissions=DEFAULT_SET)
        assert {group["id"] for group in found["value"]} == {people.SALES_GROUP_ID, people.ROLE_GROUP_ID}
        too_many = path.format(", ".join(f"'{one}'" for one in (*ids, adele)))
        refused(await stack.call("GET", too_many), 400, "Request_UnsupportedQuery", "Max allowed: 15")

    async def test_a_filter_leaves_out_groups_of_which_the_app_may_not_read_the_property(self, stack: Stack) -> None:
        path = "/groups?$filter=isAssignableToRole eq true"
        assert (await stack.get(path, permissions=["Group.ManageProtection.All"]))["value"] == []
        refused(await stack.call("GET", path, permissions=["User.Read.All"]), 403, "Authorization_RequestDenied")

    @pytest.mark.parametrize(
        "query",
        [
            "$filter=isAssignableToRole ne true",
            "$filter=not(isAssignableToRole eq true)",
            "$filter=displayName in ('Sales')",
            "$filter=id in ()",
            "$filter=id in ('x'",
            "$filter=isAssignableToRole in ('true')",
            "$count=true",
        ],
    )
    async def test_what_a_list_of_groups_does_not_take_is_refused(self, stack: Stack, query: str) -> None:
        refused(await stack.call("GET", f"/groups?{query}"), 400, "Request_UnsupportedQuery")

    async def test_groups_are_counted_by_an_advanced_query(self, stack: Stack) -> None:
        assert (await stack.get("/groups?$count=true", headers=EVENTUAL))["@odata.count"] == len(stack.tenant.groups)

    async def test_membership_goes_through_groups_in_groups(self, stack: Stack) -> None:
        christie = stack.tenant.account(CHRISTIE).person.id
        groups = (await stack.get(f"/users/{CHRISTIE}/transitiveMemberOf"))["value"]
        assert {group["id"] for group in groups} == {people.SALES_GROUP_ID, people.EVERYONE_GROUP_ID}
        members = (await stack.get(f"/groups/{people.EVERYONE_GROUP_ID}/transitiveMembers"))["value"]
        assert christie in {member["id"] for member in members}
        asked = {"groupIds": [people.EVERYONE_GROUP_ID, people.ROLE_GROUP_ID]}
        response = await stack.call("POST", f"/users/{CHRISTIE}/checkMemberGroups", json=asked)
        assert response.json()["value"] == [people.EVERYONE_GROUP_ID]
        too_many = {"groupIds": [people.ROLE_GROUP_ID] * 21}
        assert (await stack.call("POST", f"/users/{CHRISTIE}/checkMemberGroups", json=too_many)).status_code == 400
        assert stack.graph.writes() == []

    async def test_a_restricted_unit_and_owned_groups_are_among_relationships(self, stack: Stack) -> None:
        kinds = [one["@odata.type"] for one in (await stack.get(f"/users/{MIRIAM}/transitiveMemberOf"))["value"]]
        assert kinds == ["#microsoft.graph.group", "#microsoft.graph.administrativeUnit"]
        owned = (await stack.get(f"/users/{PATTI}/ownedObjects"))["value"]
        assert [group["id"] for group in owned] == [people.EVERYONE_GROUP_ID]

    async def test_eligibility_for_a_group_is_found_by_principal_and_by_group(self, stack: Stack) -> None:
        path = "/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances"
        nestor = stack.tenant.account(NESTOR).person.id
        for query in (f"principalId eq '{nestor}'", f"groupId eq '{people.PIM_GROUP_ID}'"):
            [found] = (await stack.get(path, params={"$filter": query}))["value"]
            assert (found["principalId"], found["groupId"], found["accessId"]) == (nestor, people.PIM_GROUP_ID, "member")

    async def test_what_a_group_is_eligible_for_is_under_the_group_and_not_under_its_members(self, stack: Stack) -> None:
        path = "/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances"
        assert await self.of_principal(stack, path, stack.tenant.account(RAUL).person.id) == []
        [found] = await self.of_principal(stack, path, people.NIGHT_SHIFT_GROUP_ID)
        assert found["groupId"] == people.HELPDESK_GROUP_ID
        enrico = stack.tenant.account(ENRICO).person.id
        path = "/roleManagement/directory/roleEligibilityScheduleInstances"
        assert await self.of_principal(stack, path, enrico) == []
        assert len(await self.of_principal(stack, path, people.ELIGIBLE_ROLE_GROUP_ID)) == 1

    async def test_an_eligible_owner_is_told_from_an_eligible_member(self, stack: Stack) -> None:
        path = "/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances"
        accesses = {}
        for user in (DEBRA, BIANCA):
            [found] = await self.of_principal(stack, path, stack.tenant.account(user).person.id)
            accesses[user] = (found["groupId"], found["accessId"])
        assert accesses == {DEBRA: (people.ELIGIBLE_ROLE_GROUP_ID, "owner"), BIANCA: (people.PROJECT_GROUP_ID, "member")}

    @pytest.mark.parametrize(
        "path",
        [
            "/roleManagement/directory/roleAssignmentScheduleInstances",
            "/roleManagement/directory/roleEligibilityScheduleInstances",
            "/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances",
        ],
    )
    async def test_a_tenant_without_the_licence_has_no_eligibility_to_ask_for(self, path: str) -> None:
        async with started(premium=False) as stack:
            response = await stack.call("GET", path, params={"$filter": "principalId eq 'x'"})
            refused(response, 400, "AadPremiumLicenseRequired", "Microsoft Entra ID P2")

    async def test_privileged_identity_management_wraps_its_refusal(self, stack: Stack) -> None:
        path = "/roleManagement/directory/roleEligibilityScheduleInstances"
        error = refused(await stack.call("GET", path, permissions=["User.Read.All"]), 403, "UnknownError")
        assert json.loads(error["message"])["errorCode"] == "PermissionScopeNotGranted"


class TestPages:
    @pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
    async def test_a_client_that_follows_the_links_sees_everything_once(self, size: int) -> None:
        async with started(page_size=size) as stack:
            url: str | None = f"{stack.url}/v1.0/users/{ADELE}/authentication/methods"
            ids: list[str] = []
            pages = 0
            while url:
                response = await stack.client.get(url, headers={"Authorization": f"Bearer {stack.token()}"})
                assert response.status_code == 200
                ids += [method["id"] for method in response.json()["value"]]
                url = response.json().get("@odata.nextLink")
                pages += 1
            assert ids == [method.id for method in stack.tenant.account(ADELE).methods]
            assert pages == -(-4 // size)

    async def test_top_is_the_size_of_a_page_and_links_keep_the_query(self, stack: Stack) -> None:
        path = f"/users/{LYNNE}/transitiveMemberOf/graph.group"
        body = await stack.get(path, params={"$count": "true", "$select": "id", "$top": "1"}, headers=EVENTUAL)
        assert (body["@odata.count"], len(body["value"])) == (2, 1)
        authorization = {"Authorization": f"Bearer {stack.token()}"}
        response = await stack.client.get(body["@odata.nextLink"], headers=authorization | EVENTUAL)
        assert [set(group) for group in response.json()["value"]] == [{"id"}]
        assert "@odata.nextLink" not in response.json()

    @pytest.mark.parametrize(
        ("path", "query"),
        [
            ("/users/{id}/transitiveMemberOf/graph.directoryRole", "$count=true"),
            ("/users/{id}/transitiveMemberOf/graph.group", "$count=true"),
            ("/users/{id}/ownedObjects/graph.group", "$count=true"),
            ("/groups", "$filter=isAssignableToRole eq true"),
            ("/roleManagement/directory/roleAssignments", "$filter=principalId eq '{id}'"),
            ("/roleManagement/directory/roleEligibilityScheduleInstances", "$filter=principalId eq '{id}'"),
            ("/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances", "$filter=principalId eq '{id}'"),
        ],
    )
    async def test_every_list_about_standing_comes_in_pages(self, stack: Stack, path: str, query: str) -> None:
        stack.tenant.settings.page_size = 1
        joni = stack.tenant.account(JONI).person.id
        for role in ("User Administrator", "Helpdesk Administrator"):
            stack.tenant.grant(joni, role)
            stack.tenant.grant(joni, role, "eligible")
        for group in (people.PROJECT_GROUP_ID, people.NIGHT_SHIFT_GROUP_ID):
            stack.tenant.join(JONI, group)
            stack.tenant.join(JONI, group, "owner")
            stack.tenant.make_eligible(JONI, group)
        body = await stack.get(f"{path}?{query}".replace("{id}", joni), headers=EVENTUAL)
        authorization = {"Authorization": f"Bearer {stack.token()}"}
        response = await stack.client.get(body["@odata.nextLink"], headers=authorization | EVENTUAL)
        assert len(body["value"]) == len(response.json()["value"]) == 1
        assert body["value"] != response.json()["value"]

    async def test_a_link_is_good_for_its_own_query_only(self, stack: Stack) -> None:
        stack.tenant.settings.page_size = 1
        link = (await stack.get(f"/users/{ADELE}/authentication/methods"))["@odata.nextLink"]
        other = link.replace(ADELE, ALEX)
        assert other != link
        response = await stack.client.get(other, headers={"Authorization": f"Bearer {stack.token()}"})
        refused(response, 400, "Directory_ExpiredPageToken")
