"""With more than the default permissions more can be promised; what can be known to fail ends before the first removal."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox.identity import DEFAULT_PERMISSIONS
from sandbox.people import (
    Method,
    authenticator,
    fido2,
    hardware_oath,
    phone,
    software_oath,
    windows_hello,
)
from sandbox.stack import Stack, cloud_event
from tests.e2e.story import NEUTRAL, Another, Case, case, hired, told_about

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVERY_METHOD = "UserAuthenticationMethod.ReadWrite.All"
DEADLOCK = (phone("mobile", "+1 2065550102"), phone("alternateMobile", "+1 2065550112"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wide(another: Another) -> AsyncIterator[Stack]:
    """May write every kind of method."""
    async with another(app=False, SERVICENOW_PROFILE_FIELD="u_profile") as stack:
        await stack.identity.put("/_sim/roles", {"roles": sorted({*DEFAULT_PERMISSIONS, EVERY_METHOD})})
        await stack.start_app()
        yield stack


# ---- a default that cannot go first, and cannot go last


async def deadlocked(stack: Stack) -> tuple[str, str]:
    """Somebody whose default is the alternate mobile, and who has a mobile."""
    return await hired(stack, *DEADLOCK, defaultMethod="voiceAlternateMobile")


async def test_a_deadlocked_default_is_foreseen_and_nothing_is_removed(stack: Stack) -> None:
    name, _ = await deadlocked(stack)
    stuck = await case(stack, person=name)
    status = await stuck.ended()
    assert (status["outcome"], status["reason"]) == ("failed", "default-method-stuck")
    assert await stuck.writes() == []
    assert await stuck.methods() == {"phone"}
    assert await stuck.comments() == [f"{NEUTRAL} [{stuck.id}#1 outcome]"]


async def test_a_deadlocked_default_is_solved_with_the_permission_for_it(wide: Stack) -> None:
    name, _ = await deadlocked(wide)
    reset = await case(wide, person=name)
    status = await reset.ended()
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    assert await reset.methods() == set()
    assert "default-changed" in [step["name"] for step in status["steps"]]


@pytest.mark.parametrize(
    ("default", "methods"),
    [
        ("push", (authenticator("one"), authenticator("two"), phone("mobile", "+1 2065550104"))),
        ("oath", (software_oath(), authenticator("one"), phone("office", "+1 2065550105"))),
        ("voiceOffice", (phone("office", "+1 2065550106"), phone("mobile", "+1 2065550107"), software_oath())),
        ("sms", (phone("mobile", "+1 2065550108"), phone("alternateMobile", "+1 2065550109"), authenticator("one"))),
    ],
)
async def test_whatever_the_default_it_goes_last_and_everything_goes(
    stack: Stack, default: str, methods: tuple[Method, ...]
) -> None:
    name, _ = await hired(stack, *methods, defaultMethod=default)
    reset = await case(stack, person=name)
    status = await reset.ended()
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    assert await reset.methods() == set()
    assert {call["status"] for call in await reset.deletes()} <= {204, 400}
    gone = [call["path"] for call in await reset.deletes() if call["status"] == 204]
    assert len(gone) == len(set(gone)) == len(methods)


# ---- full reset


def everything() -> tuple[Method, ...]:
    """One of every kind that Graph can delete."""
    return (
        phone("mobile", "+1 2065550110"),
        phone("alternateMobile", "+1 2065550111"),
        phone("office", "+1 2065550112"),
        authenticator("Phone"),
        software_oath(),
        hardware_oath("CTSO0000200"),
        fido2("Red key"),
        windows_hello("LAPTOP"),
        Method(type="platformCredential", properties={"displayName": "MACBOOK"}),
        Method(type="email", properties={"emailAddress": "somebody@example.com"}),
        Method(type="external", properties={"displayName": "Other provider"}),
        Method(type="temporaryAccessPass"),
        Method(type="qrCodePin"),
    )


async def full_reset(stack: Stack, *methods: Method) -> Case:
    name, person_id = await hired(stack, *methods)
    result = await told_about(stack, await send_full_reset(stack, name))
    return Case(stack, result["data"]["requestId"], name, person_id)


async def send_full_reset(stack: Stack, name: str) -> dict[str, object]:
    event = cloud_event({"subject": name, "profile": "full-reset"})
    await stack.send(event)
    return event


async def test_a_full_reset_removes_every_method_but_the_password(wide: Stack) -> None:
    reset = await full_reset(wide, *everything())
    status = await reset.ended()
    assert (status["outcome"], status["reason"], status["profile"]) == ("done", "removed", "full-reset")
    assert await reset.methods() == set()
    assert sorted(gone["type"] for gone in status["removed"]) == sorted(method.type for method in everything())
    assert [(left["type"], left["why"]) for left in status["leftAlone"]] == [("password", "profile")]
    token = [one for one in (await reset.truth())["deletions"] if one["type"] == "hardwareOath"]
    assert [one["how"] for one in token] == ["deleted"]
    assert len((await reset.truth())["revocations"]) == 1


async def test_require_reregister_leaves_what_the_admin_center_leaves(wide: Stack) -> None:
    reset = await case(wide, *everything())
    status = await reset.ended()
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    left = {"hardwareOath", "fido2", "windowsHelloForBusiness", "platformCredential"}
    left |= {"email", "external", "temporaryAccessPass", "qrCodePin"}
    assert await reset.methods() == left
    assert {gone["type"] for gone in status["removed"]} == {"phone", "microsoftAuthenticator", "softwareOath", "hardwareOath"}
    assert {one["why"] for one in status["leftAlone"]} == {"profile"}


async def test_a_ticket_may_ask_for_a_full_reset_where_a_field_says_so(wide: Stack) -> None:
    reset = await case(wide, phone("mobile", "+1 2065550113"), fido2("Blue key"), u_profile="full-reset")
    status = await reset.ended()
    assert (status["profile"], status["reason"]) == ("full-reset", "removed")
    assert await reset.methods() == set()


async def test_a_full_reset_without_the_permission_for_it_removes_nothing(stack: Stack) -> None:
    failed = await full_reset(stack, phone("mobile", "+1 2065550114"), fido2("Green key"))
    status = await failed.ended()
    assert (status["outcome"], status["reason"]) == ("failed", "graph-forbidden")
    assert await failed.writes() == []


async def test_a_full_reset_fails_over_a_method_that_nobody_knows_after_removing_the_rest(wide: Stack) -> None:
    failed = await full_reset(wide, phone("mobile", "+1 2065550115"), Method(type="retinaScan"))
    status = await failed.ended()
    assert (status["outcome"], status["reason"]) == ("failed", "unknown-method")
    assert await failed.methods() == {"retinaScan"}
    assert [gone["type"] for gone in status["removed"]] == ["phone"]
    assert "unknown-type" in {left["why"] for left in status["leftAlone"]}


async def test_require_reregister_reports_a_method_that_nobody_knows_and_is_done(stack: Stack) -> None:
    reset = await case(stack, phone("mobile", "+1 2065550116"), Method(type="retinaScan"))
    status = await reset.ended()
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    assert await reset.methods() == {"retinaScan"}
    assert "unknown-type" in {left["why"] for left in status["leftAlone"]}
