"""What is deployed keeps to our policies; each of them is shown to find what breaks it.

The compiler checks types and names of Azure's own; here stands what we have decided.
"""

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
import yaml

from shared import settings
from shared.adapters import queues, receipts, tables
from shared.model import Mode, Profile
from shared.settings import SettingsInvalid
from shared.wiring import VERSION
from tests.infra.bicep import (
    INFRA,
    ROOT,
    Declared,
    Files,
    Nested,
    Symbol,
    at,
    decorated,
    modules,
    nodes,
    parse,
    path_of,
    read,
    resources,
    symbols,
    texts,
    variables,
    words,
)

TEXTS = texts()
FILES = read()

ACCOUNT = "Microsoft.Storage/storageAccounts"
ROLE_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
SITE = "Microsoft.Web/sites"
VAULT = "Microsoft.KeyVault/vaults"

# ---- the settings, as README.md has them: name and default (None: there is none)

SETTINGS: dict[str, str | None] = {
    "MODE": "dry-run",
    "GRAPH_ENDPOINT": "https://graph.microsoft.com",
    "ALLOWED_PROFILES": "require-reregister",
    "TRUSTED_SOURCES": None,
    "REVOKE_SESSIONS": "true",
    "REQUEST_MAX_AGE": "PT24H",
    "GIVE_UP_AFTER": "PT6H",
    "CLAIM_LEASE": "PT2M",
    "SERVICENOW_URL": None,
    "SERVICENOW_AUDIENCE": None,
    "SERVICENOW_TABLES": "sc_req_item",
    "SERVICENOW_CATALOG_ITEMS": None,
    "SERVICENOW_USER_FIELD": "user_name",
    "SERVICENOW_PROFILE_FIELD": None,
    "SERVICENOW_DONE_STATE": None,
    "APPROVALS_REQUIRED": "1",
    "APPROVAL_MAX_AGE": "PT72H",
    "APPROVER_GROUP": None,
    "SERVICENOW_INTEGRATION_USER": None,
    "PROOF_FIELD": None,
    "PROOF_ACCEPTED": None,
    "PROTECTED_USERS": None,
    "PROTECTED_GROUPS": None,
    "ALLOWED_GROUPS": None,
    "COOLDOWN": "PT24H",
    "ACTOR_HOURLY_LIMIT": "10",
    "BREAKER_LIMIT": "50",
}
# Those that follow from what is deployed, and are nobody's choice
DEPLOYED = {
    "AZURE_CLIENT_ID",
    "JOURNAL_CONNECTION",
    "WEBHOOK_KEYS",
    *(
        f"AzureWebJobsStorage__{part}"
        for part in ("credential", "clientId", "blobServiceUri", "queueServiceUri", "tableServiceUri")
    ),
    *(f"JOURNAL__{part}" for part in ("credential", "clientId", "blobServiceUri", "tableServiceUri")),
}
# Those that are read by the host and the worker, not by us
PLATFORM = {
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "where the log goes; no credential, as local authentication is off",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "with whose token it goes there",
    "OTEL_TRACES_SAMPLER": "nothing is left out of it",
    "OTEL_TRACES_SAMPLER_ARG": "nothing at all",
}

# ---- the roles: on what, to whom, and why

ROLES = {
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Storage Table Data Reader": "76199698-9eea-4c19-bc75-cec21354c6b6",
}
APP, OPERATORS, KEY_KEEPERS = "appPrincipalId", "operatorsId", "keyKeepersId"
ALLOWED = {
    ("Storage Blob Data Owner", "hostStorage", APP): "the host keeps leases and keys in containers that it makes itself",
    ("Storage Table Data Contributor", "hostStorage", APP): "the host says there why it could not start",
    ("Storage Queue Data Contributor", "queue[i]", APP): "the trigger takes, the app puts back and publishes",
    ("Storage Table Data Contributor", "journal", APP): "it remembers",
    ("Storage Table Data Contributor", "control", APP): "it opens the breaker and takes orders off",
    ("Storage Blob Data Contributor", "receipts", APP): "it appends",
    ("Key Vault Secrets User", "vault", APP): "the platform reads the webhook's keys for it",
    ("Monitoring Metrics Publisher", "applicationInsights", APP): "it sends its log without a key",
    ("Storage Table Data Contributor", "control", OPERATORS): "they turn switches and give orders",
    ("Storage Table Data Reader", "journal", OPERATORS): "they see what waits",
    ("Storage Blob Data Reader", "receipts", OPERATORS): "they verify",
    ("Key Vault Secrets Officer", "vault", KEY_KEEPERS): "they put the keys there",
}
# What the names in roles.bicep stand for, of which type and by which parameter: nothing else, and nothing wider, is behind them
SCOPES = {
    "hostStorage": (ACCOUNT, "hostStorageName"),
    "queue": (f"{ACCOUNT}/queueServices/queues", "queueName"),
    "journalStorage": (ACCOUNT, "journalStorageName"),
    "journal": (f"{ACCOUNT}/tableServices/tables", "journalTable"),
    "control": (f"{ACCOUNT}/tableServices/tables", "controlTable"),
    "receipts": (f"{ACCOUNT}/blobServices/containers", "receiptsContainer"),
    "vault": (VAULT, "vaultName"),
    "applicationInsights": ("Microsoft.Insights/components", "applicationInsightsName"),
}
# What these parameters are given by main.bicep: who has a role on which store
GIVEN = {
    "appPrincipalId": "identity.outputs.principalId",
    "operatorsId": "operatorsId",
    "keyKeepersId": "keyKeepersId",
    "hostStorageName": "hostStorage.outputs.name",
    "queues": "queues",
    "journalStorageName": "journalStorage.outputs.name",
    "journalTable": "journalTable",
    "controlTable": "controlTable",
    "receiptsContainer": "receiptsContainer",
    "vaultName": "vault.outputs.name",
    "applicationInsightsName": "telemetry.outputs.applicationInsightsName",
}

PREVIEWS: dict[str, str] = {}  # API versions that are not final, each with its reason

SECRETS = {"ConnectionString", "InstrumentationKey", "connectionString", "primaryKey", "primarySharedKey", "value"}


# ---- policies: each gives the problems that it finds

type Policy = Callable[[Files], Iterator[str]]


def wanted(found: Declared, values: Mapping[str, object]) -> Iterator[str]:
    for path, value in values.items():
        if type(got := found.at(path)) is not type(value) or got != value:
            yield f"{found}: {path} is {got!r}, not {value!r}"


def no_shared_keys(files: Files) -> Iterator[str]:
    accounts = resources(files, ACCOUNT)
    assert accounts
    for account in accounts:
        yield from wanted(account, {"properties.allowSharedKeyAccess": False, "properties.isLocalUserEnabled": False})
    for file, tree in files.items():
        for node in nodes(tree):
            match node:
                case {"func_name": str(name)}:
                    yield f"{file}: {name} asks for a key"


def transport_is_encrypted(files: Files) -> Iterator[str]:
    for account in resources(files, ACCOUNT):
        yield from wanted(account, {"properties.minimumTlsVersion": "TLS1_2", "properties.supportsHttpsTrafficOnly": True})
    for site in resources(files, SITE):
        yield from wanted(
            site,
            {
                "properties.httpsOnly": True,
                "properties.siteConfig.minTlsVersion": "1.2",
                "properties.siteConfig.scmMinTlsVersion": "1.2",
                "properties.siteConfig.ftpsState": "Disabled",
            },
        )


def no_blob_is_public(files: Files) -> Iterator[str]:
    for account in resources(files, ACCOUNT):
        yield from wanted(account, {"properties.allowBlobPublicAccess": False})
    for container in resources(files, f"{ACCOUNT}/blobServices/containers"):
        yield from wanted(container, {"properties.publicAccess": "None"})


def no_publishing_by_password(files: Files) -> Iterator[str]:
    found = resources(files, f"{SITE}/basicPublishingCredentialsPolicies")
    for site in resources(files, SITE):
        ways = {policy.at("name") for policy in found if policy.at("parent") == site.symbol}
        yield from (f"{site}: {way} is not ruled" for way in sorted({"ftp", "scm"} - ways))
        yield from wanted(site, {"properties.siteConfig.remoteDebuggingEnabled": False})
    for policy in found:
        yield from wanted(policy, {"properties.allow": False})


def only_entra_authenticates(files: Files) -> Iterator[str]:
    for component in resources(files, "Microsoft.Insights/components"):
        yield from wanted(component, {"properties.DisableLocalAuth": True})
    for workspace in resources(files, "Microsoft.OperationalInsights/workspaces"):
        yield from wanted(workspace, {"properties.features.disableLocalAuth": True})
    for vault in resources(files, VAULT):
        yield from wanted(vault, {"properties.enableRbacAuthorization": True})
    for site in resources(files, SITE):
        yield from wanted(
            site,
            {
                "identity.type": "UserAssigned",
                "properties.functionAppConfig.deployment.storage.authentication.type": "UserAssignedIdentity",
            },
        )


def keys_can_be_brought_back(files: Files) -> Iterator[str]:
    for vault in resources(files, VAULT):
        yield from wanted(
            vault,
            {
                "properties.enableSoftDelete": True,
                "properties.enablePurgeProtection": True,
                "properties.softDeleteRetentionInDays": 90,
            },
        )


def who_is_not_named_is_not_let_in(files: Files) -> Iterator[str]:
    """By address: nobody calls the app or deploys to it; storage and vault are closed where there is a network of their own."""
    for kind in (ACCOUNT, VAULT):
        for store in resources(files, kind):
            yield from wanted(store, {"properties.networkAcls.bypass": "None"})
            match store.at("properties.networkAcls.defaultAction"):
                case {"operator": {"type": "conditional", "operands": {"condition": "private", "true_value": "Deny"}}}:
                    pass
                case "Deny":
                    pass
                case other:
                    yield f"{store}: the default action is {other!r}"
    for site in resources(files, SITE):
        yield from wanted(
            site,
            {
                "properties.siteConfig.ipSecurityRestrictionsDefaultAction": "Deny",
                "properties.siteConfig.scmIpSecurityRestrictionsDefaultAction": "Deny",
                "properties.siteConfig.scmIpSecurityRestrictionsUseMain": False,
            },
        )
    for name in ("webhookAddresses", "deploymentAddresses", "operatorAddresses"):
        if (default := files["main.bicep"]["parameters"][name]["default"]) != "":
            yield f"main.bicep: {name} lets in {default!r}"


def one_address_lets_in_one_address(files: Files) -> Iterator[str]:
    """Without a range it is a host: of 32 bits, or of 128 where it is of IPv6. /32 there would be a whole provider's network."""
    for site in resources(files, SITE):
        for way in ("ipSecurityRestrictions", "scmIpSecurityRestrictions"):
            rule = site.at(f"properties.siteConfig.{way}.config.ipAddress.operator.operands") or {}
            if rule.get("false_value") != "${address}/${contains(address, ':') ? 128 : 32}":
                yield f"{site}: {way} does not tell IPv6 from IPv4: {rule}"


def the_log_is_kept_as_long_as_was_chosen(files: Files) -> Iterator[str]:
    """What Application Insights writes stays for 90 days, whatever the workspace says, unless its table says otherwise."""
    tables = resources(files, "Microsoft.OperationalInsights/workspaces/tables")
    if [table.at("name") for table in tables] != [Symbol("table")]:
        yield "app/telemetry.bicep: tables keep their own retention"
    for table in tables:
        kept = {f"properties.{name}": Symbol("retentionDays") for name in ("retentionInDays", "totalRetentionInDays")}
        yield from wanted(table, {**kept, "parent": Symbol("workspace")})
    written = set(at(files["app/telemetry.bicep"], "variables.written.value") or ())
    if missing := {"AppDependencies", "AppExceptions", "AppMetrics", "AppRequests", "AppTraces"} - written:
        yield f"app/telemetry.bicep: {', '.join(sorted(missing))} keep their own retention"


def every_role_has_its_reason(files: Files) -> Iterator[str]:
    ids = {guid: name for name, guid in ROLES.items()}
    given: Counter[tuple[str, str, str]] = Counter()
    for assignment in resources(files, ROLE_ASSIGNMENT):
        known = at(files[assignment.file], "variables.roles.value") or {}
        definition = assignment.at("properties.roleDefinitionId.function.parameters.resource_name_1")
        role = ids.get(known.get(path_of(definition).removeprefix("roles."), ""), f"an unknown role ({path_of(definition)})")
        scope, to = path_of(assignment.at("scope")), path_of(assignment.at("properties.principalId"))
        given[role, scope, to] += 1
        if (role, scope, to) not in ALLOWED:
            yield f"{assignment}: {role} on {scope or 'the resource group'} to {to} has no reason"
        if to == APP and assignment.at("properties.principalType") != "ServicePrincipal":
            yield f"{assignment}: an identity that was just made is not found"
        if scope and set(words(scope)) - words(assignment.at("name")):
            yield f"{assignment}: its name does not depend on its scope"
    yield from (f"{one} is given {count} times" for one, count in given.items() if count > 1)
    yield from (f"{one} is not given" for one in ALLOWED.keys() - given.keys())
    behind = {one.symbol: one for one in resources(files, existing=True) if one.file == "app/roles.bicep"}
    for scope, (kind, name) in SCOPES.items():
        if scope not in behind or (behind[scope].kind, behind[scope].at("name")) != (kind, Symbol(name)):
            yield f"app/roles.bicep: {scope} is not the {kind} named by {name}"
    for module in modules(files):
        if module.kind == "app/roles.bicep":
            given_to = {name: path_of(value) for name, value in module.at("params").items()}
            yield from (f"{module}: {name} is {given_to.get(name)}" for name in GIVEN if given_to.get(name) != GIVEN[name])


def a_network_of_its_own_reaches_everything(files: Files) -> Iterator[str]:
    """What is closed to the internet has a private endpoint, and a name that leads there."""
    for module in modules(files):
        if module.kind in ("app/storage.bicep", "app/vault.bicep"):
            yield from wanted(module, {"params.private": Symbol("vnetEnabled"), "params.addresses": Symbol("storageAddresses")})
    variables = files["app/network.bicep"]["variables"]
    endpoints, zones = variables["endpoints"]["value"], variables["zoneNames"]["value"]
    reached = {(str(endpoint["target"]), endpoint["group"]) for endpoint in endpoints}
    stores = {(f"{name}StorageId", service) for name in ("host", "journal") for service in ("blob", "table")}
    yield from (f"{missing} is not reached" for missing in {*stores, ("hostStorageId", "queue"), ("vaultId", "vault")} - reached)
    for endpoint in endpoints:
        zone = {"vault": "privatelink.vaultcore."}.get(endpoint["group"], f"privatelink.{endpoint['group']}.")
        if not zones[endpoint["zone"]].startswith(zone):
            yield f"app/network.bicep: {endpoint['name']} is looked for in {zones[endpoint['zone']]}"


def no_secret_leaves(files: Files) -> Iterator[str]:
    """Outputs stay in the history of deployments, and in azd's environment."""
    for file, tree in files.items():
        secure = {name for name, parameter in tree.get("parameters", {}).items() if "secure" in decorated(parameter)}
        for name, output in tree.get("outputs", {}).items():
            if shown := words(output["value"]) & (SECRETS | secure):
                yield f"{file}: the output {name} shows {', '.join(sorted(shown))}"
            if any(isinstance(node, dict) and "func_name" in node for node in nodes(output["value"])):
                yield f"{file}: the output {name} shows a key"


def no_secret_is_written_down(files: Files) -> Iterator[str]:
    for file, tree in files.items():
        for name, parameter in tree.get("parameters", {}).items():
            if "secure" in decorated(parameter) and parameter["default"] is not None:
                yield f"{file}: the secret {name} has a default"
    for found in resources(files, f"{VAULT}/secrets"):
        yield f"{found}: a secret's value passes through a deployment"
    if not at(files["app/function.bicep"], "variables.connections.value.WEBHOOK_KEYS").startswith(
        "@Microsoft.KeyVault(SecretUri="
    ):
        yield "app/function.bicep: WEBHOOK_KEYS is not a reference to the vault"


def chosen(files: Files) -> dict[str, str]:
    """The settings that main.bicep passes on, and the parameter that each takes its value from."""
    return dict(files["main.bicep"]["variables"]["settings"]["value"])


def settings_are_those_of_the_app(files: Files) -> Iterator[str]:
    main, app = files["main.bicep"], files["app/function.bicep"]
    parameters = chosen(files)
    yield from (f"{name} cannot be chosen, or is not known" for name in parameters.keys() ^ SETTINGS.keys())
    for name, parameter in parameters.items():
        default = main["parameters"].get(parameter, {"default": "no such parameter"})["default"]
        if default != (SETTINGS.get(name) or ""):
            yield f"{name} is {default!r} unless somebody chooses"
    deployed = at(app, "variables.connections.value")
    yield from (f"{name} is not set, or is not known" for name in deployed.keys() ^ (DEPLOYED | PLATFORM.keys()))
    for name in ("AzureWebJobsStorage__credential", "JOURNAL__credential"):
        if deployed.get(name) != "managedidentity":
            yield f"{name} is not managedidentity"
    if (deployed.get("OTEL_TRACES_SAMPLER"), deployed.get("OTEL_TRACES_SAMPLER_ARG")) != ("microsoft.fixed_percentage", "1.0"):
        yield "app/function.bicep: lines of the log are left out"
    if at(app, "resources.appSettings.config.properties.function.parameters") != {"arg_1": "chosen", "arg_2": "connections"}:
        yield "app/function.bicep: the app is not given what was chosen and what is deployed"
    match at(app, "variables.chosen.value.function.parameters.arg_1.function"):
        case {"type": "filter", "parameters": {"expression": {"detail": {"expression": {"operator": {"type": "not"}}}}}}:
            pass
        case _:
            yield "app/function.bicep: blank settings are not left out"


def names_are_those_of_the_app(files: Files) -> Iterator[str]:
    """What the app looks for is what is made, and where: a queue that nobody made is not polled."""
    main = files["main.bicep"]
    values = {name: variable["value"] for name, variable in main["variables"].items()}
    named = {
        "queues": [queues.REQUESTS, queues.RESULTS, queues.POISON],
        "journalTable": tables.TABLE,
        "controlTable": tables.CONTROL_TABLE,
        "receiptsContainer": receipts.CONTAINER,
    }
    yield from (f"{name} is {values.get(name)!r}, not {value!r}" for name, value in named.items() if values.get(name) != value)
    made: dict[str, dict[str, Any]] = {
        "hostStorage": {"queues": "queues", "tables": None, "containers": ["packageContainer"]},
        "journalStorage": {"queues": None, "tables": ["journalTable", "controlTable"], "containers": ["receiptsContainer"]},
    }
    accounts = {module.symbol: module for module in modules(files) if module.kind == "app/storage.bicep"}
    yield from (f"{name} is an account that nobody knows, or is not made" for name in accounts.keys() ^ made.keys())
    for name in accounts.keys() & made.keys():
        for kind, what in made[name].items():
            if (got := accounts[name].at(f"params.{kind}")) != what:
                yield f"{accounts[name]}: {kind} are {got}, not {what}"


def receipts_are_kept(files: Files) -> Iterator[str]:
    found = resources(files, f"{ACCOUNT}/blobServices/containers/immutabilityPolicies")
    if len(found) != 1:
        yield "there is not one immutability policy"
    for policy in found:
        yield from wanted(
            policy, {"properties.allowProtectedAppendWrites": True, "parent": Symbol("container"), "name": "default"}
        )
    parameters = files["main.bicep"]["parameters"]
    if not (parameters["receiptsRetentionDays"]["default"] or 0) > 0:
        yield "main.bicep: receipts are not immutable unless somebody chooses"
    for module in modules(files):
        if module.symbol == "journalStorage":
            yield from wanted(module, {"params.versioning": True, "params.keepDeletedDays": Symbol("receiptsKeepDeletedDays")})
        if module.symbol == "receipts":
            yield from wanted(module, {"params.containerName": Symbol("receiptsContainer")})


def the_runtime_is_what_was_tested(files: Files) -> Iterator[str]:
    version = (ROOT / ".python-version").read_text("utf-8").strip()
    for site in resources(files, SITE):
        runtime = "properties.functionAppConfig.runtime"
        yield from wanted(site, {f"{runtime}.name": "python", f"{runtime}.version": version, "kind": "functionapp,linux"})
    for plan in resources(files, "Microsoft.Web/serverfarms"):
        yield from wanted(plan, {"sku.name": "FC1", "sku.tier": "FlexConsumption"})


def few_at_once(files: Files) -> Iterator[str]:
    """What removes from people what they sign in with is not scaled like a shop."""
    parameters = files["main.bicep"]["parameters"]
    chosen_by_default = {name: parameters[name]["default"] for name in ("maximumInstanceCount", "alwaysReadyInstances")}
    if chosen_by_default != {"maximumInstanceCount": 2, "alwaysReadyInstances": 0}:
        yield f"main.bicep: {chosen_by_default}"
    if decorated(parameters["alwaysReadyInstances"]).get("max_value") != 1:
        yield "main.bicep: more than one instance may be kept warm"
    for site in resources(files, SITE):
        scale = "properties.functionAppConfig.scaleAndConcurrency"
        yield from wanted(
            site,
            {
                f"{scale}.maximumInstanceCount": Symbol("maximumInstanceCount"),
                f"{scale}.triggers.http.perInstanceConcurrency": 16,
                f"{scale}.instanceMemoryMB": 2048,
            },
        )


def versions_are_final(files: Files) -> Iterator[str]:
    for existing in (False, True):
        for found in resources(files, existing=existing):
            if "preview" in found.api_version and f"{found.kind}@{found.api_version}" not in PREVIEWS:
                yield f"{found}: {found.api_version}"


def everything_is_described(files: Files) -> Iterator[str]:
    for file, tree in files.items():
        for kind in ("parameters", "outputs"):
            for name, node in tree.get(kind, {}).items():
                if not decorated(node).get("description"):
                    yield f"{file}: {name} has no description"


def every_part_fits(files: Files) -> Iterator[str]:
    """Without a registry: modules are our own files, given just what they want, asked only for what they tell."""
    paths = {path_of(node) for file in {module.file for module in modules(files)} for node in nodes(files[file])}
    for module in modules(files):
        if (own := files.get(module.kind)) is None:
            yield f"{module}: {module.kind} is not ours, or not there"
            continue
        declared, passed = own.get("parameters", {}), module.at("params")
        yield from (f"{module}: {name} is not a parameter" for name in passed.keys() - declared.keys())
        required = {name for name, parameter in declared.items() if parameter["default"] is None}
        yield from (f"{module}: {name} is wanted" for name in required - passed.keys())
        told = own.get("outputs", {}).keys()
        asked = {path.split(".")[2] for path in paths if path.startswith(f"{module.symbol}.outputs.")}
        yield from (f"{module}: {name} is not an output" for name in asked - told)
    for file, tree in files.items():
        bodies = [tree.get(kind, {}) for kind in ("resources", "modules", "outputs", "variables")]
        chosen, declared = (
            {*tree.get("parameters", {}), *tree.get("variables", {})},
            {*tree.get("resources", {}), *tree.get("modules", {})},
        )
        used = set(symbols(bodies))
        yield from (f"{file}: {name} is not used" for name in chosen - used)
        yield from (f"{file}: {name} is nothing" for name in used - chosen - declared - {*variables(bodies)})


def azd_finds_its_way(files: Files) -> Iterator[str]:
    main = files["main.bicep"]
    if at(main, "globals.scope.value") != "subscription":
        yield "main.bicep: it is not deployed to a subscription"
    if at(main, "variables.tags.value") != {"'azd-env-name'": "environmentName"}:
        yield "main.bicep: azd does not know its resources"
    if "resourceToken" not in main["variables"]:
        yield "main.bicep: names are not unique"
    yield from (f"the output {name} is no name of an environment variable" for name in main["outputs"] if name != name.upper())
    for site in resources(files, SITE):
        tags = site.at("tags.function.parameters.arg_2")
        if tags != {"'azd-service-name'": "app"}:
            yield f"{site}: azd does not know what to deploy there: {tags}"
    taggable = [one for one in resources(files) if one.at("location") is not None]
    yield from (f"{one}: has no tags" for one in taggable if "tags" not in words(one.at("tags")))


POLICIES: tuple[Policy, ...] = (
    no_shared_keys,
    transport_is_encrypted,
    no_blob_is_public,
    no_publishing_by_password,
    only_entra_authenticates,
    keys_can_be_brought_back,
    who_is_not_named_is_not_let_in,
    one_address_lets_in_one_address,
    the_log_is_kept_as_long_as_was_chosen,
    every_role_has_its_reason,
    a_network_of_its_own_reaches_everything,
    no_secret_leaves,
    no_secret_is_written_down,
    settings_are_those_of_the_app,
    names_are_those_of_the_app,
    receipts_are_kept,
    the_runtime_is_what_was_tested,
    few_at_once,
    versions_are_final,
    everything_is_described,
    every_part_fits,
    azd_finds_its_way,
)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.__name__)
def test_what_is_deployed_keeps_to(policy: Policy) -> None:
    assert list(policy(FILES)) == []


# ---- each policy finds what breaks it


class Spoilt(NamedTuple):
    policy: Policy
    file: str
    now: str
    then: str


MAIN, FUNCTION, STORAGE, VAULT_FILE = "main.bicep", "app/function.bicep", "app/storage.bicep", "app/vault.bicep"
ROLES_FILE, TELEMETRY = "app/roles.bicep", "app/telemetry.bicep"
END = "\n"

SPOILT = [
    Spoilt(no_shared_keys, STORAGE, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
    Spoilt(no_shared_keys, STORAGE, "    allowSharedKeyAccess: false\n", ""),
    Spoilt(no_shared_keys, STORAGE, "isLocalUserEnabled: false", "isLocalUserEnabled: true"),
    Spoilt(no_shared_keys, FUNCTION, "applicationInsights.properties.ConnectionString", "hostStorage.listKeys().keys[0].value"),
    Spoilt(
        no_shared_keys,
        FUNCTION,
        "applicationInsights.properties.ConnectionString",
        "listKeys(hostStorage.id, '2024-01-01').keys[0].value",
    ),
    Spoilt(transport_is_encrypted, STORAGE, "'TLS1_2'", "'TLS1_0'"),
    Spoilt(transport_is_encrypted, STORAGE, "supportsHttpsTrafficOnly: true", "supportsHttpsTrafficOnly: false"),
    Spoilt(transport_is_encrypted, FUNCTION, "httpsOnly: true", "httpsOnly: false"),
    Spoilt(transport_is_encrypted, FUNCTION, "minTlsVersion: '1.2'", "minTlsVersion: '1.1'"),
    Spoilt(transport_is_encrypted, FUNCTION, "ftpsState: 'Disabled'", "ftpsState: 'FtpsOnly'"),
    Spoilt(no_blob_is_public, STORAGE, "allowBlobPublicAccess: false", "allowBlobPublicAccess: true"),
    Spoilt(no_blob_is_public, STORAGE, "publicAccess: 'None'", "publicAccess: 'Blob'"),
    Spoilt(no_publishing_by_password, FUNCTION, "allow: false", "allow: true"),
    Spoilt(no_publishing_by_password, FUNCTION, "name: 'scm'", "name: 'ftp'"),
    Spoilt(no_publishing_by_password, FUNCTION, "remoteDebuggingEnabled: false", "remoteDebuggingEnabled: true"),
    Spoilt(only_entra_authenticates, TELEMETRY, "    DisableLocalAuth: true", "    DisableLocalAuth: false"),
    Spoilt(only_entra_authenticates, TELEMETRY, "      disableLocalAuth: true\n", ""),
    Spoilt(only_entra_authenticates, VAULT_FILE, "enableRbacAuthorization: true", "enableRbacAuthorization: false"),
    Spoilt(only_entra_authenticates, FUNCTION, "type: 'UserAssignedIdentity'", "type: 'StorageAccountConnectionString'"),
    Spoilt(keys_can_be_brought_back, VAULT_FILE, "enablePurgeProtection: true", "enablePurgeProtection: false"),
    Spoilt(keys_can_be_brought_back, VAULT_FILE, "softDeleteRetentionInDays: 90", "softDeleteRetentionInDays: 7"),
    Spoilt(who_is_not_named_is_not_let_in, STORAGE, "private ? 'Deny' : 'Allow'", "private ? 'Allow' : 'Allow'"),
    Spoilt(who_is_not_named_is_not_let_in, STORAGE, "bypass: 'None'", "bypass: 'AzureServices'"),
    Spoilt(who_is_not_named_is_not_let_in, VAULT_FILE, "private ? 'Deny' : 'Allow'", "'Allow'"),
    Spoilt(who_is_not_named_is_not_let_in, FUNCTION, "ipSecurityRestrictionsDefaultAction: 'Deny'", "remark: 'open'"),
    Spoilt(
        who_is_not_named_is_not_let_in, MAIN, "param webhookAddresses string = ''", "param webhookAddresses string = '0.0.0.0/0'"
    ),
    Spoilt(one_address_lets_in_one_address, FUNCTION, "/${contains(address, ':') ? 128 : 32}'", "/32'"),
    Spoilt(the_log_is_kept_as_long_as_was_chosen, TELEMETRY, "    totalRetentionInDays: retentionDays\n", ""),
    Spoilt(the_log_is_kept_as_long_as_was_chosen, TELEMETRY, "  'AppTraces'\n", ""),
    Spoilt(every_role_has_its_reason, ROLES_FILE, ROLES["Storage Table Data Reader"], ROLES["Storage Table Data Contributor"]),
    Spoilt(every_role_has_its_reason, ROLES_FILE, ROLES["Key Vault Secrets User"], "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
    Spoilt(every_role_has_its_reason, ROLES_FILE, "  scope: receipts\n", "  scope: journalStorage\n"),
    Spoilt(every_role_has_its_reason, ROLES_FILE, "  scope: control\n", ""),
    Spoilt(every_role_has_its_reason, ROLES_FILE, "principalId: operatorsId", "principalId: keyKeepersId"),
    Spoilt(
        every_role_has_its_reason,
        ROLES_FILE,
        "resource control 'Microsoft.Storage/storageAccounts/tableServices/tables@",
        "resource control 'Microsoft.Storage/storageAccounts@",
    ),
    Spoilt(
        every_role_has_its_reason,
        MAIN,
        "module identity",
        "resource owner 'Microsoft.Authorization/roleAssignments@2022-04-01' = {\n  name: guid(operatorsId)\n  properties: {\n"
        "    principalId: operatorsId\n    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', "
        "'8e3af657-a8ff-443c-a75c-2fe8c4bcb635')\n  }\n}\n\nmodule identity",
    ),
    Spoilt(every_role_has_its_reason, ROLES_FILE, "    principalType: 'ServicePrincipal'\n", ""),
    Spoilt(every_role_has_its_reason, ROLES_FILE, "  name: journalTable\n", "  name: controlTable\n"),
    Spoilt(every_role_has_its_reason, MAIN, "    controlTable: controlTable\n", "    controlTable: journalTable\n"),
    Spoilt(every_role_has_its_reason, MAIN, "    operatorsId: operatorsId\n", "    operatorsId: keyKeepersId\n"),
    Spoilt(a_network_of_its_own_reaches_everything, MAIN, "    private: vnetEnabled\n", "    private: false\n"),
    Spoilt(
        a_network_of_its_own_reaches_everything,
        "app/network.bicep",
        "  { name: 'journal-table', target: journalStorageId, group: 'table', zone: 2 }\n",
        "",
    ),
    Spoilt(a_network_of_its_own_reaches_everything, "app/network.bicep", "group: 'queue', zone: 1", "group: 'queue', zone: 0"),
    Spoilt(no_secret_leaves, STORAGE, "string = account.name", "string = account.listKeys().keys[0].value"),
    Spoilt(
        no_secret_leaves,
        TELEMETRY,
        "string = applicationInsights.name",
        "string = applicationInsights.properties.ConnectionString",
    ),
    Spoilt(
        no_secret_leaves,
        TELEMETRY,
        "string = applicationInsights.name",
        "string = 'Key=${applicationInsights.properties.InstrumentationKey}'",
    ),
    Spoilt(no_secret_leaves, MAIN, "param location string", "@secure()\nparam location string"),
    Spoilt(no_secret_is_written_down, MAIN, "param operatorsId string", "@secure()\nparam operatorsId string"),
    Spoilt(no_secret_is_written_down, FUNCTION, "'@Microsoft.KeyVault(", "'whsec_("),
    Spoilt(
        no_secret_is_written_down,
        VAULT_FILE,
        "@description('Resource id.')",
        "resource keys 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = {\n  parent: vault\n  name: 'webhook-keys'\n}\n\n"
        "@description('Resource id.')",
    ),
    Spoilt(settings_are_those_of_the_app, MAIN, "param mode string = 'dry-run'", "param mode string = 'enforce'"),
    Spoilt(settings_are_those_of_the_app, MAIN, "servicenowCatalogItems string = ''", "servicenowCatalogItems string = '*'"),
    Spoilt(settings_are_those_of_the_app, MAIN, "  BREAKER_LIMIT: breakerLimit\n", ""),
    Spoilt(settings_are_those_of_the_app, MAIN, "  COOLDOWN: cooldown\n", "  COOL_DOWN: cooldown\n"),
    Spoilt(settings_are_those_of_the_app, MAIN, "  COOLDOWN: cooldown\n", "  COOLDOWN: claimLease\n"),
    Spoilt(settings_are_those_of_the_app, FUNCTION, "JOURNAL__tableServiceUri:", "JOURNAL__tableUri:"),
    Spoilt(settings_are_those_of_the_app, FUNCTION, "JOURNAL__credential: 'managedidentity'", "JOURNAL__credential: 'key'"),
    Spoilt(settings_are_those_of_the_app, FUNCTION, "SAMPLER_ARG: '1.0'", "SAMPLER_ARG: '0.1'"),
    Spoilt(settings_are_those_of_the_app, FUNCTION, "union(chosen, connections)", "union(settings, connections)"),
    Spoilt(settings_are_those_of_the_app, FUNCTION, "!empty(setting.value)", "empty(setting.value)"),
    Spoilt(names_are_those_of_the_app, MAIN, "  'mfa-requests-poison'\n", ""),
    Spoilt(names_are_those_of_the_app, MAIN, "'reregisterjournal'", "'journal'"),
    Spoilt(names_are_those_of_the_app, MAIN, "      controlTable\n", ""),
    Spoilt(names_are_those_of_the_app, MAIN, "    queues: queues\n    containers", "    containers"),
    Spoilt(receipts_are_kept, "app/receipts.bicep", "allowProtectedAppendWrites: true", "allowProtectedAppendWrites: false"),
    Spoilt(receipts_are_kept, MAIN, "versioning: true", "versioning: false"),
    Spoilt(receipts_are_kept, MAIN, "receiptsRetentionDays int = 365", "receiptsRetentionDays int = 0"),
    Spoilt(the_runtime_is_what_was_tested, FUNCTION, "version: '3.13'", "version: '3.11'"),
    Spoilt(the_runtime_is_what_was_tested, FUNCTION, "'FC1'", "'Y1'"),
    Spoilt(few_at_once, MAIN, "maximumInstanceCount int = 2", "maximumInstanceCount int = 100"),
    Spoilt(few_at_once, FUNCTION, "        maximumInstanceCount: maximumInstanceCount\n", ""),
    Spoilt(few_at_once, FUNCTION, "perInstanceConcurrency: 16", "perInstanceConcurrency: 1000"),
    Spoilt(versions_are_final, VAULT_FILE, "vaults@2023-07-01", "vaults@2023-08-01-preview"),
    Spoilt(versions_are_final, ROLES_FILE, "vaults@2023-07-01", "vaults@2023-08-01-preview"),
    Spoilt(everything_is_described, MAIN, "@description('MODE: dry-run or enforce.')\n", ""),
    Spoilt(everything_is_described, MAIN, "@description('Tenant.')\n", ""),
    Spoilt(every_part_fits, MAIN, "'app/identity.bicep'", "'br/public:avm/res/managed-identity/user-assigned-identity:0.6.0'"),
    Spoilt(every_part_fits, MAIN, "    retentionDays: logRetentionDays\n", ""),
    Spoilt(every_part_fits, MAIN, "    days: receiptsRetentionDays\n", "    months: receiptsRetentionDays\n"),
    Spoilt(every_part_fits, MAIN, "= app.outputs.url", "= app.outputs.address"),
    Spoilt(every_part_fits, MAIN, "    appPrincipalId: identity.outputs", "    appPrincipalId: identities.outputs"),
    Spoilt(every_part_fits, STORAGE, "  sku: {\n    name: sku", "  sku: {\n    name: size"),
    Spoilt(every_part_fits, FUNCTION, "${packageContainer}", "${packages}"),
    Spoilt(every_part_fits, MAIN, "    operatorsId: operatorsId\n", "    operatorsId: ''\n"),
    Spoilt(azd_finds_its_way, MAIN, "targetScope = 'subscription'", "targetScope = 'resourceGroup'"),
    Spoilt(azd_finds_its_way, MAIN, "output REREGISTER_URL", "output reregisterUrl"),
    Spoilt(azd_finds_its_way, FUNCTION, "'azd-service-name': 'app'", "'azd-service-name': 'api'"),
    Spoilt(azd_finds_its_way, STORAGE, "  tags: tags\n", ""),
]


@pytest.mark.parametrize("spoilt", SPOILT, ids=lambda spoilt: f"{spoilt.policy.__name__}: {' '.join(spoilt.then.split())[:50]}")
def test_a_policy_finds_what_breaks_it(spoilt: Spoilt) -> None:
    assert spoilt.now in TEXTS[spoilt.file]
    files = {**FILES, spoilt.file: parse(TEXTS[spoilt.file].replace(spoilt.now, spoilt.then))}
    assert list(spoilt.policy(files)) != []


def test_every_policy_was_seen_to_find_something() -> None:
    assert {spoilt.policy for spoilt in SPOILT} == set(POLICIES)


def test_what_is_nested_cannot_be_read_and_is_not_taken_for_read() -> None:
    inner = "  resource inner 'blobServices' = {\n    name: 'default'\n  }\n"
    outer = "resource outer 'Microsoft.Storage/storageAccounts@2024-01-01' = {\n  name: 'a'\n%s}\n"
    assert parse(outer % "")
    for nested in (inner, inner + inner.replace("inner", "other")):
        with pytest.raises(Nested):
            parse(outer % nested)


# ---- what the app makes of the settings that it is given


class Asked(Mapping[str, str]):
    """An environment that remembers which names it was asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values_, self.names = values, set[str]()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("settings are asked for by name")

    def __len__(self) -> int:
        return len(self.values_)


KEY = "whsec_" + base64.b64encode(bytes(24)).decode()


def deployed(**choices: str) -> dict[str, str]:
    """The environment that Azure gives the app: as deployed by these files, with these values chosen, the rest by default."""
    values = {
        "identityClientId": "0a0b0c0d-0000-4000-8000-000000000000",
        **{f"{account}.properties.primaryEndpoints.{service}": f"https://{account.lower()}.{service}.core.windows.net/"
           for account in ("hostStorage", "journalStorage") for service in ("blob", "queue", "table")},
    }  # fmt: skip
    main, app = FILES["main.bicep"], FILES["app/function.bicep"]
    taken = {name: choices.get(name, main["parameters"][parameter]["default"]) for name, parameter in chosen(FILES).items()}
    connections = {
        name: values.get(path_of(value), path_of(value)) for name, value in at(app, "variables.connections.value").items()
    }
    return {**{name: value for name, value in taken.items() if value}, **connections}


def test_as_deployed_the_app_can_work_and_changes_nothing() -> None:
    chosen = settings.load(deployed() | {"WEBHOOK_KEYS": KEY})
    assert chosen.mode is Mode.DRY_RUN
    assert chosen.ticket_system is None
    assert chosen.limits.trusted_sources == frozenset()
    assert chosen.limits.catalog_items == frozenset()
    assert chosen.limits.allowed_profiles == {Profile.REQUIRE_REREGISTER}
    assert chosen.limits.cooldown == timedelta(hours=24)
    assert (chosen.limits.actor_hourly_limit, chosen.limits.breaker_limit) == (10, 50)
    assert chosen.revoke_sessions


def test_what_nobody_chooses_is_what_the_app_takes_by_itself() -> None:
    deployment = deployed() | {"WEBHOOK_KEYS": KEY}
    assert settings.load(deployment) == settings.load({name: deployment[name] for name in DEPLOYED})


def test_the_journal_is_on_an_account_apart_and_no_connection_has_a_key() -> None:
    chosen = settings.load(deployed() | {"WEBHOOK_KEYS": KEY})
    assert chosen.queues.queue_url == "https://hoststorage.queue.core.windows.net/"
    assert chosen.journal.table_url == "https://journalstorage.table.core.windows.net/"
    assert chosen.journal.blob_url == "https://journalstorage.blob.core.windows.net/"
    for connection in (chosen.queues, chosen.journal):
        assert connection.connection_string is None
        assert connection.client_id == chosen.client_id == "0a0b0c0d-0000-4000-8000-000000000000"


def test_a_key_that_is_not_in_the_vault_yet_lets_nothing_in() -> None:
    """The platform hands the reference itself to the app when it cannot read the secret."""
    with pytest.raises(SettingsInvalid) as invalid:
        settings.load(deployed())
    assert invalid.value.problems.keys() == {"WEBHOOK_KEYS"}


def test_every_setting_that_is_deployed_is_read_and_the_other_way_round() -> None:
    everything = deployed() | {
        "WEBHOOK_KEYS": KEY,
        "SERVICENOW_URL": "https://contoso.service-now.com",
        "SERVICENOW_AUDIENCE": "api://a",
    }
    settings.load(asked := Asked(everything))
    elsewhere = {"AzureWebJobsStorage", "JOURNAL"}  # a connection string, in place of an identity
    unused = {"AzureWebJobsStorage__accountName", "JOURNAL__accountName", "JOURNAL__queueServiceUri"}
    assert asked.names == SETTINGS.keys() | DEPLOYED | elsewhere | unused


# ---- what stands beside Bicep


def test_azd_can_be_told_every_parameter_and_a_setting_by_its_own_name() -> None:
    told = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]
    values = {name: parameter["value"] for name, parameter in told.items()}
    assert values.keys() == FILES["main.bicep"]["parameters"].keys()
    assert values.items() >= {(parameter, f"${{{name}}}") for name, parameter in chosen(FILES).items()}
    assert values.items() >= {("environmentName", "${AZURE_ENV_NAME}"), ("location", "${AZURE_LOCATION}")}
    assert len(set(values.values())) == len(values)
    outputs = {f"${{{name}}}" for name in FILES["main.bicep"]["outputs"]} - {"${AZURE_LOCATION}"}
    assert outputs.isdisjoint(values.values())  # azd keeps outputs where it looks for parameters


def test_the_page_says_what_can_be_chosen_and_what_is_taken_otherwise() -> None:
    told = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]
    parameters, settings = FILES["main.bicep"]["parameters"], set(chosen(FILES).values())
    defaults = {
        parameter["value"].strip("${}"): "–" if parameters[name]["default"] in ("", None) else parameters[name]["default"]
        for name, parameter in told.items()
        if name not in settings
    }
    table = (INFRA / "README.md").read_text("utf-8").partition("| name | default | meaning |")[2].partition("\n\n")[0]
    rows = [row.replace("`", "").split(" | ")[:2] for row in table.splitlines()[2:]]
    said = {name: default for names, default in ((row[0].strip("| "), row[1]) for row in rows) for name in names.split(", ")}
    assert said == {name: json.dumps(value) if isinstance(value, bool) else str(value) for name, value in defaults.items()}


def test_azd_deploys_the_package_and_nothing_is_built_elsewhere() -> None:
    project = yaml.safe_load((ROOT / "azure.yaml").read_text("utf-8"))
    assert project["services"] == {"app": {"project": ".", "language": "python", "host": "function", "remoteBuild": False}}
    assert project["workflows"]["up"]["steps"] == [
        {"azd": "provision"},
        {"azd": f"deploy app --from-package dist/reregister-{VERSION}.zip"},
    ]


def test_an_azd_that_would_pass_blanks_in_place_of_defaults_is_refused() -> None:
    """Older ones take a variable that is not set for a blank one: `MODE` would be none of its two values."""
    project = yaml.safe_load((ROOT / "azure.yaml").read_text("utf-8"))
    assert project["requiredVersions"] == {"azd": ">= 1.23.13"}


def test_the_function_that_is_kept_warm_is_one_of_the_app() -> None:
    scale = resources(FILES, SITE)[0].at("properties.functionAppConfig.scaleAndConcurrency.alwaysReady")
    kept = {word for word in nodes(scale) if isinstance(word, str) and word.startswith("function:")}
    source = (ROOT / "function_app.py").read_text("utf-8")
    assert kept == {"function:work"}
    assert '@app.function_name("work")' in source


def test_roles_on_storage_are_those_of_the_documents() -> None:
    document = (ROOT / "docs" / "permissions.md").read_text("utf-8").partition("## Storage")[2]
    on_host = {role for role, scope, _ in ALLOWED if scope == "hostStorage"}  # the host's own business
    for role, scope, _ in ALLOWED:
        if role.startswith("Storage") and role not in on_host - {"Storage Table Data Contributor"}:
            assert role in document, (role, scope)
