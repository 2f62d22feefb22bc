"""The simulated ServiceNow instance: what documents say of the real one, and ServiceNow's own client (PySNC) driving it.

Each class names where its facts come from. "Documented" is ServiceNow's documentation of release Australia; "reported" is what
integrators publish; "ours" is the sandbox's own behaviour.
"""

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pysnc
import pytest
import trustme
from aiohttp import web
from pysnc.exceptions import AuthenticationException, RoleException
from standardwebhooks import Webhook

from sandbox.servicenow import INTEGRATION_USER, INTEGRATION_USER_ID, Rights, Settings, SimulatedServiceNow
from sandbox.simulator import Fault, running
from sandbox.tokens import mint

AUDIENCE = "api://servicenow-test"
KEY = "whsec_" + "c2FuZGJveC1zYW5kYm94LXNhbmRib3gtMDE="
ADELE, DEBRA, MEGAN = "adele.vance@contoso.com", "debra.berger", "megan.bowen"
ADELE_ID = "a1" * 16
ITEM_ID = "c1" * 16
GROUP_ID = "9a" * 16
TICKET_ID = "0123456789abcdef0123456789abcdef"
SEED: dict[str, Any] = {
    "users": [
        {
            "user_name": ADELE,
            "name": "Adele Vance",
            "sys_id": ADELE_ID,
            "u_entra_object_id": "7a7a7a7a-0000-4000-8000-000000000001",
        },
        {"user_name": DEBRA, "name": "Debra Berger", "time_zone": "Europe/Berlin", "password": "desk", "rights": "admin"},
        {"user_name": MEGAN, "name": "Megan Bowen"},
        {"user_name": "gone", "name": "Has Left", "active": "false", "password": "desk", "rights": "admin"},
    ],
    "catalog": [{"name": "MFA re-registration", "sys_id": ITEM_ID}],
    "groups": [{"name": "Identity Approvers", "sys_id": GROUP_ID, "members": [MEGAN]}],
    "tickets": [
        {
            "sys_id": TICKET_ID,
            "number": "RITM0012345",
            "requested_for": ADELE,
            "opened_by": DEBRA,
            "cat_item": ITEM_ID,
            "approval": "requested",
            "short_description": "New phone",
            "sys_updated_on": "2026-01-15 20:30:00",
            "sys_mod_count": "7",
        }
    ],
    "approvals": [{"ticket": "RITM0012345", "approver": MEGAN, "state": "requested"}],
}


class Api:
    """A caller of the Table API that shows status, headers and body."""

    def __init__(self, session: aiohttp.ClientSession, root: str) -> None:
        self.session = session
        self.root = root
        self.headers: dict[str, str] = {"Authorization": f"Bearer {mint(AUDIENCE, [])}"}

    async def call(self, method: str, path: str, **how: Any) -> tuple[int, Any]:
        how.setdefault("headers", self.headers)
        async with self.session.request(method, self.root + path, **how) as answer:
            self.last = answer
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" and text else text

    async def get(self, path: str, **query: str) -> tuple[int, Any]:
        return await self.call("GET", f"/api/now/v2/table/{path}", params=query)

    async def patch(self, path: str, body: Any, **query: str) -> tuple[int, Any]:
        return await self.call("PATCH", f"/api/now/v2/table/{path}", json=body, params=query)

    async def control(self, method: str, what: str, body: Any = None) -> Any:
        status, answer = await self.call(method, f"/_sim/{what}", json=body)
        assert status == 200, answer
        return answer


@pytest.fixture
def instance() -> SimulatedServiceNow:
    return SimulatedServiceNow(SEED, audience=AUDIENCE)


@pytest.fixture
async def api(instance: SimulatedServiceNow) -> AsyncIterator[Api]:
    async with running(instance.app) as root, aiohttp.ClientSession() as session:
        yield Api(session, root)


@pytest.fixture
def desk(api: Api) -> Api:
    """The same instance, called by an administrator with a password."""
    other = Api(api.session, api.root)
    other.headers = {"Authorization": aiohttp.encode_basic_auth(DEBRA, "desk")}
    return other


TICKET = f"sc_req_item/{TICKET_ID}"


class TestReading:
    """Documented: "Table API". Reported: journals on display."""

    async def test_every_value_is_text_and_a_reference_is_a_link_and_a_sys_id(self, api: Api) -> None:
        status, body = await api.get(TICKET)
        record = body["result"]
        assert status == 200
        assert (record["number"], record["state"], record["active"], record["sys_mod_count"]) == ("RITM0012345", "1", "true", "7")
        assert record["requested_for"] == {"value": ADELE_ID, "link": f"{api.root}/api/now/table/sys_user/{ADELE_ID}"}
        assert record["assignment_group"] == ""
        assert {type(value) for value in record.values()} == {str, dict}

    async def test_links_can_be_left_out(self, api: Api) -> None:
        _, body = await api.get(TICKET, sysparm_exclude_reference_link="true")
        assert body["result"]["requested_for"] == ADELE_ID
        _, body = await api.get(TICKET, sysparm_exclude_reference_link="true", sysparm_display_value="true")
        assert body["result"]["requested_for"] == "Adele Vance"

    async def test_all_shows_value_and_display_value_with_times_in_the_readers_zone(self, api: Api) -> None:
        fields = "state,approval,requested_for,sys_updated_on,sys_class_name,assignment_group"
        _, body = await api.get(TICKET, sysparm_display_value="all", sysparm_exclude_reference_link="true", sysparm_fields=fields)
        assert body["result"] == {
            "state": {"value": "1", "display_value": "Open"},
            "approval": {"value": "requested", "display_value": "Requested"},
            "requested_for": {"value": ADELE_ID, "display_value": "Adele Vance"},
            "sys_updated_on": {"value": "2026-01-15 20:30:00", "display_value": "2026-01-15 12:30:00"},
            "sys_class_name": {"value": "sc_req_item", "display_value": "Requested Item"},
            "assignment_group": {"value": "", "display_value": ""},
        }

    async def test_the_reader_has_a_zone_of_their_own(self, desk: Api) -> None:
        _, body = await desk.get(TICKET, sysparm_display_value="true", sysparm_fields="sys_updated_on")
        assert body["result"] == {"sys_updated_on": "2026-01-15 21:30:00"}

    async def test_invalid_fields_are_ignored_and_dots_lead_through_references(self, api: Api) -> None:
        fields = "number,no_such_field,requested_for.user_name,requested_for.manager.email,cat_item.nothing,number.x"
        _, body = await api.get(TICKET, sysparm_fields=fields)
        assert body["result"] == {"number": "RITM0012345", "requested_for.user_name": ADELE, "requested_for.manager.email": ""}

    async def test_a_customers_own_column_is_there_for_every_record(self, api: Api) -> None:
        _, body = await api.get("sys_user", sysparm_fields="user_name,u_entra_object_id", sysparm_query="ORDERBYuser_name")
        column = {user["user_name"]: user["u_entra_object_id"] for user in body["result"]}
        assert column.pop(ADELE) == "7a7a7a7a-0000-4000-8000-000000000001"
        assert set(column.values()) == {""}

    async def test_a_ticket_is_also_a_task(self, api: Api) -> None:
        _, body = await api.get("sysapproval_approver", sysparm_query=f"sysapproval={TICKET_ID}", sysparm_fields="sysapproval")
        link = body["result"][0]["sysapproval"]["link"]
        assert link.endswith(f"/table/task/{TICKET_ID}")
        status, task = await api.call("GET", link.removeprefix(api.root))
        assert (status, task["result"]["number"]) == (200, "RITM0012345")

    @pytest.mark.parametrize("version", ["", "/v1", "/v2"])
    async def test_every_version_reads_a_record(self, api: Api, version: str) -> None:
        status, body = await api.call("GET", f"/api/now{version}/table/{TICKET}")
        assert (status, body["result"]["sys_id"]) == (200, TICKET_ID)


class TestLists:
    """Documented: "Table API" (query, paging, headers)."""

    @pytest.fixture(autouse=True)
    def _people(self, instance: SimulatedServiceNow) -> None:
        for number in range(1, 6):
            instance.desk.create(
                "incident", number=f"INC000000{number}", category="a" if number % 2 else "b", priority=str(number)
            )

    async def numbers(self, api: Api, query: str, **more: str) -> list[str]:
        status, body = await api.get("incident", sysparm_query=query, sysparm_fields="number", **more)
        assert status == 200
        return [row["number"][-1] for row in body["result"]]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("number=INC0000002", "2"),
            ("numberININC0000001,INC0000003,INC0000009", "13"),
            ("category=a^priority!=3", "15"),
            ("category=b^ORpriority=1^active=true", "124"),
            ("category=b^NQpriority=5", "245"),
            ("numberENDSWITH4", "4"),
            ("numberLIKE0000^priority>=4", "45"),
            ("priorityNOT IN1,2", "345"),
            ("close_codeISEMPTY^categoryISNOTEMPTY^numberSTARTSWITHINC^priority<2", "1"),
            ("ORDERBYcategory^ORDERBYDESCnumber", "53142"),
            ("opened_by.user_name=nobody", ""),
            ("short_description=a^^b", ""),
            ("", "12345"),
        ],
    )
    async def test_an_encoded_query_selects_and_orders(self, api: Api, query: str, expected: str) -> None:
        assert "".join(await self.numbers(api, query)) == expected

    async def test_an_invalid_part_is_ignored_and_the_rest_runs(self, instance: SimulatedServiceNow, api: Api) -> None:
        assert await self.numbers(api, "numbr=INC0000002^category=b") == ["2", "4"]
        assert await self.numbers(api, "numbr=INC0000002") == ["1", "2", "3", "4", "5"]
        assert instance.log[-1]["invalidQuery"] == ["numbr=INC0000002"]

    async def test_a_property_makes_an_invalid_query_return_no_rows(self, instance: SimulatedServiceNow, api: Api) -> None:
        instance.settings.invalid_query_returns_no_rows = True
        assert await self.numbers(api, "numbr=INC0000002^category=b") == []
        assert await self.numbers(api, "category=b") == ["2", "4"]

    async def test_name_and_value_pairs_are_a_query_too(self, api: Api) -> None:
        assert await self.numbers(api, "", category="b", priority="4") == ["4"]

    async def test_pages_have_a_count_and_links(self, api: Api) -> None:
        assert await self.numbers(api, "ORDERBYnumber", sysparm_limit="2", sysparm_offset="2") == ["3", "4"]
        assert api.last.headers["X-Total-Count"] == "5"
        links = re.findall(r'<[^>]*sysparm_offset=(\d+)[^>]*>;rel="(\w+)"', api.last.headers["Link"])
        assert set(links) == {("0", "first"), ("0", "prev"), ("4", "next"), ("4", "last")}

    async def test_links_and_count_can_be_left_out(self, api: Api) -> None:
        await self.numbers(api, "", sysparm_suppress_pagination_header="true", sysparm_no_count="true")
        assert "Link" not in api.last.headers
        assert "X-Total-Count" not in api.last.headers

    async def test_something_on_the_way_may_take_the_count_away(self, instance: SimulatedServiceNow, api: Api) -> None:
        instance.settings.total_count = False
        assert await self.numbers(api, "category=b") == ["2", "4"]
        assert "X-Total-Count" not in api.last.headers

    async def test_an_empty_list_is_404_in_v1_and_empty_in_v2(self, api: Api) -> None:
        query = {"sysparm_query": "number=none"}
        assert (await api.call("GET", "/api/now/v1/table/incident", params=query))[0] == 404
        assert await api.call("GET", "/api/now/v2/table/incident", params=query) == (200, {"result": []})
        assert await api.call("GET", "/api/now/table/incident", params=query) == (200, {"result": []})

    async def test_the_limit_comes_before_the_access_rules(self, instance: SimulatedServiceNow, api: Api) -> None:
        instance.access.rights[INTEGRATION_USER] = Rights(read=frozenset({"incident"}), only={"incident": "category=b"})
        assert await self.numbers(api, "ORDERBYnumber", sysparm_limit="1") == []
        assert await self.numbers(api, "ORDERBYnumber", sysparm_limit="2") == ["2"]


class TestWriting:
    """Documented: "Table API" (PATCH, POST), KB0534905. Reported: data policy, 200 without effect."""

    async def test_a_note_is_appended_and_can_be_read_only_on_display(self, instance: SimulatedServiceNow, api: Api) -> None:
        await api.patch(TICKET, {"work_notes": "first\nline"})
        await api.patch(TICKET, {"work_notes": "second", "comments": "for Adele"})
        _, body = await api.get(TICKET, sysparm_display_value="all")
        notes, comments = body["result"]["work_notes"], body["result"]["comments"]
        stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - Reregister Integration"
        assert notes["value"] == comments["value"] == ""
        assert re.fullmatch(rf"{stamp} \(Work notes\)\nsecond\n\n{stamp} \(Work notes\)\nfirst\nline\n\n", notes["display_value"])
        assert re.fullmatch(rf"{stamp} \(Additional comments\)\nfor Adele\n\n", comments["display_value"])
        assert body["result"]["comments_and_work_notes"]["display_value"].count(" - Reregister Integration") == 3

    async def test_the_same_note_twice_is_two_notes(self, api: Api) -> None:
        for _ in range(2):
            await api.patch(TICKET, {"work_notes": "again"})
        _, body = await api.get(TICKET, sysparm_display_value="true", sysparm_fields="work_notes,sys_mod_count")
        assert body["result"]["work_notes"].count("again") == 2
        assert body["result"]["sys_mod_count"] == "9"

    async def test_an_update_keeps_who_and_when_and_how_often(self, api: Api) -> None:
        _, body = await api.patch(TICKET, {"state": "2"})
        record = body["result"]
        assert (record["state"], record["sys_mod_count"], record["sys_updated_by"]) == ("2", "8", INTEGRATION_USER)
        assert record["sys_updated_on"] > "2026-01-15 20:30:00"

    async def test_what_changes_nothing_leaves_no_trace(self, api: Api) -> None:
        _, body = await api.patch(TICKET, {"state": "1", "work_notes": ""})
        assert (body["result"]["sys_mod_count"], body["result"]["sys_updated_on"]) == ("7", "2026-01-15 20:30:00")

    @pytest.mark.parametrize("state", ["3", "4", "7"])
    async def test_a_closed_state_makes_the_ticket_inactive(self, api: Api, state: str) -> None:
        _, body = await api.patch(TICKET, {"state": state}, sysparm_exclude_reference_link="true")
        record = body["result"]
        assert (record["active"], record["closed_by"], bool(record["closed_at"])) == ("false", INTEGRATION_USER_ID, True)
        _, body = await api.patch(TICKET, {"state": "2"})
        assert (body["result"]["active"], body["result"]["closed_by"]) == ("true", "")

    async def test_what_the_caller_may_not_write_is_passed_over_with_200(self, instance: SimulatedServiceNow, api: Api) -> None:
        status, body = await api.patch(
            TICKET, {"approval": "approved", "requested_for": INTEGRATION_USER_ID, "sys_mod_count": "99", "work_notes": "hello"}
        )
        record = body["result"]
        assert status == 200
        assert (record["approval"], record["requested_for"]["value"], record["sys_mod_count"]) == ("requested", ADELE_ID, "8")
        assert instance.log[-1]["write"] == {
            "table": "sc_req_item",
            "sys_id": TICKET_ID,
            "number": "RITM0012345",
            "changed": ["work_notes"],
            "ignored": ["approval", "requested_for", "sys_mod_count"],
        }

    @pytest.mark.parametrize(
        ("field", "value"),
        [("state", "Closed Complete"), ("requested_for", "Megan Bowen"), ("active", "maybe"), ("opened_at", "now")],
    )
    async def test_a_value_that_the_column_does_not_take_is_passed_over(self, desk: Api, field: str, value: str) -> None:
        status, body = await desk.patch(TICKET, {field: value})
        assert (status, body["result"]["sys_mod_count"]) == (200, "7")

    async def test_display_values_can_be_written_on_request(self, desk: Api) -> None:
        body = {"state": "Closed Complete", "requested_for": "Megan Bowen", "short_description": "x"}
        _, body = await desk.patch(TICKET, body, sysparm_input_display_value="true", sysparm_display_value="true")
        assert (body["result"]["state"], body["result"]["requested_for"]["display_value"]) == ("Closed Complete", "Megan Bowen")

    async def test_resolving_an_incident_needs_a_code_and_notes(self, instance: SimulatedServiceNow, api: Api) -> None:
        incident = instance.desk.create("incident", caller_id=ADELE)
        path = f"incident/{incident.sys_id}"
        status, body = await api.patch(path, {"state": "6"})
        assert status == 403
        assert "Resolution code" in body["error"]["detail"]
        assert incident["sys_mod_count"] == "0"
        status, body = await api.patch(path, {"state": "6", "close_code": "Solved", "close_notes": "done"})
        assert (status, body["result"]["active"]) == (200, "true")
        _, body = await api.patch(path, {"state": "7"})
        assert body["result"]["active"] == "false"

    async def test_no_body_is_sent_back_when_none_is_wanted(self, api: Api) -> None:
        headers = api.headers | {"X-no-response-body": "true"}
        assert await api.call("PATCH", f"/api/now/table/{TICKET}", json={"work_notes": "x"}, headers=headers) == (200, "")

    async def test_put_is_the_same_as_patch(self, api: Api) -> None:
        status, body = await api.call("PUT", f"/api/now/table/{TICKET}", json={"state": "2"})
        assert (status, body["result"]["state"], body["result"]["short_description"]) == (200, "2", "New phone")

    async def test_a_record_is_created_with_number_and_location(self, desk: Api) -> None:
        status, body = await desk.call("POST", "/api/now/table/incident", json={"short_description": "x", "caller_id": ADELE_ID})
        assert (status, body["result"]["number"], body["result"]["state"]) == (201, "INC0010001", "1")
        assert desk.last.headers["Location"].endswith(body["result"]["sys_id"])
        status, again = await desk.call("POST", "/api/now/table/incident", json={"sys_id": body["result"]["sys_id"]})
        assert (status, again["error"]["message"]) == (403, "Operation Failed")

    async def test_numbers_go_on_after_those_that_were_given(self, instance: SimulatedServiceNow) -> None:
        numbers = [instance.desk.create("incident", **given)["number"] for given in ({"number": "INC0010007"}, {}, {})]
        assert numbers == ["INC0010007", "INC0010008", "INC0010009"]

    async def test_an_answer_that_is_lost_after_the_effect_leaves_the_effect(
        self, instance: SimulatedServiceNow, api: Api
    ) -> None:
        instance.arm(Fault(method="PATCH", status=504, after_effect=True))
        assert (await api.patch(TICKET, {"work_notes": "kept"}))[0] == 504
        assert instance.log[-1]["write"]["changed"] == ["work_notes"]
        assert "kept" in instance.render("RITM0012345")


class TestErrors:
    """Documented: 401, 429. Reported: 400, 403, 404, and HTML from an instance that sleeps."""

    @pytest.mark.parametrize(
        "authorization",
        [
            None,
            "Bearer nonsense",
            f"Bearer {mint('api://another', [])}",
            f"Bearer {mint(AUDIENCE, [], lifetime=-60)}",
            f"Bearer {mint(AUDIENCE, [], oid='00000000-0000-4000-8000-000000000009')}",
            aiohttp.encode_basic_auth(DEBRA, "wrong"),
            aiohttp.encode_basic_auth("gone", "desk"),
            aiohttp.encode_basic_auth(MEGAN, ""),
            "Basic !!!",
        ],
    )
    async def test_a_caller_who_is_not_known_gets_401(self, api: Api, authorization: str | None) -> None:
        headers = {} if authorization is None else {"Authorization": authorization}
        status, body = await api.call("GET", f"/api/now/table/{TICKET}", headers=headers)
        assert status == 401
        assert body == {
            "error": {"message": "User Not Authenticated", "detail": "Required to provide Auth information"},
            "status": "failure",
        }

    async def test_an_unknown_record_and_a_forbidden_one_are_the_same_404(self, instance: SimulatedServiceNow, api: Api) -> None:
        instance.access.rights[INTEGRATION_USER] = Rights(read=frozenset({"sc_req_item"}), only={"sc_req_item": "state=3"})
        answers = [await api.get("sc_req_item/" + "f" * 32), await api.get(TICKET), await api.get(f"sys_user/{ADELE_ID}")]
        answers.append(await api.patch(TICKET, {"work_notes": "x"}))
        assert {(status, json.dumps(body)) for status, body in answers} == {
            (
                404,
                json.dumps(
                    {
                        "error": {
                            "message": "No Record found",
                            "detail": "Record doesn't exist or ACL restricts the record retrieval",
                        },
                        "status": "failure",
                    }
                ),
            )
        }

    async def test_a_table_that_may_only_be_read_answers_a_write_with_403(self, api: Api) -> None:
        status, body = await api.patch(f"sys_user/{ADELE_ID}", {"email": "x@contoso.com"})
        assert (status, body["error"]) == (
            403,
            {"message": "Operation Failed", "detail": "ACL Exception Update Failed due to security constraints"},
        )
        assert (await api.call("POST", "/api/now/table/sc_req_item", json={}))[0] == 403
        assert (await api.call("DELETE", f"/api/now/table/{TICKET}"))[0] == 403

    async def test_a_hidden_column_is_not_there(self, instance: SimulatedServiceNow, api: Api) -> None:
        read = frozenset({"sc_req_item", "sys_user"})
        instance.access.rights[INTEGRATION_USER] = Rights(read=read, hidden={"sys_user": frozenset({"email"})})
        _, body = await api.get(TICKET, sysparm_fields="number,requested_for.email,requested_for.name")
        assert body["result"] == {"number": "RITM0012345", "requested_for.name": "Adele Vance"}

    async def test_a_user_without_the_rest_api_gets_403(self, instance: SimulatedServiceNow, api: Api) -> None:
        await api.control("PUT", "rights", {"user": INTEGRATION_USER, "rights": {"read": ["sc_req_item"], "api": False}})
        assert (await api.get(TICKET))[0] == 403

    async def test_an_unknown_table_or_address_is_400(self, api: Api) -> None:
        assert (await api.get("no_table/x"))[1]["error"]["message"] == "Invalid table no_table"
        assert (await api.get("no_table"))[0] == 400
        assert (await api.call("GET", "/api/now/unknown"))[0] == 400

    @pytest.mark.parametrize("text", ["", "{", "[]", '"text"'])
    async def test_a_body_that_is_no_record_is_400(self, api: Api, text: str) -> None:
        assert (await api.call("PATCH", f"/api/now/table/{TICKET}", data=text))[0] == 400

    async def test_beyond_the_limit_of_the_hour_the_answer_is_429(
        self, instance: SimulatedServiceNow, api: Api, desk: Api
    ) -> None:
        await api.control("PUT", "settings", {"rate_limit": 2})
        assert [(await api.get(TICKET))[0] for _ in range(2)] == [200, 200]
        assert api.last.headers["X-RateLimit-Limit"] == "2"
        status, body = await api.get(TICKET)
        assert (status, body["error"]["message"]) == (429, "Rate limit exceeded")
        assert body["error"]["detail"] == "Rate limit of 2 requests per hour for Table API exceeded"
        assert 0 < int(api.last.headers["Retry-After"]) <= 3600
        assert (await desk.get(TICKET))[0] == 200

    @pytest.mark.parametrize("status", [200, 503])
    async def test_a_sleeping_instance_answers_everything_with_html(self, api: Api, status: int) -> None:
        await api.control("PUT", "settings", {"hibernating": status})
        for path in (f"/api/now/v2/table/{TICKET}", "/anything"):
            got, text = await api.call("GET", path)
            assert (got, api.last.content_type) == (status, "text/html")
            assert "hibernating" in text

    async def test_no_token_is_handed_out(self, api: Api) -> None:
        status, body = await api.call("POST", "/oauth_token.do", data={"grant_type": "client_credentials"})
        assert (status, body["error"], body["error_description"]) == (401, "server_error", "access_denied")


class Receiver:
    """Takes webhooks and answers as told; afterwards with 202."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.app = web.Application()
        self.app.router.add_post("/hook", self._take)

    async def _take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        return self.answers.pop(0) if self.answers else web.json_response({"id": "r1"}, status=202)


@pytest.fixture
async def receiver(instance: SimulatedServiceNow) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with running(receiver.app) as root:
        instance.sender.url, instance.sender.key, instance.sender.backoff = f"{root}/hook", KEY, 0.01
        yield receiver


class TestBusinessRule:
    """Documented: Standard Webhooks 1.0.0, whose own library checks the signature. Ours: when the rule fires."""

    async def test_an_approval_is_told_with_a_valid_signature(
        self, instance: SimulatedServiceNow, api: Api, receiver: Receiver
    ) -> None:
        instance.desk.approve("RITM0012345", MEGAN)
        await instance.sender.drain()
        [(headers, body)] = receiver.got
        event = Webhook(KEY).verify(body, {name.lower(): value for name, value in headers.items()})
        assert headers["webhook-id"] == f"sn_{TICKET_ID}_8"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["timestamp"])
        assert event == {
            "type": "mfa.reregistration.requested",
            "timestamp": event["timestamp"],
            "data": {"table": "sc_req_item", "sys_id": TICKET_ID, "number": "RITM0012345"},
        }
        [delivery] = await api.control("GET", "deliveries")
        assert (delivery["state"], delivery["attempts"][0]["status"], delivery["id"]) == ("delivered", 202, headers["webhook-id"])

    async def test_an_approval_through_the_table_api_is_told_too(
        self, instance: SimulatedServiceNow, desk: Api, receiver: Receiver
    ) -> None:
        _, body = await desk.get("sysapproval_approver", sysparm_query=f"sysapproval={TICKET_ID}")
        await desk.patch(f"sysapproval_approver/{body['result'][0]['sys_id']}", {"state": "approved"})
        await instance.sender.drain()
        assert len(receiver.got) == 1

    async def test_it_is_silent_on_anything_but_approval(
        self, instance: SimulatedServiceNow, api: Api, receiver: Receiver
    ) -> None:
        instance.desk.reject("RITM0012345", MEGAN)
        instance.desk.note("RITM0012345", DEBRA, "hello")
        await instance.sender.drain()
        assert receiver.got == []

    async def test_a_careless_rule_fires_on_notes_too(self, instance: SimulatedServiceNow, api: Api, receiver: Receiver) -> None:
        await api.control("PUT", "webhook", {"on_every_update": True})
        instance.desk.approve("RITM0012345", MEGAN)
        await api.patch(TICKET, {"work_notes": "started"})
        await instance.sender.drain()
        assert {headers["webhook-id"] for headers, _ in receiver.got} == {f"sn_{TICKET_ID}_8", f"sn_{TICKET_ID}_9"}

    async def test_it_tries_again_under_the_same_id_as_late_as_it_is_told(
        self, instance: SimulatedServiceNow, api: Api, receiver: Receiver
    ) -> None:
        receiver.answers = [
            web.Response(status=429, headers={"Retry-After": "0"}),
            web.Response(status=503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
            web.Response(status=500),
        ]
        instance.sender.backoff = 0.01
        instance.desk.approve("RITM0012345", MEGAN)
        await instance.sender.drain()
        [delivery] = await api.control("GET", "deliveries?wait=true")
        assert [attempt["status"] for attempt in delivery["attempts"]] == [429, 503, 500, 202]
        assert [attempt["retryAfter"] for attempt in delivery["attempts"]] == [0, 0, None, None]
        assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
        assert len({body for _, body in receiver.got}) == 1
        for headers, body in receiver.got:
            Webhook(KEY).verify(body, {name.lower(): value for name, value in headers.items()})

    @pytest.mark.parametrize(("status", "still_configured"), [(401, True), (410, False), (302, True)])
    async def test_it_gives_up_where_trying_again_is_no_use(
        self, instance: SimulatedServiceNow, api: Api, receiver: Receiver, status: int, still_configured: bool
    ) -> None:
        receiver.answers = [web.Response(status=status)]
        instance.desk.approve("RITM0012345", MEGAN)
        await instance.sender.drain()
        assert [(d.state, len(d.attempts)) for d in instance.sender.deliveries] == [("failed", 1)]
        assert bool(instance.sender.url) is still_configured

    async def test_an_unreachable_receiver_is_tried_until_patience_ends(self, instance: SimulatedServiceNow, api: Api) -> None:
        await api.control("PUT", "webhook", {"url": "http://127.0.0.1:1/", "key": KEY, "tries": 3, "backoff": 0.01})
        instance.desk.approve("RITM0012345", MEGAN)
        [delivery] = await api.control("GET", "deliveries?wait=true")
        assert (delivery["state"], len(delivery["attempts"])) == ("failed", 3)
        assert "ClientConnector" in delivery["attempts"][0]["error"]

    async def test_an_event_can_be_sent_again_as_new_or_as_a_copy(
        self, instance: SimulatedServiceNow, api: Api, receiver: Receiver
    ) -> None:
        await api.control("POST", "send", {"ticket": "RITM0012345"})
        await api.control("POST", "send", {"ticket": TICKET_ID, "id": "copy_1"})
        await instance.sender.drain()
        assert {headers["webhook-id"] for headers, _ in receiver.got} == {f"sn_{TICKET_ID}_7", "copy_1"}

    async def test_a_key_that_is_none_is_refused(self, api: Api) -> None:
        for body in ({"key": "plain"}, {"key": "whsec_!!"}, {"nonsense": 1}):
            assert (await api.call("PUT", "/_sim/webhook", json=body))[0] == 400
        assert (await api.call("POST", "/_sim/send", json={"ticket": "RITM0012345"}))[0] == 400


class TestDesk:
    """Ours: the people at the help desk, over HTTP and in Python."""

    async def test_a_ticket_goes_its_way_from_opening_to_closing(self, api: Api) -> None:
        await api.control("POST", "users", {"user_name": "lee.gu@contoso.com", "name": "Lee Gu"})
        ticket = await api.control(
            "POST",
            "tickets",
            {
                "requested_for": "lee.gu@contoso.com",
                "opened_by": DEBRA,
                "cat_item": ITEM_ID,
                "approvers": [MEGAN],
                "u_proof": "in_person",
            },
        )
        number = ticket["number"]
        assert (number, ticket["approval"], ticket["active"], ticket["u_proof"]) == (
            "RITM0012346",
            "requested",
            "true",
            "in_person",
        )

        async def now() -> tuple[str, str, list[str]]:
            seen = await api.control("GET", f"ticket?ticket={number}")
            return seen["record"]["approval"], seen["record"]["active"], [row["state"] for row in seen["approvals"]]

        assert await now() == ("requested", "true", ["requested"])
        await api.control("POST", "approve", {"ticket": number, "approver": MEGAN, "comments": "called back"})
        assert await now() == ("approved", "true", ["approved"])
        await api.control("POST", "withdraw", {"ticket": number})
        assert await now() == ("requested", "true", ["requested"])
        await api.control("POST", "approve", {"ticket": number, "approver": MEGAN})
        await api.control("POST", "withdraw", {"ticket": number, "to": "cancelled"})
        assert await now() == ("cancelled", "true", ["cancelled"])
        await api.control("POST", "reject", {"ticket": number, "approver": DEBRA})
        assert await now() == ("rejected", "true", ["cancelled", "rejected"])
        await api.control("POST", "close", {"ticket": number, "state": "4", "by": DEBRA})
        assert (await now())[1] == "false"
        await api.control("POST", "reopen", {"ticket": number})
        assert (await now())[1] == "true"

    async def test_an_approvers_row_says_who_and_when(self, instance: SimulatedServiceNow, api: Api) -> None:
        row = instance.desk.approve("RITM0012345", MEGAN)
        assert (row["sys_updated_by"], bool(row["approval_date"]), row["sys_mod_count"]) == (MEGAN, True, "1")
        aged = {"sys_updated_on": "2020-01-01 00:00:00"}
        await api.control("PUT", "fields", {"table": "sysapproval_approver", "record": row.sys_id, "fields": aged})
        assert (row["sys_updated_on"], row["sys_mod_count"]) == ("2020-01-01 00:00:00", "1")

    async def test_membership_is_there_to_be_read(self, api: Api) -> None:
        await api.control("POST", "groups", {"name": "Second Line", "members": [MEGAN, DEBRA]})
        query = {"sysparm_query": f"group={GROUP_ID}^user.user_name={MEGAN}", "sysparm_fields": "user.user_name,group.name"}
        _, body = await api.get("sys_user_grmember", **query)
        assert body["result"] == [{"user.user_name": MEGAN, "group.name": "Identity Approvers"}]

    async def test_people_join_and_leave_groups(self, api: Api) -> None:
        async def members() -> list[str]:
            _, body = await api.get("sys_user_grmember", sysparm_query=f"group={GROUP_ID}", sysparm_fields="user.user_name")
            return [row["user.user_name"] for row in body["result"]]

        await api.control("POST", "join", {"person": DEBRA, "group": "Identity Approvers"})
        await api.control("POST", "join", {"person": MEGAN, "group": GROUP_ID})
        assert await members() == [MEGAN, DEBRA, MEGAN]
        await api.control("POST", "leave", {"person": MEGAN, "group": GROUP_ID})
        assert await members() == [DEBRA]

    async def test_who_may_not_read_memberships_gets_none_and_their_number(self, api: Api) -> None:
        rights = {"user": INTEGRATION_USER, "rights": {"read": ["sc_req_item", "sysapproval_approver", "sys_user"]}}
        await api.control("PUT", "rights", rights)
        assert await api.get("sys_user_grmember", sysparm_query=f"group={GROUP_ID}") == (200, {"result": []})
        assert api.last.headers["X-Total-Count"] == "1"

    async def test_a_column_of_the_customers_own_is_set_with_the_ticket_or_afterwards(self, api: Api) -> None:
        people = {"requested_for": ADELE, "opened_by": DEBRA, "cat_item": ITEM_ID}
        opened = await api.control("POST", "tickets", people | {"u_identity_proof": "in-person"})
        changed = {"table": "sc_req_item", "record": "RITM0012345", "fields": {"u_identity_proof": "video"}}
        await api.control("PUT", "fields", changed)
        _, body = await api.get("sc_req_item", sysparm_fields="number,u_identity_proof", sysparm_query="ORDERBYnumber")
        assert body["result"] == [
            {"number": "RITM0012345", "u_identity_proof": "video"},
            {"number": opened["number"], "u_identity_proof": "in-person"},
        ]

    @pytest.mark.parametrize(
        ("what", "body"),
        [
            ("approve", {"ticket": "RITM9999999", "approver": MEGAN}),
            ("approve", {"ticket": "RITM0012345", "approver": "nobody"}),
            ("close", {"ticket": "RITM0012345", "state": "99"}),
            ("users", {"user_name": "x", "no_such_column": "y"}),
            ("approve", {"wrong": "member"}),
            ("join", {"person": MEGAN, "group": "No Such Group"}),
            ("leave", {"person": "nobody", "group": GROUP_ID}),
        ],
    )
    async def test_what_cannot_be_done_is_400_with_the_reason(self, api: Api, what: str, body: dict[str, str]) -> None:
        status, text = await api.call("POST", f"/_sim/{what}", json=body)
        assert status == 400
        assert text

    async def test_an_unknown_control_is_404(self, api: Api) -> None:
        assert (await api.call("POST", "/_sim/nothing", json={}))[0] == 404

    async def test_the_desk_sees_the_ticket_as_a_page_of_text(self, instance: SimulatedServiceNow, api: Api) -> None:
        instance.desk.approve("RITM0012345", MEGAN)
        await api.patch(TICKET, {"work_notes": "Work has started.\nIt is going well.", "state": "3"})
        page = instance.render("RITM0012345")
        assert page.startswith("Requested Item RITM0012345: New phone\n")
        assert re.search(r"^  Requested for +Adele Vance$", page, re.MULTILINE)
        assert re.search(r"^  State +Closed Complete$", page, re.MULTILINE)
        assert re.search(r"^    Approved +Megan Bowen, \d{4}-", page, re.MULTILINE)
        assert re.search(r" Reregister Integration \(Work notes\)\n      Work has started\.\n      It is going well\.\n$", page)


class TestBetweenTwoReadings:
    """Ours: what happens to a ticket while somebody works on it."""

    async def reading(self, api: Api, *, record_first: bool = True) -> tuple[str, list[str]]:
        """The ticket's approval and its approvers' rows, read in two calls as an integration does."""
        if record_first:
            return await self.approval(api), await self.rows(api)
        rows = await self.rows(api)
        return await self.approval(api), rows

    async def approval(self, api: Api) -> str:
        _, body = await api.get(TICKET, sysparm_fields="approval")
        return str(body["result"]["approval"])

    async def rows(self, api: Api) -> list[str]:
        query = {"sysparm_query": f"sysapproval={TICKET_ID}^ORDERBYsys_id", "sysparm_fields": "state", "sysparm_offset": "0"}
        _, body = await api.get("sysapproval_approver", **query)
        return [row["state"] for row in body["result"]]

    async def later(self, api: Api, reads: int, do: str, **body: Any) -> None:
        await api.control("POST", "then", {"ticket": "RITM0012345", "reads": reads, "do": do, "body": body})

    @pytest.mark.parametrize("record_first", [True, False])
    @pytest.mark.parametrize("reads", [0, 1, 2])
    async def test_a_change_is_seen_as_a_whole_from_the_reading_on_that_it_waits_for(
        self, instance: SimulatedServiceNow, api: Api, reads: int, record_first: bool
    ) -> None:
        instance.desk.approve("RITM0012345", MEGAN)
        await self.later(api, reads, "POST withdraw", ticket=TICKET_ID)
        seen = [await self.reading(api, record_first=record_first) for _ in range(4)]
        assert seen == [("approved", ["approved"])] * reads + [("requested", ["requested"])] * (4 - reads)

    async def test_it_happens_once(self, instance: SimulatedServiceNow, api: Api) -> None:
        instance.desk.approve("RITM0012345", MEGAN)
        await self.later(api, 0, "POST withdraw", ticket=TICKET_ID)
        await self.reading(api)
        instance.desk.approve("RITM0012345", MEGAN)
        assert await self.reading(api) == ("approved", ["approved"])

    async def test_several_changes_come_each_in_its_turn(self, instance: SimulatedServiceNow, api: Api) -> None:
        row = instance.desk.approve("RITM0012345", MEGAN)
        aged = {"sys_updated_on": "2020-01-01 00:00:00"}
        await self.later(api, 1, "PUT fields", table="sysapproval_approver", record=row.sys_id, fields=aged)
        await self.later(api, 2, "POST leave", person=MEGAN, group=GROUP_ID)
        seen = []
        for _ in range(3):
            await self.reading(api)
            members = list(instance.store.records("sys_user_grmember"))
            seen.append((row["sys_updated_on"] == aged["sys_updated_on"], len(members)))
        assert seen == [(False, 1), (True, 1), (True, 0)]

    async def test_only_readings_of_this_ticket_count(self, instance: SimulatedServiceNow, api: Api) -> None:
        other = instance.desk.open_ticket(ADELE, DEBRA, ITEM_ID, MEGAN)
        await self.later(api, 0, "POST close", ticket=TICKET_ID)
        instance.arm(Fault(path=TICKET_ID))
        await api.get(TICKET)
        await api.patch(TICKET, {"work_notes": "still open"})
        await api.get(f"sc_req_item/{other.sys_id}")
        await api.get("sysapproval_approver", sysparm_query=f"sysapproval={other.sys_id}")
        await api.get("sysapproval_approver", sysparm_query=f"sysapproval={TICKET_ID}", sysparm_offset="100")
        await api.control("GET", f"ticket?ticket={TICKET_ID}")
        assert instance.desk.ticket(TICKET_ID)["active"] == "true"
        await api.get(TICKET)
        assert instance.desk.ticket(TICKET_ID)["active"] == "false"

    @pytest.mark.parametrize(
        "body",
        [
            {"ticket": "RITM9999999", "reads": 0, "do": "POST close", "body": {}},
            {"ticket": "RITM0012345", "reads": 0, "do": "POST clsoe", "body": {}},
            {"ticket": "RITM0012345", "reads": 0, "do": "GET ticket", "body": {}},
            {"ticket": "RITM0012345", "reads": 0},
        ],
    )
    async def test_what_cannot_wait_is_400(self, api: Api, body: dict[str, Any]) -> None:
        assert (await api.call("POST", "/_sim/then", json=body))[0] == 400


@pytest.fixture
async def snc(
    instance: SimulatedServiceNow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Callable[..., Any]]:
    """Makes PySNC clients of the instance, which is served over TLS because PySNC refuses anything else."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    async with running(instance.app, ssl_context=context) as root:
        clients: list[Any] = []

        def client(user: str = DEBRA, password: str = "desk") -> Any:
            clients.append(pysnc.ServiceNowClient(root, (user, password), auto_retry=False))
            return clients[-1]

        yield client
        for used in clients:
            used.session.close()


class TestPySNC:
    """PySNC 1.2.1 as ServiceNow ships it, which asserts much of what it expects of an instance."""

    async def test_it_gets_a_record_with_its_display_values(self, snc: Callable[..., Any]) -> None:
        def drive() -> None:
            record = snc().GlideRecord("sc_req_item")
            assert record.get(TICKET_ID)
            assert record.get_value("number") == "RITM0012345"
            assert record.get_display_value("state") == "Open"
            assert record.get_value("requested_for") == ADELE_ID
            assert record.get_display_value("requested_for") == "Adele Vance"
            assert record.get_element("sys_updated_on").date_value().isoformat() == "2026-01-15T20:30:00+00:00"

        await asyncio.to_thread(drive)

    async def test_it_queries_in_pages(self, instance: SimulatedServiceNow, snc: Callable[..., Any]) -> None:
        for number in range(7):
            instance.desk.create("incident", short_description=f"number {number}", priority="1" if number % 2 else "2")

        def drive() -> None:
            records = snc().GlideRecord("incident", batch_size=2)
            records.add_query("priority", "2")
            records.add_query("short_description", "STARTSWITH", "number")
            records.order_by_desc("number")
            records.query()
            assert len(records) == 4
            assert [record.short_description for record in records] == ["number 6", "number 4", "number 2", "number 0"]

        await asyncio.to_thread(drive)

    async def test_it_walks_dots_and_alternatives(self, snc: Callable[..., Any]) -> None:
        def drive() -> None:
            rows = snc().GlideRecord("sysapproval_approver")
            rows.fields = "state,approver.user_name,sysapproval.number"
            rows.add_query("state", "approved").add_or_condition("state", "requested")
            rows.query()
            assert rows.next()
            assert (rows.get_value("approver.user_name"), rows.get_value("sysapproval.number")) == (MEGAN, "RITM0012345")

        await asyncio.to_thread(drive)

    async def test_it_updates_and_sees_what_became_of_it(self, instance: SimulatedServiceNow, snc: Callable[..., Any]) -> None:
        def drive() -> None:
            record = snc().GlideRecord("sc_req_item")
            record.get(TICKET_ID)
            record.state = "3"
            record.work_notes = "Closed by the desk."
            assert record.update() == TICKET_ID
            assert (record.get_value("active"), record.get_display_value("state")) == ("false", "Closed Complete")
            assert "Debra Berger (Work notes)\nClosed by the desk." in record.get_display_value("work_notes")

        await asyncio.to_thread(drive)

    async def test_it_inserts_and_deletes(self, snc: Callable[..., Any]) -> None:
        def drive() -> None:
            client = snc()
            record = client.GlideRecord("incident")
            record.initialize()
            record.short_description = "from PySNC"
            sys_id = str(record.insert())
            again = client.GlideRecord("incident")
            assert again.get(sys_id)
            assert again.delete()
            assert not client.GlideRecord("incident").get(sys_id)

        await asyncio.to_thread(drive)

    async def test_it_understands_the_errors(self, snc: Callable[..., Any]) -> None:
        def drive() -> None:
            assert not snc().GlideRecord("sc_req_item").get("f" * 32)
            with pytest.raises(AuthenticationException):
                snc(password="wrong").GlideRecord("sc_req_item").get(TICKET_ID)
            incident = snc().GlideRecord("incident")
            incident.initialize()
            incident.short_description = "from PySNC"
            incident.insert()
            incident.state = "6"
            with pytest.raises(RoleException, match="Data Policy"):
                incident.update()

        await asyncio.to_thread(drive)


async def test_it_runs_as_a_process_with_seed_audience_and_webhook(tmp_path: Path) -> None:
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps(SEED))
    receiver = Receiver()
    async with running(receiver.app) as hook, aiohttp.ClientSession() as session:
        arguments = (
            "--port",
            "0",
            "--seed",
            str(seed),
            "--audience",
            AUDIENCE,
            "--webhook",
            f"{hook}/hook",
            "--webhook-key",
            KEY,
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sandbox.servicenow", *arguments, stdout=subprocess.PIPE, env=dict(os.environ)
        )
        try:
            assert process.stdout is not None
            api = Api(session, json.loads(await process.stdout.readline())["url"])
            assert (await api.get(TICKET))[0] == 200
            await api.control("POST", "approve", {"ticket": "RITM0012345", "approver": MEGAN})
            [delivery] = await api.control("GET", "deliveries?wait=true")
            assert delivery["state"] == "delivered"
            assert len(receiver.got) == 1
        finally:
            process.terminate()
            assert await process.wait() == 0


async def test_settings_given_at_the_start_hold() -> None:
    instance = SimulatedServiceNow(SEED, settings=Settings(zone="Asia/Tokyo"))
    assert "2026" in instance.render("RITM0012345")
    async with running(instance.app) as root, aiohttp.ClientSession() as session:
        assert (await Api(session, root).get(TICKET))[0] == 401  # no audience: no token is good
