"""The `Directory` port on Microsoft Graph: which calls are made, and what their answers mean.

Sources: Microsoft Graph v1.0 and beta reference, "Authentication methods API overview", "user: revokeSignInSessions", "Update
authentication method states", "hardwareOathAuthenticationMethod resource type"; Microsoft Entra, "Username policies".
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.method import Method as Verb
from kiota_abstractions.request_information import RequestInformation
from msgraph import GraphRequestAdapter
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder

from shared.adapters.graph import permissions, shapes
from shared.adapters.graph.calls import Calls, UnexpectedAnswer, answering
from shared.adapters.graph.clients import GraphClients
from shared.adapters.graph.standing import StandingReader
from shared.model import Action, Inventory, Method, Person, Removal, Standing
from shared.parallel import together
from shared.ports import Changed, Clock, PersonNotFound, Removed

GUID = re.compile(shapes.GUID)
UPN = re.compile(r"[A-Za-z0-9'._!#^~-]{1,256}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")

PERSON_FIELDS = ["id", "userPrincipalName", "accountEnabled", "userType", "onPremisesSyncEnabled", "isManagementRestricted"]
DEFAULTS = frozenset({"push", "oath", "voiceMobile", "voiceAlternateMobile", "voiceOffice", "sms"})
TOKEN_ACTIVE = {"activated": True, "assigned": False, "available": False, "failedActivation": False}

# What only beta has, and the SDK no builder for; templates, so that ids are encoded like the SDK's own.
_AUTHENTICATION = "{+baseurl}/users/{user}/authentication"
TOKENS = f"{_AUTHENTICATION}/hardwareOathMethods"
TOKEN = f"{_AUTHENTICATION}/hardwareOathMethods/{{method}}"
TOKEN_DEACTIVATE = f"{_AUTHENTICATION}/hardwareOathMethods/{{method}}/deactivate"
QR_CODE = f"{_AUTHENTICATION}/qrCodePinMethod"
PREFERENCES = f"{_AUTHENTICATION}/signInPreferences"

_DELETE_BUILDERS: dict[str, Callable[[Any, str], Any]] = {
    "phone": lambda a, i: a.phone_methods.by_phone_authentication_method_id(i),
    "microsoftAuthenticator": lambda a, i: a.microsoft_authenticator_methods.by_microsoft_authenticator_authentication_method_id(
        i
    ),
    "softwareOath": lambda a, i: a.software_oath_methods.by_software_oath_authentication_method_id(i),
    "email": lambda a, i: a.email_methods.by_email_authentication_method_id(i),
    "fido2": lambda a, i: a.fido2_methods.by_fido2_authentication_method_id(i),
    "windowsHelloForBusiness": lambda a, i: (
        a.windows_hello_for_business_methods.by_windows_hello_for_business_authentication_method_id(i)
    ),
    "platformCredential": lambda a, i: a.platform_credential_methods.by_platform_credential_authentication_method_id(i),
    "temporaryAccessPass": lambda a, i: a.temporary_access_pass_methods.by_temporary_access_pass_authentication_method_id(i),
    "external": lambda a, i: a.external_authentication_methods.by_external_authentication_method_id(i),
}
_BETA_REMOVALS: dict[tuple[str, Action], tuple[Verb, str]] = {
    ("hardwareOath", Action.DEACTIVATE): (Verb.POST, TOKEN_DEACTIVATE),
    ("hardwareOath", Action.DELETE): (Verb.DELETE, TOKEN),
    ("qrCodePin", Action.DELETE): (Verb.DELETE, QR_CODE),
}


class GraphDirectory:
    """`Directory` for the length of one invocation, whose short waits it counts."""

    def __init__(self, clients: GraphClients, clock: Clock) -> None:
        self._clients = clients
        self._calls = Calls(clock)

    async def person(self, identifier: str) -> Person:
        if not (GUID.fullmatch(identifier) or UPN.fullmatch(identifier)):
            raise PersonNotFound("neither an object id nor a user principal name")
        query = UserItemRequestBuilder.UserItemRequestBuilderGetQueryParameters(select=PERSON_FIELDS)
        request = self._clients.sdk.users.by_user_id(identifier).to_get_request_information(
            RequestConfiguration(query_parameters=query)
        )
        answer = await self._calls.send(self._clients.v1, request, "user")
        user = answer.read(shapes.User)
        if identifier.casefold() not in {user.id.casefold(), user.user_principal_name.casefold()}:
            raise UnexpectedAnswer(f"{answer}: another person")
        return Person(
            id=user.id,
            user_principal_name=user.user_principal_name,
            enabled=user.account_enabled,
            guest=(user.user_type or "").casefold() == "guest" or "#ext#" in user.user_principal_name.casefold(),
            management_restricted=bool(user.is_management_restricted),
            synced=bool(user.on_premises_sync_enabled),
        )

    async def standing(self, person_id: str) -> Standing:
        return await StandingReader(self._clients, self._calls, _object_id(person_id)).read()

    async def inventory(self, person_id: str) -> Inventory:
        listed, default = await together(self.methods(person_id), self._default(person_id))
        return replace(listed, default=default)

    async def methods(self, person_id: str) -> Inventory:
        request = self._user(person_id).authentication.methods.to_get_request_information()
        (listed, answer), tokens = await together(
            self._calls.pages(self._clients.v1, request, "methods", shapes.AuthenticationMethod), self._hardware_tokens(person_id)
        )
        methods = {(method.type, method.id): method for method in map(_method, listed)}
        # Whether v1.0 lists hardware tokens as well is not documented; only beta knows whether one is active.
        for token in tokens:
            known = methods.get((token.type, token.id), token)
            methods[token.type, token.id] = replace(token, created_at=token.created_at or known.created_at)
        return Inventory(tuple(methods.values()), request_id=answer.request_id)

    async def lacking(self, removals: Sequence[Removal], *, revoke: bool, prefer: bool) -> tuple[str, ...]:
        async with answering("token"):
            held = permissions.granted(await self._clients.token())
        return () if held is None else permissions.missing(held, removals, revoke=revoke, prefer=prefer)

    async def prefer(self, person_id: str, method: str) -> Changed:
        request = _beta_request(Verb.PATCH, PREFERENCES, person_id)
        request.content = json.dumps({"userPreferredMethodForSecondaryAuthentication": method}).encode()
        request.headers.add("Content-Type", "application/json")
        answer = await self._calls.send(self._clients.beta, request, "prefer", accept={400})
        return Changed(done=answer.status != 400, status=answer.status, request_id=answer.request_id)

    async def remove(self, person_id: str, removal: Removal) -> Removed:
        adapter, request = self._removal(person_id, removal)
        call = f"{removal.action} {removal.method.type}"
        answer = await self._calls.send(adapter, request, call, accept={400, 404})
        return Removed(gone=answer.status != 400, status=answer.status, request_id=answer.request_id)

    async def revoke_sessions(self, person_id: str) -> Changed:
        request = self._user(person_id).revoke_sign_in_sessions.to_post_request_information()
        answer = await self._calls.send(self._clients.v1, request, "revoke sessions")
        if answer.body:
            answer.read(shapes.Revocation)
        return Changed(done=True, status=answer.status, request_id=answer.request_id)

    def _user(self, person_id: str) -> UserItemRequestBuilder:
        return self._clients.sdk.users.by_user_id(_object_id(person_id))

    def _removal(self, person_id: str, removal: Removal) -> tuple[GraphRequestAdapter, RequestInformation]:
        method = removal.method
        if not method.id.strip("."):
            raise ValueError("not a method id")  # in a path it would mean the collection, or what is above it
        if beta := _BETA_REMOVALS.get((method.type, removal.action)):
            return self._clients.beta, _beta_request(*beta, person_id, method.id)
        if removal.action is not Action.DELETE or method.type not in _DELETE_BUILDERS:
            raise ValueError(f"Graph has no {removal.action} for {method.type}")
        builder = _DELETE_BUILDERS[method.type](self._user(person_id).authentication, method.id)
        return self._clients.v1, builder.to_delete_request_information()

    async def _hardware_tokens(self, person_id: str) -> list[Method]:
        if not self._clients.has_beta:
            return []
        request = _beta_request(Verb.GET, TOKENS, person_id)
        # Who has no tokens has an empty list. A 404 beside listed methods says that the API has gone, not that there are none.
        tokens, answer = await self._calls.pages(
            self._clients.beta, request, "hardware tokens", shapes.HardwareOathMethod, accept={404}
        )
        if answer.status == 404:
            raise UnexpectedAnswer(str(answer))
        return [
            Method(
                "hardwareOath",
                token.id,
                _utc(token.created_date_time),
                TOKEN_ACTIVE.get((token.device and token.device.status) or ""),
            )
            for token in tokens
        ]

    async def _default(self, person_id: str) -> str | None:
        """The default method; None also where Graph will not say, since it only helps to order the removals."""
        if not self._clients.has_beta:
            return None
        request = _beta_request(Verb.GET, PREFERENCES, person_id)
        answer = await self._calls.send(self._clients.beta, request, "preferences", accept={400, 403, 404})
        if answer.status >= 400:
            return None
        default = answer.read(shapes.SignInPreferences).user_preferred_method_for_secondary_authentication
        return default if default in DEFAULTS else None


def _object_id(person_id: str) -> str:
    if not GUID.fullmatch(person_id):
        raise ValueError("not an object id")
    return person_id


def _beta_request(verb: Verb, template: str, person_id: str, method_id: str = "") -> RequestInformation:
    request = RequestInformation(verb, template, {"user": _object_id(person_id), "method": method_id})
    request.headers.add("Accept", "application/json")
    return request


def _method(listed: shapes.AuthenticationMethod) -> Method:
    name = listed.odata_type.removeprefix("#microsoft.graph.").removesuffix("AuthenticationMethod")
    return Method(name, listed.id, _utc(listed.created_date_time))


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.astimezone(UTC)
