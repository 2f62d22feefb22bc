"""The environment becomes one value or every problem with it. The cases, setting by setting, are in cases/settings.yml."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import Enum
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.model import Mode
from shared.settings import Connection, SettingsInvalid, host_storage, load, loopback

SETTINGS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "settings.yml").read_text("utf-8"))
README = Path(__file__).parents[2] / "README.md"

STORAGE = "DefaultEndpointsProtocol=https;AccountName=contoso;AccountKey=c2VjcmV0LWtleQ==;EndpointSuffix=core.windows.net"
LEAST = {"AzureWebJobsStorage": STORAGE}
TICKET_SYSTEM = {"SERVICENOW_URL": "https://contoso.service-now.com", "SERVICENOW_AUDIENCE": "api://reregister"}
IDENTITY = {
    "AzureWebJobsStorage__blobServiceUri": "https://contoso.blob.core.windows.net",
    "AzureWebJobsStorage__queueServiceUri": "https://contoso.queue.core.windows.net",
    "AzureWebJobsStorage__tableServiceUri": "https://contoso.table.core.windows.net",
    "AzureWebJobsStorage__credential": "managedidentity",
    "AzureWebJobsStorage__clientId": "0a0b0c0d-0000-4000-8000-000000000000",
}


class Recorded(Mapping[str, str]):
    """An environment that remembers which names it was asked for, and how often."""

    def __init__(self, content: Mapping[str, str]) -> None:
        self.content = content
        self.asked: Counter[str] = Counter()

    def __getitem__(self, name: str) -> str:
        self.asked[name] += 1
        return self.content[name]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("settings are asked for by name")

    def __len__(self) -> int:
        return len(self.content)


def problems(environment: Mapping[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsInvalid) as caught:
        load(environment)
    return caught.value.problems


def plain(value: object) -> object:
    """In the words of cases/settings.yml."""
    match value:
        case timedelta():
            return value.total_seconds()
        case Enum():
            return value.value
        case frozenset():
            return sorted(str(plain(one)) for one in value)
        case tuple():
            return [len(one) for one in value]
        case _:
            return value


def of(setting: dict[str, Any], environment: Mapping[str, str]) -> object:
    """What the field of a setting is; None when the part of the settings that it is in is not there."""
    part, _, name = setting["field"].rpartition(".")
    loaded = load(environment)
    holder = attrgetter(part)(loaded) if part else loaded
    return None if holder is None else plain(getattr(holder, name))


def saying(setting: dict[str, Any], text: str) -> dict[str, str]:
    return {**LEAST, **setting.get("with", {}), **setting.get("needs", {}), setting["name"]: text}


def texts(kind: str) -> list[Any]:
    return [
        pytest.param(setting, text, expected, id=f"{setting['name']}={text}")
        for setting in SETTINGS
        for text, expected in setting.get(kind, {}).items()
    ]


# ---- one setting after another

ANY_SETTING = pytest.mark.parametrize("setting", [pytest.param(one, id=one["name"]) for one in SETTINGS if "is" in one])


@ANY_SETTING
def test_a_setting_that_is_absent_has_its_default(setting: dict[str, Any]) -> None:
    assert of(setting, LEAST | setting.get("with", {})) == setting["is"]


@ANY_SETTING
def test_a_blank_setting_is_an_absent_one(setting: dict[str, Any]) -> None:
    environment = LEAST | setting.get("with", {})
    assert load(environment | {setting["name"]: "  "}) == load(environment)


@ANY_SETTING
def test_a_setting_that_says_its_default_changes_nothing(setting: dict[str, Any]) -> None:
    environment = LEAST | setting.get("with", {})
    assert load(environment | {setting["name"]: setting["default"] or ""}) == load(environment)


@pytest.mark.parametrize(("setting", "text", "expected"), texts("accepted"))
def test_a_setting_says(setting: dict[str, Any], text: str, expected: object) -> None:
    assert of(setting, saying(setting, text)) == expected


@pytest.mark.parametrize(("setting", "text", "problem"), texts("refused"))
def test_a_malformed_setting_is_a_problem_and_its_value_is_not_repeated(setting: dict[str, Any], text: str, problem: str) -> None:
    assert problems(saying(setting, text)) == {setting["name"]: problem}


# ---- all of them


def test_the_cases_are_about_every_setting_that_is_read() -> None:
    environment = Recorded(LEAST)
    load(environment)
    assert environment.asked.keys() == {setting["name"] for setting in SETTINGS}


PROVEN = {"PROOF_FIELD": "u_proof", "PROOF_ACCEPTED": "badge", "APPROVER_GROUP": "e" * 32}


@pytest.mark.parametrize(
    "also",
    [{}, TICKET_SYSTEM | PROVEN, IDENTITY | {"AzureWebJobsStorage": ""}, {"JOURNAL_CONNECTION": "Journal", "Journal": STORAGE}],
    ids=["the least", "a ticket system", "addresses", "a journal elsewhere"],
)
def test_a_setting_is_read_once(also: dict[str, str]) -> None:
    environment = Recorded(LEAST | also)
    load(environment)
    assert set(environment.asked.values()) == {1}


def test_the_readmes_table_has_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| *`([^`|]+)`[^|]*\| *([^|]*?) *\|[^|]*\|$", README.read_text("utf-8"), re.MULTILINE)
    table = {name: None if default == "–" else default.strip("`") for name, default in rows if re.match(r"[A-Z]|Azure", name)}
    assert table == {setting["name"]: setting["default"] for setting in SETTINGS}


def test_every_problem_is_told_at_once() -> None:
    bad = {setting["name"]: next(iter(setting["refused"])) for setting in SETTINGS if setting.get("refused")}
    assert set(problems(bad)) == {setting["name"] for setting in SETTINGS}


def test_problems_come_as_one_sentence_in_order_of_name() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(LEAST | {"REVOKE_SESSIONS": "perhaps", "MODE": "on"})
    assert str(caught.value) == "MODE: is none of dry-run, enforce; REVOKE_SESSIONS: is neither true nor false"


def test_the_least_environment_is_a_dry_run_that_refuses_every_webhook_and_every_ticket() -> None:
    settings = load(LEAST)
    assert settings.mode is Mode.DRY_RUN
    assert settings.webhook_keys == ()
    assert settings.ticket_system is None
    assert not settings.limits.ticket_system
    assert not settings.limits.trusted_sources
    assert not settings.limits.catalog_items


def test_nothing_that_slows_down_is_off_unless_somebody_says_so() -> None:
    limits = load(LEAST).limits
    assert limits.cooldown == timedelta(days=1)
    assert (limits.actor_hourly_limit, limits.breaker_limit) == (10, 50)


# ---- settings that go together


def test_in_enforce_a_ticket_system_needs_the_items_that_justify_a_reset() -> None:
    told = {"SERVICENOW_CATALOG_ITEMS": "is required in enforce when SERVICENOW_URL is set"}
    assert problems(LEAST | TICKET_SYSTEM | {"MODE": "enforce"}) == told
    assert problems(LEAST | TICKET_SYSTEM | {"MODE": "enforce", "SERVICENOW_CATALOG_ITEMS": "MFA reset"}) == {
        "SERVICENOW_CATALOG_ITEMS": "is not sys_ids of 32 hex digits, or *"
    }
    assert load(LEAST | TICKET_SYSTEM | {"MODE": "enforce", "SERVICENOW_CATALOG_ITEMS": "*"}).limits.ticket_system
    assert load(LEAST | {"MODE": "enforce"}).ticket_system is None


def test_in_a_dry_run_no_items_means_none() -> None:
    assert load(LEAST | TICKET_SYSTEM).limits.catalog_items == frozenset()


def test_a_ticket_system_needs_the_audience_that_it_accepts() -> None:
    environment = LEAST | {"SERVICENOW_URL": TICKET_SYSTEM["SERVICENOW_URL"]}
    assert problems(environment) == {"SERVICENOW_AUDIENCE": "is required with SERVICENOW_URL"}
    assert problems(environment | {"SERVICENOW_AUDIENCE": "a b"}) == {"SERVICENOW_AUDIENCE": "is not an audience"}


def test_what_a_ticket_system_needs_is_told_though_its_address_is_wrong() -> None:
    environment = LEAST | {"SERVICENOW_URL": "http://contoso.service-now.com", "MODE": "enforce"}
    assert set(problems(environment)) == {"SERVICENOW_URL", "SERVICENOW_AUDIENCE", "SERVICENOW_CATALOG_ITEMS"}


def test_without_a_ticket_system_its_other_settings_are_checked_and_not_used() -> None:
    assert load(LEAST | {"SERVICENOW_USER_FIELD": "u_upn"}).ticket_system is None
    assert problems(LEAST | {"SERVICENOW_USER_FIELD": "Nobody's"}) == {"SERVICENOW_USER_FIELD": "is not a field name"}


def test_what_decides_on_a_ticket_is_what_it_is_read_for() -> None:
    said = {"APPROVER_GROUP": "e" * 32, "PROOF_FIELD": "u_proof", "PROOF_ACCEPTED": "badge"}
    settings = load(LEAST | TICKET_SYSTEM | said)
    assert settings.ticket_system is not None
    assert settings.ticket_system.approver_group == settings.limits.approver_group == "e" * 32
    assert settings.ticket_system.proof_field == settings.limits.proof_field == "u_proof"
    assert settings.limits.proof_accepted == {"badge"}


def test_a_field_that_attests_a_proof_needs_the_proofs_that_are_accepted_and_the_reverse() -> None:
    assert problems(LEAST | {"PROOF_FIELD": "u_proof"}) == {"PROOF_ACCEPTED": "is required with PROOF_FIELD"}
    assert problems(LEAST | {"PROOF_FIELD": "u_proof", "PROOF_ACCEPTED": " "}) == {
        "PROOF_ACCEPTED": "is required with PROOF_FIELD"
    }
    assert problems(LEAST | {"PROOF_ACCEPTED": "badge"}) == {"PROOF_FIELD": "is required with PROOF_ACCEPTED"}


@pytest.mark.parametrize("also", [{}, TICKET_SYSTEM], ids=["without a ticket system", "with one"])
def test_what_is_wrong_with_a_proof_is_not_told_as_missing(also: dict[str, str]) -> None:
    told = problems(LEAST | also | {"PROOF_FIELD": "No field", "PROOF_ACCEPTED": "kba"})
    assert told == {"PROOF_FIELD": "is not a field name", "PROOF_ACCEPTED": "accepts what is no proof of identity"}


# ---- storage


def test_storage_may_be_a_connection_string() -> None:
    settings = load(LEAST)
    assert settings.queues == settings.journal == Connection("AzureWebJobsStorage", connection_string=STORAGE)


def test_storage_may_be_azurites_shorthand() -> None:
    assert load({"AzureWebJobsStorage": "UseDevelopmentStorage=true"}).queues.connection_string == "UseDevelopmentStorage=true"


def test_storage_may_be_a_connection_string_of_endpoints() -> None:
    text = "QueueEndpoint=https://contoso.queue.core.windows.net;SharedAccessSignature=sv=1"
    assert load({"AzureWebJobsStorage": text}).queues.connection_string == text


@pytest.mark.parametrize(
    "text",
    [
        "contoso",
        "UseDevelopmentStorage=false",
        "AccountName=contoso",
        "AccountName=contoso;AccountKey=",
        "AccountName=contoso;AccountKey=no base64",
        "AccountKey=c2VjcmV0LWtleQ==",
        "SharedAccessSignature=sv=1",
        "AccountName=contoso;AccountKey=c2VjcmV0LWtleQ==;hunter2",
        "DefaultEndpointsProtocol=https;EndpointSuffix=core.windows.net",
    ],
)
def test_a_text_from_which_no_account_with_a_key_can_be_read_is_no_connection_string(text: str) -> None:
    assert problems({"AzureWebJobsStorage": text}) == {"AzureWebJobsStorage": "is not a storage connection string"}


def test_storage_may_be_addresses_for_the_managed_identity() -> None:
    assert load(IDENTITY).queues == Connection(
        "AzureWebJobsStorage",
        connection_string=None,
        queue_url="https://contoso.queue.core.windows.net",
        table_url="https://contoso.table.core.windows.net",
        blob_url="https://contoso.blob.core.windows.net",
        client_id="0a0b0c0d-0000-4000-8000-000000000000",
    )


def test_storage_may_be_an_account_for_the_managed_identity() -> None:
    storage = load({"AzureWebJobsStorage__accountName": "contoso"}).queues
    assert (storage.queue_url, storage.table_url, storage.blob_url) == (
        "https://contoso.queue.core.windows.net",
        "https://contoso.table.core.windows.net",
        "https://contoso.blob.core.windows.net",
    )


def test_an_address_that_is_given_goes_before_that_of_the_account() -> None:
    storage = load(
        {"AzureWebJobsStorage__accountName": "contoso"}
        | IDENTITY
        | {"AzureWebJobsStorage__queueServiceUri": "https://private.example"}
    ).queues
    assert storage.queue_url == "https://private.example"


def test_storage_on_a_loopback_address_may_do_without_tls() -> None:
    address = "http://127.0.0.1:10001/devstoreaccount1"
    assert load(IDENTITY | {"AzureWebJobsStorage__queueServiceUri": address}).queues.queue_url == address


@pytest.mark.parametrize(
    ("changes", "name", "problem"),
    [
        pytest.param({}, "AzureWebJobsStorage", "is missing", id="nothing"),
        pytest.param({"AzureWebJobsStorage": " "}, "AzureWebJobsStorage", "is missing", id="a blank"),
        pytest.param(
            {"AzureWebJobsStorage": "contoso"}, "AzureWebJobsStorage", "is not a storage connection string", id="a word"
        ),
        pytest.param(
            {"AzureWebJobsStorage__credential": "managedidentity"}, "AzureWebJobsStorage", "is missing", id="an identity alone"
        ),
        pytest.param(
            {"AzureWebJobsStorage__blobServiceUri": "https://contoso.blob.core.windows.net"},
            "AzureWebJobsStorage",
            "names no queue service",
            id="blobs alone",
        ),
        pytest.param(
            {"AzureWebJobsStorage__queueServiceUri": "https://contoso.queue.core.windows.net"},
            "AzureWebJobsStorage",
            "names no table service",
            id="queues alone",
        ),
        pytest.param(
            {name: value for name, value in IDENTITY.items() if "blob" not in name},
            "AzureWebJobsStorage",
            "names no blob service",
            id="no blobs",
        ),
        pytest.param(
            {"AzureWebJobsStorage__accountName": "Contoso/.."},
            "AzureWebJobsStorage",
            "names no queue service",
            id="no account's name",
        ),
        pytest.param(
            IDENTITY | {"AzureWebJobsStorage__credential": "default"},
            "AzureWebJobsStorage__credential",
            "is not managedidentity",
            id="another credential",
        ),
        pytest.param(
            IDENTITY | {"AzureWebJobsStorage__clientId": "a b"}, "AzureWebJobsStorage__clientId", "is not a client id", id="no id"
        ),
        pytest.param(
            IDENTITY | {"AzureWebJobsStorage__queueServiceUri": "http://contoso.queue.core.windows.net"},
            "AzureWebJobsStorage__queueServiceUri",
            "must be https",
            id="without TLS",
        ),
        pytest.param(
            IDENTITY | {"AzureWebJobsStorage__tableServiceUri": "contoso"},
            "AzureWebJobsStorage__tableServiceUri",
            "is not the address of a storage service",
            id="no URL",
        ),
        pytest.param(
            IDENTITY | {"AzureWebJobsStorage__tableServiceUri": "https://sécret℀.example"},
            "AzureWebJobsStorage__tableServiceUri",
            "is not the address of a storage service",
            id="no host",
        ),
        pytest.param(
            IDENTITY | {"AzureWebJobsStorage__tableServiceUri": "https://[::1"},
            "AzureWebJobsStorage__tableServiceUri",
            "is not the address of a storage service",
            id="no IPv6 address",
        ),
        pytest.param(
            LEAST | {"JOURNAL_CONNECTION": "JournalStorage"}, "JournalStorage", "is missing", id="a journal that is nowhere"
        ),
    ],
)
def test_storage_that_cannot_be_used_is_a_problem(changes: dict[str, str], name: str, problem: str) -> None:
    assert problems(changes)[name] == problem


def test_the_journal_may_be_elsewhere() -> None:
    table, blob = "https://journal.table.core.windows.net", "https://journal.blob.core.windows.net"
    elsewhere = {"JOURNAL_CONNECTION": "Journal", "Journal__tableServiceUri": table, "Journal__blobServiceUri": blob}
    settings = load(LEAST | elsewhere)
    assert settings.queues.name == "AzureWebJobsStorage"
    assert settings.journal == Connection("Journal", table_url=table, blob_url=blob)


def test_the_triggers_connection_is_known_whatever_else_is_wrong() -> None:
    assert host_storage(LEAST | {"MODE": "on", "JOURNAL_CONNECTION": "Nowhere"}).connection_string == STORAGE
    with pytest.raises(SettingsInvalid) as caught:
        host_storage({"MODE": "on"})
    assert caught.value.problems == {"AzureWebJobsStorage": "is missing"}


# ---- secrets

SECRET_KEY = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"


def test_no_secret_stands_in_the_settings_text() -> None:
    text = repr(load(LEAST | {"WEBHOOK_KEYS": SECRET_KEY}))
    assert "c2VjcmV0" not in text
    assert "secret" not in text
    assert "AccountKey" not in text


SECRETIVE = [setting["name"] for setting in SETTINGS] + list(IDENTITY)


@pytest.mark.parametrize("name", SECRETIVE)
def test_no_problem_repeats_a_value(name: str) -> None:
    environment = (IDENTITY if name.startswith("AzureWebJobsStorage") else LEAST) | TICKET_SYSTEM
    told = problems(environment | {name: "https://hunter2 é=℀/;@ hunter2"})
    assert name in told
    assert "hunter2" not in str(told)


@pytest.mark.parametrize(
    "address", ["https://contoso.queue.core.windows.net/?sv=1&sig=hunter2", "https://me:hunter2@contoso.example"]
)
def test_an_address_with_a_secret_in_it_is_no_address_for_a_managed_identity(address: str) -> None:
    assert "AzureWebJobsStorage__queueServiceUri" in problems(IDENTITY | {"AzureWebJobsStorage__queueServiceUri": address})


# ---- loopback


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.0.1", False),
        ("::1", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("::", False),
        ("localhost.example", False),
        ("127.1", False),
        ("", False),
        (None, False),
    ],
)
def test_only_hosts_that_never_leave_the_machine_are_loopback(host: str | None, is_one: bool) -> None:
    assert loopback(host) is is_one
