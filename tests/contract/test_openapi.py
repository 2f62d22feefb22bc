"""The HTTP description: it is made from the code, it is true of what the app says, and the running app keeps to it."""

import base64
import json
import os
import re
import secrets
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator, meta

from sandbox.azurite import Azurite
from sandbox.processes import PYTHON, ROOT, Child
from shared import acceptance, health, intake, wording
from shared.app import Unready
from shared.cli import openapi
from shared.intake.webhook import WebhookBody
from shared.model import LeftAlone, Mode, Why
from shared.ports import Unreadable
from shared.record import StepName, StepTaken
from tests.unit import build

KEPT = ROOT / "docs" / "openapi.json"
DOCUMENT = openapi.document()
FUNCTION_APP = (ROOT / "function_app.py").read_text("utf-8")
SECONDS = 90


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """For a schema of the document, with what it refers to."""
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def component(name: str) -> Draft202012Validator:
    return validator({"$ref": f"#/components/schemas/{name}"})


def response(operation: str, status: int) -> dict[str, Any]:
    found = next(o for path in DOCUMENT["paths"].values() for o in path.values() if o["operationId"] == operation)
    answer: dict[str, Any] = found["responses"][str(status)]
    return answer


def check(operation: str, answer: wording.Answer) -> None:
    """The answer is one that the operation may give."""
    said = response(operation, answer.status)
    ((kind, content),) = said["content"].items()
    assert kind == answer.headers.get("Content-Type", "application/json")
    validator(content["schema"]).validate(json.loads(json.dumps(answer.body)))
    assert {name for name in said["headers"] if name != "Cache-Control"} == answer.headers.keys() - {"Content-Type"}


# ---- the document


def test_the_file_is_what_the_code_makes() -> None:
    assert KEPT.read_text("utf-8") == openapi.text(), "make it anew: python -m shared.cli.openapi > docs/openapi.json"


def test_it_has_the_routes_of_the_app_and_no_other() -> None:
    routes = re.findall(r'@app\.route\("([^"]+)", methods=\["(\w+)"\], auth_level=func\.AuthLevel\.(\w+)\)', FUNCTION_APP)
    assert len(routes) == FUNCTION_APP.count("@app.route(")
    described = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == {(f"/api/{path}", method.lower()) for path, method, _ in routes}
    with_key = {f"/api/{path}" for path, _, level in routes if level == "FUNCTION"}
    assert with_key == {
        p for p, item in DOCUMENT["paths"].items() for o in item.values() if o["security"] == [{"functionKey": []}]
    }


def test_every_schema_is_one_and_every_example_keeps_to_it() -> None:
    seen = 0
    for schema in DOCUMENT["components"]["schemas"].values():
        meta.validate(schema)
    for item in DOCUMENT["paths"].values():
        for operation in item.values():
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                for content in part.get("content", {}).values():
                    validator(content["schema"]).validate(content["example"])
                    seen += 1
    assert seen == 14


# ---- what the app says


FIELD_MODELS = {
    "EventType": "type",
    "Moment": "timestamp",
    "Table": "data/table",
    "SysId": "data/sys_id",
    "Number": "data/number",
}
BODY: dict[str, Any] = {
    "type": intake.EVENT_TYPE,
    "timestamp": "2026-11-24T02:35:16Z",
    "data": {"table": "sc_req_item", "sys_id": "0" * 32, "number": "RITM0010001"},
}


def test_each_field_of_the_model_is_described() -> None:
    parts = WebhookBody.model_json_schema()["$defs"]
    assert {name for name in parts if "properties" not in parts[name]} == openapi.FIELDS.keys() == FIELD_MODELS.keys()


@given(st.data())
def test_the_model_takes_what_the_patterns_allow_and_nothing_that_they_do_not(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["Table", "SysId", "Number"]))
    pattern = openapi.FIELDS[name]["pattern"]
    text = data.draw(st.from_regex(pattern.replace("$", r"\Z")) | st.text(max_size=50))
    allowed = re.fullmatch(pattern.strip("^$"), text) is not None
    member = FIELD_MODELS[name].removeprefix("data/")
    body = {**BODY, "data": {**BODY["data"], member: text}}
    try:
        WebhookBody.model_validate(body)
    except ValueError:
        assert not allowed
    else:
        assert allowed


RECORDS = {
    "accepted": build.record(),
    "held": build.held(),
    "ended": build.ended(),
    "with all that there can be": replace(
        build.ended(),
        steps=tuple(StepTaken(name, build.NOW, "detail", "c0117050") for name in StepName),
        left_alone=tuple(LeftAlone("fido2", "1", why) for why in Why),
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_status_is_as_described(name: str) -> None:
    record = RECORDS[name]
    check("status", wording.Answer(200, wording.status_body(record), {}))
    for ended in (True, False):
        check("webhook", wording.accepted(record, ended=ended))


def test_a_member_that_is_not_described_would_be_seen() -> None:
    body = wording.status_body(build.ended())
    assert not component("Request").is_valid({**body, "more": 1})
    assert not component("Request").is_valid({name: value for name, value in body.items() if name != "steps"})


async def test_what_is_not_available_is_as_described() -> None:
    unready = Unready({"MODE": "is unknown"}, None)
    for operation in ("webhook", "status"):
        check(operation, acceptance.unavailable(unready))
        check(operation, acceptance.unavailable(Unreadable("it contradicts itself")))
    check("health", await health.health(unready, "1"))
    check("health", await health.health(replace(unready, mode=Mode.DRY_RUN), "1"))


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_refusal_is_as_described(status: int) -> None:
    check("webhook", wording.problem(status, "why", pointer="/data"))
    check("webhook", wording.problem(status, "why"))
    check("webhook", wording.NOT_AUTHENTIC)


# ---- what it does


@dataclass(frozen=True)
class Running:
    url: str
    webhook_key: str
    function_key: str


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """The app on the local host, with storage and without anything behind it."""
    key, function_key = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(), secrets.token_hex(16)
    storage = Azurite()
    try:
        settings = {"AzureWebJobsStorage": storage.hello().accounts[0].connection_string, "WEBHOOK_KEYS": key}
        command: list[str | Path] = [PYTHON, "-m", "sandbox.functions_host", "--app", ROOT, "--key", function_key]
        app = Child("functions-host", command, env={"PATH": os.environ["PATH"], **settings})
        try:
            yield Running(app.hello()["url"], key, function_key)
        finally:
            app.stop()
    finally:
        storage.stop()


def answered(recording: Path) -> dict[str, set[int]]:
    """Which statuses each route has answered with."""
    found: dict[str, set[int]] = defaultdict(set)
    for entry in json.loads(recording.read_text())["log"]["entries"]:
        request = entry["request"]
        route = request["url"].partition("/api/")[2].partition("/")[0]
        found[f"{request['method']} {route}"].add(entry["response"]["status"])
    return found


def test_the_running_app_keeps_to_it_whatever_is_sent(running: Running, tmp_path: Path) -> None:
    recording = tmp_path / "calls.har"
    tool = [ROOT / ".venv" / "bin" / "schemathesis", "--config-file", ROOT / "tests" / "contract" / "schemathesis.toml"]
    options = ["--url", running.url, "--report", "har", "--report-har-path", recording]
    keys = {"WEBHOOK_KEY": running.webhook_key, "FUNCTION_KEY": running.function_key}
    done = subprocess.run(
        [*map(str, tool), "run", str(KEPT), *map(str, options)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **keys},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = answered(recording)
    assert found["POST webhooks"] >= {200, 202, 400, 401, 415, 422}
    assert found["GET requests"] >= {200, 401, 404}
    assert found["GET health"] == {200}
    assert not [status for statuses in found.values() for status in statuses if status >= 500]
