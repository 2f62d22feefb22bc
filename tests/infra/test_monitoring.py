"""What watches the app looks at events and fields that the app really logs, and at every alert that it raises."""

import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from pycep import BicepParser

from shared.adapters import queues
from shared.events import EVENTS
from shared.model import AlertKind, Outcome
from shared.record import OwedKind

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "infra" / "monitoring"
PAGE = (ROOT / "docs" / "observability.md").read_text("utf-8")

ON_EVERY_LINE = {"name", "level", "timestamp", "request_id", "trace"}
WORDS: Mapping[str, set[str]] = {
    "kind": {*AlertKind},
    "outcome": {*Outcome},
    "owed": {*OwedKind},
    "queue": {queues.REQUESTS, queues.RESULTS, queues.POISON},
    "switches_on": {"pause", "breaker"},
}
"""The values of a field that a query may look for."""

PLACEHOLDERS = {"ALERT_KIND", "{RequestId}"}
TABLES = {"AppTraces", "AuditLogs", "SigninLogs", "MicrosoftGraphActivityLogs", "AzureActivity"}

KEYWORDS = {"and", "as", "asc", "between", "by", "contains", "desc", "has", "in", "let", "not", "of", "on", "or", "to", "with"}

_NAMED = re.compile(r'event\.name == "([^"]*)"')
_FIELD = re.compile(r"event\.(\w+)")
_LOOKED_FOR = re.compile(r'event\.(\w+)\s*(?:==|has)\s*"([^"]*)"')


class Fault(StrEnum):
    EVENT = "no such event"
    FIELD = "no such field of these events"
    WORD = "never said in this field"


def statement(query: str) -> str:
    """The query without its comments."""
    return re.sub(r"^\s*//.*$", "", query, flags=re.MULTILINE)


def named(query: str) -> set[str]:
    return set(_NAMED.findall(query))


def faults(query: str) -> set[tuple[Fault, str]]:
    """What the query looks for and the app never says."""
    query = statement(query)
    names = named(query)
    fields = ON_EVERY_LINE.union(*(EVENTS.get(name, ()) for name in names))
    return {
        *((Fault.EVENT, name) for name in names - EVENTS.keys()),
        *((Fault.FIELD, field) for field in set(_FIELD.findall(query)) - fields),
        *(
            (Fault.WORD, f"{field}: {word}")
            for field, word in _LOOKED_FOR.findall(query)
            if field not in ("name", "request_id") and word not in WORDS.get(field, set()) | PLACEHOLDERS
        ),
    }


def files() -> dict[str, str]:
    return {str(path.relative_to(MONITORING)): path.read_text("utf-8") for path in sorted(MONITORING.rglob("*.kql"))}


def workbook() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((MONITORING / "workbook.json").read_text("utf-8"))
    return read


def panels() -> dict[str, str]:
    return {item["content"]["title"]: item["content"]["query"] for item in workbook()["items"] if item["type"] == 3}


QUERIES = {**files(), **{f"workbook.json: {title}": query for title, query in panels().items()}}


@pytest.fixture(scope="module")
def bicep() -> dict[str, Any]:
    return dict(BicepParser().parse(text=(MONITORING / "monitoring.bicep").read_text("utf-8")))


def rules(bicep: Mapping[str, Any]) -> list[dict[str, Any]]:
    value: list[dict[str, Any]] = bicep["variables"]["rules"]["value"]
    return value


def raised(bicep: Mapping[str, Any]) -> list[dict[str, Any]]:
    value: list[dict[str, Any]] = bicep["variables"]["raised"]["value"]
    return value


# ---- queries


def test_there_are_queries_of_every_sort() -> None:
    assert len([name for name in QUERIES if name.startswith("alerts/")]) == 8
    assert len([name for name in QUERIES if name.startswith("detections/")]) == 4
    assert len(panels()) >= 10


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_looks_for_what_the_app_says(name: str) -> None:
    assert faults(QUERIES[name]) == set()


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_is_whole_and_reads_known_tables(name: str) -> None:
    query = re.sub(r'"[^"\n]*"|\'[^\'\n]*\'', '""', statement(QUERIES[name]))
    open_: list[str] = []
    for sign in query:
        if sign in "([{":
            open_.append(sign)
        elif sign in ")]}":
            assert open_, name
            assert open_.pop() + sign in ("()", "[]", "{}")
    assert open_ == []
    assert query.replace('""', "").count('"') == 0
    assert set(re.findall(r"^\s*(?:let \w+ = )?([A-Z]\w+)\s*$", query, re.MULTILINE)) <= TABLES


@pytest.mark.parametrize("name", QUERIES)
def test_no_column_has_the_name_of_a_word_of_the_language(name: str) -> None:
    """Unquoted it ends the query: `by`, say, is read as the clause of `summarize`."""
    named = set(re.findall(r"(?:^|[\s,(|])(\w+) =(?![=~])", statement(QUERIES[name])))
    assert named & KEYWORDS == set()


@pytest.mark.parametrize("name", [name for name in QUERIES if "AppTraces" in QUERIES[name]])
def test_lines_of_the_log_are_told_from_the_hosts_own_before_they_are_read(name: str) -> None:
    query = statement(QUERIES[name])
    if "event." in query:
        assert re.search(r'AppTraces\s*\| where Message startswith "\{"\s*\| extend event = parse_json\(Message\)', query)


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        ('event.name == "queue.depth"', 'event.name == "queue.depths"', (Fault.EVENT, "queue.depths")),
        ("event.messages", "event.message", (Fault.FIELD, "message")),
        ('"mfa-requests-poison"', '"mfa-requests-dead"', (Fault.WORD, "queue: mfa-requests-dead")),
    ],
)
def test_a_query_that_is_spoiled_is_found_out(right: str, wrong: str, fault: tuple[Fault, str]) -> None:
    query = QUERIES["alerts/poison-not-empty.kql"]
    assert right in query
    assert fault in faults(query.replace(right, wrong))


def test_every_name_in_a_query_is_looked_at() -> None:
    query = QUERIES["alerts/nothing-processed.kql"]
    assert named(query) == {"requests.waiting", "attempt.ended"}
    assert (Fault.EVENT, "attempt.over") in faults(query.replace("attempt.ended", "attempt.over"))


@pytest.mark.parametrize("name", QUERIES)
def test_a_name_is_asked_for_in_one_way_so_that_none_is_overlooked(name: str) -> None:
    asked = statement(QUERIES[name]).replace("tostring(event.name)", "")
    assert asked.count("event.name") == len(_NAMED.findall(asked))


# ---- alert rules


def test_a_rule_is_made_of_each_query_and_named_after_it(bicep: dict[str, Any]) -> None:
    made = {rule["name"]: rule["query"]["function"]["parameters"]["file_path"] for rule in rules(bicep)}
    assert made == {name: f"alerts/{name}.kql" for name in made}
    assert {*made.values(), "alerts/alert-raised.kql"} == {name for name in QUERIES if name.startswith("alerts/")}


def test_every_kind_of_alert_has_a_rule(bicep: dict[str, Any]) -> None:
    kinds = [alert["kind"] for alert in raised(bicep)]
    assert sorted([*kinds, AlertKind.BREAKER_OPENED]) == sorted(AlertKind)
    assert f'event.kind == "{AlertKind.BREAKER_OPENED}"' in QUERIES["alerts/breaker-open.kql"]


def test_the_page_lists_every_rule_with_its_severity_and_window(bicep: dict[str, Any]) -> None:
    section = PAGE.partition("\n## The alert rules\n")[2].partition("\n## ")[0]
    listed = {cells[1].strip(" `"): (cells[2].strip(), cells[3].strip()) for cells in rows(section)}
    assert listed == {
        **{rule["name"]: (str(rule["severity"]), f"{rule['minutes']} min") for rule in rules(bicep)},
        **{f"alert-{alert['kind']}": (str(alert["severity"]), "15 min") for alert in raised(bicep)},
    }


def rows(section: str) -> Iterator[list[str]]:
    return (line.split("|") for line in section.splitlines() if line.startswith("| `"))


def test_a_rule_fires_on_any_row_and_looks_further_back_than_it_looks_often(bicep: dict[str, Any]) -> None:
    made = bicep["resources"]["alertRules"]["config"]["config"]["properties"]
    (criterion,) = made["criteria"]["allOf"]
    assert (criterion["timeAggregation"], criterion["operator"], criterion["threshold"]) == ("Count", "GreaterThan", 0)
    assert made["evaluationFrequency"] == "PT5M"
    assert {rule["minutes"] for rule in rules(bicep)} <= {10, 15, 30, 45, 60}  # what the service offers beyond that
    assert (made["enabled"], made["autoMitigate"]) == (True, True)


def test_a_log_that_has_just_begun_is_not_taken_for_a_thinned_one() -> None:
    """In the first hour there cannot be an hour's reports: they are held against the time since the first of them."""
    query = statement(QUERIES["alerts/telemetry-sampled.kql"])
    assert 'minutes = datetime_diff("minute", max(TimeGenerated), min(TimeGenerated))' in query
    assert "| where minutes >= 20 and reports * 3 <= minutes * 2" in query


@pytest.mark.parametrize("name", [name for name in QUERIES if name.startswith("alerts/")])
def test_a_rules_query_says_what_each_row_is_about(name: str) -> None:
    last = statement(QUERIES[name]).strip().splitlines()[-1]
    assert re.match(r"\| project (TimeGenerated, )?about = ", last)


def test_rules_and_workbook_see_the_lines_of_this_app_only(bicep: dict[str, Any]) -> None:
    assert bicep["variables"]["ours"]["value"] == r"AppTraces | where _ResourceId =~ \'${applicationInsightsId}\'"
    assert not [name for name in files() if name.startswith("alerts/") and "'" in statement(QUERIES[name])]


def test_the_runbook_has_a_section_for_every_rule_and_no_other_alert(bicep: dict[str, Any]) -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    names = {rule["name"] for rule in rules(bicep)} | {f"alert-{alert['kind']}" for alert in raised(bicep)}
    assert set(re.findall(r"^## ([a-z]+(?:-[a-z]+)+)$", runbook, re.MULTILINE)) == names


def test_the_host_is_told_to_leave_no_line_out_and_the_worker_to_send_none_by_itself() -> None:
    settings = (ROOT / "infra" / "app" / "function.bicep").read_text("utf-8")
    for setting in (
        "OTEL_TRACES_SAMPLER: 'microsoft.fixed_percentage'",
        "OTEL_TRACES_SAMPLER_ARG: '1.0'",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'",
    ):
        assert f"\n  {setting}\n" in settings
    assert "PYTHON_ENABLE_OPENTELEMETRY" not in settings
    assert "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY" not in settings


# ---- the rest of the Bicep


def test_every_parameter_says_what_it_is(bicep: dict[str, Any]) -> None:
    described = {
        name: [one["argument"] for one in parameter["decorators"] if one["type"] == "description"]
        for name, parameter in bicep["parameters"].items()
    }
    assert described.keys() == {"location", "tags", "workspaceId", "applicationInsightsId", "actionGroupEmail"}
    assert all(len(argument) == 1 and argument[0] for argument in described.values())


def test_there_is_nothing_but_plain_resources(bicep: dict[str, Any]) -> None:
    assert bicep.keys() <= {"globals", "parameters", "variables", "resources", "outputs"}
    assert {one["type"] for one in bicep["resources"].values()} == {
        "Microsoft.Insights/actionGroups",
        "Microsoft.Insights/scheduledQueryRules",
        "Microsoft.Insights/workbooks",
    }


def test_the_workbook_asks_the_workspace_that_the_bicep_puts_in() -> None:
    asked = [item["content"]["crossComponentResources"] for item in workbook()["items"] if item["type"] == 3]
    assert asked == [["WORKSPACE_ID"]] * len(panels())
    assert "WORKSPACE_ID" in (MONITORING / "monitoring.bicep").read_text("utf-8")


# ---- detections


@pytest.mark.parametrize("name", [name for name in QUERIES if name.startswith("detections/")])
def test_a_detection_says_what_it_finds_why_where_and_how_it_is_tried(name: str) -> None:
    head = "".join(line for line in QUERIES[name].splitlines(keepends=True) if line.startswith("//"))
    assert QUERIES[name].startswith(head)
    assert re.findall(r"^// (\w+): ", head, re.MULTILINE)[:4] == ["What", "Why", "Tables", "Test"]
    used = {table for table in TABLES if re.search(rf"\b{table}\b", statement(QUERIES[name]))}
    said = re.search(r"^// Tables: (.*?)^// Test", head, re.MULTILINE | re.DOTALL)
    assert said
    assert {table for table in TABLES if table in said[1]} == used
    assert f"`{name.removeprefix('detections/')}`" in PAGE


def test_a_method_that_is_added_or_changed_with_our_identity_is_found_like_one_that_is_removed() -> None:
    """The permissions that delete a phone also register one: for whoever has the token that is the shorter way in."""
    query = statement(QUERIES["detections/graph-call-without-event.kql"])
    looked_at = [line for line in query.splitlines() if "RequestMethod" in line and "where" in line]
    assert looked_at == [
        '| where RequestMethod != "GET" and not(RequestMethod == "PATCH" and RequestUri endswith "/signInPreferences")'
    ]


def test_the_plan_of_what_may_be_granted_is_the_default_set() -> None:
    page = (ROOT / "docs" / "permissions.md").read_text("utf-8")
    section = page.partition("\n## The default set\n")[2].partition("\n## ")[0]
    planned = re.search(r"let plan = dynamic\((\[.*?\])\);", QUERIES["detections/granted-out-of-plan.kql"], re.DOTALL)
    assert planned
    audience = (ROOT / "infra" / "entra" / "servicenow-audience.sh").read_text("utf-8")
    given = re.findall(r'\\"value\\": \\"([\w.]+)\\"', audience)  # the role by which ServiceNow's tokens are had
    assert len(given) == 1
    assert json.loads(planned[1]) == [*(cells[1].strip(" `") for cells in rows(section)), *given]
