"""The simulated Graph's log can be trusted, and tests can script what it does."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox import people, tokens
from sandbox.graph import Settings, faults
from sandbox.people import (
    ADELE,
    EMILY,
    GUEST,
    ISAIAH,
    PHONE_IDS,
    PRADEEP,
)
from tests.contract.graph_stack import (
    EVERYTHING,
    Stack,
    started,
)


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with started() as running_stack:
        yield running_stack


class TestLog:
    async def test_it_tells_reads_refused_writes_and_changes_apart(self, stack: Stack) -> None:
        await stack.listed(ISAIAH)
        await stack.delete(ISAIAH, "microsoftAuthenticatorMethods", stack.id_of(ISAIAH, "microsoftAuthenticator"))
        await stack.delete(ISAIAH, "phoneMethods", PHONE_IDS["mobile"])
        keys = ("method", "write", "refused", "changed", "status")
        assert [tuple(call[key] for key in keys) for call in stack.graph.log] == [
            ("GET", False, None, False, 200),
            ("DELETE", True, "badRequest", False, 400),
            ("DELETE", True, None, True, 204),
        ]
        assert {call["subject"] for call in stack.graph.log} == {stack.tenant.account(ISAIAH).person.id}
        [removal] = stack.tenant.account(ISAIAH).removals
        assert removal == {"type": "phone", "id": PHONE_IDS["mobile"], "how": "deleted", "at": "2026-11-24T08:00:00Z"}

    async def test_a_fault_before_the_effect_is_a_write_that_changed_nothing(self, stack: Stack) -> None:
        stack.graph.arm(faults.unavailable(method="DELETE"))
        assert (await stack.delete(ISAIAH, "phoneMethods", PHONE_IDS["mobile"])).status_code == 503
        assert (len(stack.graph.writes()), len(stack.graph.changes())) == (1, 0)
        assert "phone" in await stack.listed(ISAIAH)

    async def test_a_lost_answer_is_a_change_all_the_same(self, stack: Stack) -> None:
        stack.graph.arm(faults.cut_off(method="DELETE", after_effect=True), faults.answer_lost(method="POST"))
        with pytest.raises(httpx.RemoteProtocolError):
            await stack.delete(ISAIAH, "phoneMethods", PHONE_IDS["mobile"])
        assert (await stack.call("POST", f"/users/{ISAIAH}/revokeSignInSessions")).status_code == 504
        assert [call["changed"] for call in stack.graph.writes()] == [True, True]
        assert "phone" not in await stack.listed(ISAIAH)

    @pytest.mark.parametrize("after", ["2", "2.128", None])
    async def test_throttling_says_when_to_come_back_in_every_form(self, stack: Stack, after: str | None) -> None:
        stack.graph.arm(faults.throttled(after))
        response = await stack.call("GET", f"/users/{ADELE}")
        assert response.status_code == 429
        assert response.headers.get("Retry-After") == after
        assert response.json()["error"]["code"] == "TooManyRequests"
        assert (await stack.call("GET", f"/users/{ADELE}")).status_code == 200

    async def test_gateways_and_locks_have_their_own_shapes(self, stack: Stack) -> None:
        stack.graph.arm(faults.bad_gateway(), faults.locked())
        html = await stack.call("GET", f"/users/{ADELE}")
        assert (html.status_code, html.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
        locked = await stack.call("GET", f"/users/{ADELE}")
        assert (locked.status_code, locked.json()["error"]["code"]) == (423, "resourceLocked")

    async def test_something_can_happen_between_two_calls(self, stack: Stack) -> None:
        stack.graph.after(
            "DELETE", "phoneMethods", lambda: stack.tenant.register(ISAIAH, people.phone("mobile", "+1 2065550177"))
        )
        for _ in range(2):
            assert (await stack.delete(ISAIAH, "phoneMethods", PHONE_IDS["mobile"])).status_code == 204
        assert len(stack.tenant.account(ISAIAH).removals) == 2

    async def test_request_ids_are_returned(self, stack: Stack) -> None:
        response = await stack.call("GET", f"/users/{ADELE}", headers={"client-request-id": "mine"})
        assert response.headers["client-request-id"] == "mine"
        assert response.headers["request-id"] == stack.graph.log[-1]["requestId"]


class TestControl:
    async def test_people_are_seen_and_changed_without_a_token(self, stack: Stack) -> None:
        name = GUEST.replace("#", "%23")
        seen = (await stack.client.get(f"/_sim/users/{name}")).json()
        assert (seen["userPrincipalName"], seen["sessionsRevokedAt"], seen["deletions"]) == (GUEST, None, [])
        changed = await stack.client.patch(
            f"/_sim/users/{ADELE}", json={"enabled": False, "defaultMethod": "push", "lagReads": 3}
        )
        assert changed.json()["defaultMethod"] == "push"
        assert stack.tenant.account(ADELE).person.enabled is False
        assert len((await stack.client.get("/_sim/users")).json()) == len(stack.tenant.accounts)

    async def test_a_method_is_registered_now(self, stack: Stack) -> None:
        wanted = {"type": "phone", "properties": {"phoneType": "mobile", "phoneNumber": "+1 2065550105"}, "createdShown": "value"}
        response = await stack.client.post(f"/_sim/users/{EMILY}/methods", json=wanted)
        assert response.json()["id"] == PHONE_IDS["mobile"]
        [phone] = (await stack.get(f"/users/{EMILY}/authentication/phoneMethods"))["value"]
        assert phone["createdDateTime"] == "2026-11-24T08:00:00Z"

    async def test_roles_memberships_and_settings(self, stack: Stack) -> None:
        emily = stack.tenant.account(EMILY).person.id
        for path, body in (
            ("roles", {"principal": EMILY, "role": "User Administrator", "kind": "eligible"}),
            ("memberships", {"user": EMILY, "group": people.ROLE_GROUP_ID, "access": "owner"}),
            ("group-eligibilities", {"principal": emily, "group": people.PIM_GROUP_ID, "access": "owner"}),
        ):
            assert (await stack.client.post(f"/_sim/{path}", json=body)).status_code == 200
        assert stack.tenant.roles[-1].principal == emily
        assert stack.tenant.groups[people.ROLE_GROUP_ID].owners == [emily]
        response = await stack.client.put("/_sim/settings", json={"pageSize": 1, "lagReads": 2, "hiddenInV1": []})
        assert response.status_code == 200
        assert stack.tenant.settings == Settings(page_size=1, lag_reads=2, hidden_in_v1=frozenset())
        assert (await stack.client.get("/_sim/settings")).json()["pageSize"] == 1

    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("PATCH", f"users/{ADELE}", {"nonsense": 1}, 400),
            ("PATCH", f"users/{EMILY}", {"defaultMethod": "push"}, 400),
            ("POST", f"users/{ADELE}/methods", {"type": "phone", "properties": {"phoneType": "mobile"}}, 400),
            ("POST", f"users/{ADELE}/methods", {"type": "phone", "properties": {"nonsense": 1}}, 400),
            ("PUT", "settings", {"nonsense": 1}, 400),
            ("POST", "roles", {"principal": ADELE, "role": "Emperor"}, 400),
            ("POST", "roles", {"principal": people.SALES_GROUP_ID, "role": "User Administrator"}, 400),
            ("POST", "group-eligibilities", {"principal": ADELE, "group": "nonsense"}, 400),
            ("GET", "users/nobody@contoso.com", None, 404),
            ("GET", "nonsense", None, 404),
        ],
    )
    async def test_what_is_not_possible_is_said(self, stack: Stack, method: str, path: str, body: Any, status: int) -> None:
        assert (await stack.client.request(method, f"/_sim/{path}", json=body)).status_code == status
        assert stack.graph.log == []


class TestProcess:
    async def test_it_runs_with_a_seed_file_and_audiences_of_its_own(self, tmp_path: Path) -> None:
        seed = people.Seed(people=[people.contoso().person(PRADEEP)])
        file = tmp_path / "seed.json"
        file.write_text(seed.to_json())
        arguments = ("-m", "sandbox.graph", "--seed", str(file), "--audience", "https://graph.microsoft.us")
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
        try:
            assert process.stdout
            url = json.loads(await process.stdout.readline())["url"]
            headers = {"Authorization": f"Bearer {tokens.mint('https://graph.microsoft.us', EVERYTHING)}"}
            async with httpx.AsyncClient(base_url=url, verify=False) as client:
                assert (await client.get(f"/v1.0/users/{PRADEEP}", headers=headers)).status_code == 200
                assert (await client.get(f"/v1.0/users/{ADELE}", headers=headers)).status_code == 404
        finally:
            process.terminate()
            await process.wait()

    def test_a_seed_file_of_another_shape_is_refused(self) -> None:
        with pytest.raises(ValueError, match="nonsense"):
            people.Seed.from_json('{"nonsense": []}')
        assert people.Seed.from_json(people.contoso().to_json()) == people.contoso()
