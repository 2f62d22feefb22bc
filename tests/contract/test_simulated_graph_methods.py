"""Authentication methods and sessions of the simulated Graph go by the rules of the real one, in its time and to its SDK."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from azure.core.credentials import AccessToken
from kiota_abstractions.api_error import APIError
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.users.item.transitive_member_of.graph_group.graph_group_request_builder import GraphGroupRequestBuilder

from sandbox import people, tokens
from sandbox.graph.kinds import KINDS
from sandbox.people import (
    ADELE,
    ALEX,
    CHRISTIE,
    DIEGO,
    EMILY,
    GUEST,
    ISAIAH,
    JONI,
    LEE,
    LYNNE,
    PHONE_IDS,
)
from tests.contract.graph_stack import DEFAULT_SET, TEXT_A, TEXT_B, Stack, refused, started


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with started() as running_stack:
        yield running_stack


class TestMethods:
    async def test_all_methods_are_listed_with_their_types(self, stack: Stack) -> None:
        assert await stack.listed(ADELE) == ["phone", "microsoftAuthenticator", "softwareOath"]
        assert await stack.listed(EMILY) == []

    @pytest.mark.parametrize(
        ("version", "hidden", "listed"),
        [("", {"hardwareOath"}, False), ("/beta", {"hardwareOath"}, True), ("", set(), True)],
    )
    async def test_whether_v1_lists_hardware_tokens_is_a_setting(self, version: str, hidden: set[str], listed: bool) -> None:
        async with started(hidden_in_v1=frozenset(hidden)) as stack:
            assert ("hardwareOath" in await stack.listed(CHRISTIE, version)) is listed

    async def test_phones_show_no_time_of_creation_and_other_methods_whole_seconds(self, stack: Stack) -> None:
        stack.clock.pass_by(0.75)
        stack.tenant.register(ADELE, people.authenticator("New phone", created=stack.clock()))
        methods = (await stack.get(f"/users/{ADELE}/authentication/methods"))["value"]
        created = {method.get("displayName", method["@odata.type"]): method["createdDateTime"] for method in methods}
        assert created["#microsoft.graph.phoneAuthenticationMethod"] is None
        assert created["New phone"] == "2026-11-24T08:00:00Z"

    @pytest.mark.parametrize(("shown", "there"), [("value", True), ("null", True), ("absent", False)])
    async def test_how_the_time_of_creation_is_shown_is_a_property_of_the_method(
        self, stack: Stack, shown: Any, there: bool
    ) -> None:
        stack.tenant.register(EMILY, people.phone("mobile", "+1 2065550105", created_shown=shown))
        [phone] = (await stack.get(f"/users/{EMILY}/authentication/phoneMethods"))["value"]
        assert ("createdDateTime" in phone) is there
        assert (phone.get("createdDateTime") is not None) is (shown == "value")

    @pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.deletable], ids=lambda kind: kind.type)
    async def test_every_type_is_listed_got_and_deleted_at_its_own_path(self, stack: Stack, kind: Any) -> None:
        stack.tenant.register(EMILY, people.Method(type=kind.type))
        identifier = stack.id_of(EMILY, kind.type)
        here = f"/beta/users/{EMILY}/authentication/{kind.segment}"
        if not kind.single:
            assert [m["id"] for m in (await stack.get(here))["value"]] == [identifier]
            here = f"{here}/{identifier}"
        assert (await stack.get(here))["id"] == identifier
        assert (await stack.call("DELETE", here)).status_code == 204
        assert (await stack.call("GET", here)).status_code == 404
        assert (await stack.call("DELETE", here)).status_code == 404
        assert stack.tenant.account(EMILY).types() == ["password"]

    async def test_a_type_that_nobody_knows_is_listed_and_has_no_path(self, stack: Stack) -> None:
        stack.tenant.register(EMILY, people.Method(type="verifiableCredential", properties={"displayName": "Wallet"}))
        assert await stack.listed(EMILY) == ["verifiableCredential"]
        response = await stack.delete(EMILY, "verifiableCredentialMethods", "x")
        assert response.status_code == 400

    async def test_a_temporary_access_pass_is_shown_once(self, stack: Stack) -> None:
        path = f"/users/{EMILY}/authentication/temporaryAccessPassMethods"
        response = await stack.call("POST", path, json={"lifetimeInMinutes": 60, "isUsableOnce": True})
        assert response.status_code == 201
        assert response.json()["temporaryAccessPass"]
        [listed] = (await stack.get(path))["value"]
        assert listed["temporaryAccessPass"] is None
        refused(await stack.call("POST", path, json={"lifetimeInMinutes": 5}), 400, "badRequest")
        assert len((await stack.get(path))["value"]) == 1

    async def test_what_entra_would_not_register_is_not_registered(self, stack: Stack) -> None:
        with pytest.raises(ValueError, match="needs a mobile"):
            stack.tenant.register(EMILY, people.phone("alternateMobile", "+1 2065550105"))
        with pytest.raises(ValueError, match="already"):
            stack.tenant.register(ADELE, people.phone("mobile", "+1 2065550105"))
        with pytest.raises(ValueError, match="default"):
            stack.tenant.update(EMILY, default_method="push")


class TestDeletionRules:
    async def test_a_default_phone_goes_last(self, stack: Stack) -> None:
        error = refused(await stack.delete(ADELE, "phoneMethods", PHONE_IDS["mobile"]), 400, "badRequest", TEXT_A)
        assert error["message"].startswith(f"The requested authentication method id of [{PHONE_IDS['mobile']}] matches")
        assert error["innerError"]["message"] == error["message"]
        for kind in ("microsoftAuthenticator", "softwareOath"):
            assert (await stack.delete(ADELE, f"{kind}Methods", stack.id_of(ADELE, kind))).status_code == 204
        assert (await stack.delete(ADELE, "phoneMethods", PHONE_IDS["mobile"])).status_code == 204
        assert stack.tenant.account(ADELE).types() == ["password"]
        assert stack.tenant.account(ADELE).person.default_method is None

    async def test_another_default_goes_last_in_other_words(self, stack: Stack) -> None:
        identifier = stack.id_of(ISAIAH, "microsoftAuthenticator")
        response = await stack.delete(ISAIAH, "microsoftAuthenticatorMethods", identifier)
        assert refused(response, 400, "badRequest")["message"] == TEXT_B
        assert (await stack.delete(ISAIAH, "phoneMethods", PHONE_IDS["mobile"])).status_code == 204
        assert (await stack.delete(ISAIAH, "microsoftAuthenticatorMethods", identifier)).status_code == 204

    async def test_of_two_that_serve_the_default_one_may_go(self, stack: Stack) -> None:
        second = stack.tenant.register(ISAIAH, people.authenticator("Old phone"))
        assert (await stack.delete(ISAIAH, "microsoftAuthenticatorMethods", second.id)).status_code == 204

    async def test_passkeys_and_windows_hello_do_not_hold_a_default_phone(self, stack: Stack) -> None:
        assert (await stack.delete(DIEGO, "phoneMethods", PHONE_IDS["mobile"])).status_code == 204
        assert await stack.listed(DIEGO) == ["fido2", "windowsHelloForBusiness"]

    async def test_the_alternate_mobile_goes_before_the_mobile(self, stack: Stack) -> None:
        stack.tenant.update(ALEX, default_method="sms")
        response = await stack.delete(ALEX, "phoneMethods", PHONE_IDS["mobile"])
        refused(response, 400, "badRequest", "without first deleting alternate mobile number")
        for kind in ("alternateMobile", "mobile"):
            assert (await stack.delete(ALEX, "phoneMethods", PHONE_IDS[kind])).status_code == 204

    async def test_an_alternate_mobile_as_default_is_a_deadlock_that_another_preference_solves(self, stack: Stack) -> None:
        for kind in ("alternateMobile", "mobile"):
            refused(await stack.delete(ALEX, "phoneMethods", PHONE_IDS[kind]), 400, "badRequest")
        path = f"/beta/users/{ALEX}/authentication/signInPreferences"
        name = "userPreferredMethodForSecondaryAuthentication"
        assert (await stack.get(path))[name] == "voiceAlternateMobile"
        refused(await stack.call("PATCH", path, json={name: "push"}), 400, "badRequest")
        refused(await stack.call("PATCH", path, json={name: "none"}), 400, "badRequest")
        assert (await stack.call("PATCH", path, json={name: "voiceMobile"})).status_code == 204
        assert (await stack.get(path))[name] == "voiceMobile"
        for kind in ("alternateMobile", "mobile"):
            assert (await stack.delete(ALEX, "phoneMethods", PHONE_IDS[kind])).status_code == 204

    async def test_a_second_factor_that_graph_does_not_show_keeps_the_default_for_ever(self, stack: Stack) -> None:
        stack.tenant.update(LEE, hidden_method=True)
        response = await stack.delete(LEE, "microsoftAuthenticatorMethods", stack.id_of(LEE, "microsoftAuthenticator"))
        assert refused(response, 400, "badRequest")["message"] == TEXT_B

    async def test_a_deactivated_hardware_token_stays_assigned_and_no_longer_holds_the_default(self, stack: Stack) -> None:
        token = stack.id_of(CHRISTIE, "hardwareOath")
        refused(await stack.delete(CHRISTIE, "phoneMethods", PHONE_IDS["mobile"]), 400, "badRequest", TEXT_A)
        here = f"/beta/users/{CHRISTIE}/authentication/hardwareOathMethods/{token}"
        assert (await stack.call("POST", f"{here}/deactivate")).status_code == 204
        assert (await stack.get(here))["device"]["status"] == "assigned"
        assert "hardwareOath" in await stack.listed(CHRISTIE, "/beta")
        refused(await stack.call("POST", f"{here}/deactivate"), 400, "badRequest")
        assert (await stack.delete(CHRISTIE, "phoneMethods", PHONE_IDS["mobile"])).status_code == 204
        assert (await stack.call("DELETE", here)).status_code == 204
        assert await stack.listed(CHRISTIE, "/beta") == []


class TestTime:
    async def test_a_deleted_method_is_listed_for_as_many_seconds_as_set(self) -> None:
        async with started(lag_seconds=10) as stack:
            assert (await stack.delete(ISAIAH, "phoneMethods", PHONE_IDS["mobile"])).status_code == 204
            assert "phone" in await stack.listed(ISAIAH)
            assert (await stack.get(f"/users/{ISAIAH}/authentication/phoneMethods"))["value"]
            assert (await stack.delete(ISAIAH, "phoneMethods", PHONE_IDS["mobile"])).status_code == 404
            stack.clock.pass_by(10)
            assert "phone" not in await stack.listed(ISAIAH)

    async def test_a_deleted_method_is_listed_for_as_many_reads_as_set(self) -> None:
        async with started(lag_reads=2) as stack:
            await stack.delete(ISAIAH, "phoneMethods", PHONE_IDS["mobile"])
            assert [("phone" in await stack.listed(ISAIAH)) for _ in range(3)] == [True, True, False]

    async def test_lag_can_differ_from_person_to_person(self, stack: Stack) -> None:
        stack.tenant.update(ISAIAH, lag_reads=1)
        for user in (ISAIAH, JONI):
            await stack.delete(user, "phoneMethods", PHONE_IDS["mobile"])
        assert [("phone" in await stack.listed(user)) for user in (ISAIAH, JONI)] == [True, False]

    async def test_a_token_still_looks_active_for_a_while(self) -> None:
        async with started(lag_reads=1) as stack:
            here = f"/beta/users/{CHRISTIE}/authentication/hardwareOathMethods/{stack.id_of(CHRISTIE, 'hardwareOath')}"
            await stack.call("POST", f"{here}/deactivate")
            assert [(await stack.get(here))["device"]["status"] for _ in range(2)] == ["activated", "assigned"]

    async def test_what_is_registered_anew_under_the_same_id_is_shown_at_once(self) -> None:
        async with started(lag_seconds=60) as stack:
            await stack.delete(ISAIAH, "phoneMethods", PHONE_IDS["mobile"])
            stack.tenant.register(ISAIAH, people.phone("mobile", "+1 2065550177"))
            [phone] = (await stack.get(f"/users/{ISAIAH}/authentication/phoneMethods"))["value"]
            assert phone["phoneNumber"] == "+1 2065550177"

    async def test_the_rules_may_lag_as_well(self) -> None:
        async with started(lag_seconds=5, rules_lag=True) as stack:
            await stack.delete(ISAIAH, "phoneMethods", PHONE_IDS["mobile"])
            identifier = stack.id_of(ISAIAH, "microsoftAuthenticator")
            refused(await stack.delete(ISAIAH, "microsoftAuthenticatorMethods", identifier), 400, "badRequest", TEXT_B)
            stack.clock.pass_by(5)
            await stack.listed(ISAIAH)
            assert (await stack.delete(ISAIAH, "microsoftAuthenticatorMethods", identifier)).status_code == 204

    async def test_the_registration_report_is_stale_until_it_is_made_anew(self, stack: Stack) -> None:
        path = f"/reports/authenticationMethods/userRegistrationDetails/{stack.tenant.account(LEE).person.id}"
        await stack.delete(LEE, "microsoftAuthenticatorMethods", stack.id_of(LEE, "microsoftAuthenticator"))
        assert (await stack.get(path))["isMfaRegistered"] is True
        stack.tenant.refresh_report(LEE)
        assert (await stack.get(path))["isMfaRegistered"] is False

    async def test_every_removal_is_in_the_audit_log_when_it_gets_there(self) -> None:
        async with started(audit_lag_seconds=300) as stack:
            since = "2026-11-24T08:00:00Z"
            user = stack.tenant.account(ISAIAH).person.id
            query = f"activityDateTime ge {since} and targetResources/any(t:t/id eq '{user}')"
            await stack.delete(ISAIAH, "phoneMethods", PHONE_IDS["mobile"])
            await stack.call("POST", f"/users/{JONI}/revokeSignInSessions")
            assert (await stack.get("/auditLogs/directoryAudits", params={"$filter": query}))["value"] == []
            stack.clock.pass_by(300)
            [entry] = (await stack.get("/auditLogs/directoryAudits", params={"$filter": query}))["value"]
            assert entry["activityDisplayName"] == "Admin deleted security info"
            assert entry["initiatedBy"]["app"]["servicePrincipalId"] == tokens.IDENTITY_OBJECT_ID
            assert len((await stack.get("/auditLogs/directoryAudits"))["value"]) == 2


class TestSessions:
    async def test_revocation_is_answered_with_true_and_remembered_with_its_time(self, stack: Stack) -> None:
        stack.clock.pass_by(5)
        response = await stack.call("POST", f"/users/{ADELE}/revokeSignInSessions")
        assert response.status_code == 200
        assert response.json()["value"] is True
        assert response.json()["@odata.context"].endswith("#Edm.Boolean")
        assert stack.tenant.account(ADELE).sessions_revoked_at == stack.clock()
        body = await stack.get(f"/users/{ADELE}?$select=signInSessionsValidFromDateTime")
        assert body["signInSessionsValidFromDateTime"] == "2026-11-24T08:00:05Z"


class Credential:
    """A token credential as `azure.identity.aio` has them."""

    def __init__(self, token: str) -> None:
        self.token = token

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken(self.token, 2**31)


class TestWithTheRealSdk:
    @pytest.fixture
    async def sdk(self, stack: Stack) -> AsyncIterator[Any]:
        provider = AzureIdentityAuthenticationProvider(
            Credential(stack.token(DEFAULT_SET)), scopes=[f"{stack.url}/.default"], allowed_hosts=["127.0.0.1"]
        )
        async with httpx.AsyncClient(verify=False) as client:
            adapter = GraphRequestAdapter(provider, client=client)
            adapter.base_url = f"{stack.url}/v1.0"
            yield GraphServiceClient(request_adapter=adapter)

    async def test_it_lists_is_refused_deletes_and_revokes(self, stack: Stack, sdk: Any) -> None:
        user = await sdk.users.by_user_id(GUEST).get()
        assert user.user_principal_name == GUEST
        methods = sdk.users.by_user_id(ISAIAH).authentication
        listed = (await methods.methods.get()).value
        assert [type(method).__name__ for method in listed] == [
            "PasswordAuthenticationMethod", "PhoneAuthenticationMethod", "MicrosoftAuthenticatorAuthenticationMethod",
        ]  # fmt: skip
        authenticator = methods.microsoft_authenticator_methods.by_microsoft_authenticator_authentication_method_id(listed[2].id)
        with pytest.raises(APIError) as failure:
            await authenticator.delete()
        assert failure.value.response_status_code == 400
        assert failure.value.error.code == "badRequest"
        assert failure.value.error.inner_error.additional_data["message"] == TEXT_B
        assert failure.value.error.inner_error.request_id == stack.graph.log[-1]["requestId"]
        await methods.phone_methods.by_phone_authentication_method_id(listed[1].id).delete()
        await authenticator.delete()
        with pytest.raises(APIError) as failure:
            await authenticator.delete()
        assert failure.value.response_status_code == 404
        assert (await sdk.users.by_user_id(ISAIAH).revoke_sign_in_sessions.post()).value is True
        assert stack.tenant.account(ISAIAH).types() == ["password"]
        assert len(stack.graph.changes()) == 3

    async def test_it_finds_groups_and_roles(self, stack: Stack, sdk: Any) -> None:
        query = GraphGroupRequestBuilder.GraphGroupRequestBuilderGetQueryParameters(
            count=True, select=["id", "isAssignableToRole"]
        )
        configuration = RequestConfiguration(query_parameters=query)
        configuration.headers.add("ConsistencyLevel", "eventual")
        found = await sdk.users.by_user_id(LYNNE).transitive_member_of.graph_group.get(request_configuration=configuration)
        assert found.odata_count == 2
        assert [group.is_assignable_to_role for group in found.value] == [True, None]

    async def test_a_refusal_for_lack_of_permission_has_a_code(self, stack: Stack, sdk: Any) -> None:
        methods = sdk.users.by_user_id(DIEGO).authentication.fido2_methods
        with pytest.raises(APIError) as failure:
            await methods.by_fido2_authentication_method_id("x").delete()
        assert (failure.value.response_status_code, failure.value.error.code) == (403, "accessDenied")
        assert stack.graph.changes() == []
