"""Published mistakes of other systems (their sources are in the threat model), made impossible here."""

from dataclasses import asdict

import pytest

from sandbox.graph.faults import refusal
from sandbox.people import Method, authenticator, fido2, hardware_oath, phone, software_oath, windows_hello
from sandbox.stack import Stack, cloud_event
from tests.attacks.wall import asked, employee, finished, held, ready, sent
from tests.e2e.story import PHONE, Case, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def with_methods(stack: Stack, *methods: Method, **person: str) -> Case:
    """An honest request for somebody with these methods."""
    name, _ = await employee(stack, *methods, pilot=True, **person)
    return await asked(await ready(stack, person=name))


async def test_too_much_is_deleted(stack: Stack) -> None:
    """Scripts that take passkeys and Windows Hello along leave people without what would have let them in safely."""
    reset = await with_methods(stack, phone("mobile", PHONE), fido2("Red key"), windows_hello("A laptop"))
    assert (await reset.ended())["reason"] == "removed"
    assert await reset.methods() == {"fido2", "windowsHelloForBusiness"}
    assert len(await reset.writes()) == 2


async def test_too_little_is_deleted(stack: Stack) -> None:
    """Scripts that know phone and app only leave a token, or a second phone, in the attacker's hands."""
    methods = (phone("mobile", PHONE), phone("alternateMobile", "+1 2065550177"), phone("office", "+1 2065550178"))
    reset = await with_methods(
        stack, *methods, authenticator("A"), authenticator("B"), software_oath(), hardware_oath("CTSO0000150")
    )
    ended = await reset.ended()
    assert (ended["reason"], len(ended["removed"])) == ("removed", 7)
    (token,) = [one for one in (await reset.truth())["methods"] if one["type"] != "password"]
    assert (token["type"], token["properties"]["device"]["status"] == "activated") == ("hardwareOath", False)


async def test_a_default_that_is_refused_once_is_left(stack: Stack) -> None:
    """One pass over the methods leaves the default, and with it the attacker's phone."""
    target = await ready(stack)
    fault = refusal(
        400, "BadRequest", "Cannot delete default method.", method="DELETE", path=f"{target.person_id}/.*phoneMethods"
    )
    await stack.graph.fault(**asdict(fault))
    reset = await asked(target)
    await finished(reset, writes=5)
    assert [step["detail"] for step in (await reset.status())["steps"] if step["name"] == "removal-refused"] == ["phone"]


async def test_a_default_that_never_goes_leaves_somebody_half_stripped(stack: Stack) -> None:
    """Two phones that keep each other: it is seen beforehand, and nothing goes."""
    methods = (phone("mobile", PHONE), phone("alternateMobile", "+1 2065550177"))
    attack = await with_methods(stack, *methods, defaultMethod="voiceAlternateMobile")
    await held(attack, failed="default-method-stuck")


async def test_an_unknown_type_is_counted_as_deleted(stack: Stack) -> None:
    """`Default: return true` for whatever Microsoft invents next: here it is named as left."""
    reset = await with_methods(stack, phone("mobile", PHONE), Method(type="voiceprint"))
    ended = await reset.ended()
    assert [gone["type"] for gone in ended["removed"]] == ["phone"]
    assert {"voiceprint": "unknown-type"}.items() <= {left["type"]: left["why"] for left in ended["leftAlone"]}.items()
    assert await reset.methods() == {"voiceprint"}


async def test_an_unknown_type_survives_a_full_reset_that_calls_itself_done(stack: Stack) -> None:
    """Everything known goes, and then it says that it failed."""
    name, person_id = await employee(stack)
    await stack.graph.post(f"/_sim/users/{person_id}/methods", {"type": "voiceprint"})
    attack = await sent(Case(stack, "", name, person_id), cloud_event({"subject": name, "profile": "full-reset"}))
    ended = await attack.ended()
    assert (ended["outcome"], ended["reason"], len(ended["removed"])) == ("failed", "unknown-method", 3)


async def test_one_refusal_in_a_batch_is_lost_in_its_success(stack: Stack) -> None:
    """Two methods go, one does not: that is no success, and the two are named."""
    target = await ready(stack)
    fault = refusal(
        403, "Authorization_RequestDenied", "No.", method="DELETE", path=f"{target.person_id}/.*softwareOath", times=None
    )
    await stack.graph.fault(**asdict(fault))
    attack = await asked(target)
    ended = await attack.ended()
    assert (ended["outcome"], ended["reason"]) == ("failed", "graph-forbidden")
    assert sorted(gone["type"] for gone in ended["removed"]) == ["microsoftAuthenticator", "phone"]
    (result,) = await attack.results()
    assert result["type"] == "mfa.reregistration.failed"
    assert "set up" not in (await attack.comments())[0]


async def test_success_is_claimed_before_it_was_read_back(stack: Stack) -> None:
    """Graph accepts the deletion and still lists the method: nothing is called done until it no longer does."""
    target = await ready(stack)
    await stack.graph.patch(f"/_sim/users/{target.person_id}", {"lagSeconds": 2})
    attack = await asked(target)
    await eventually(lambda: attack.calls("POST", "revokeSignInSessions"))
    assert "outcome" not in await attack.status()
    ended = await attack.ended()
    assert (ended["outcome"], ended["reason"]) == ("done", "removed")
    (revocation,) = await attack.calls("POST", "revokeSignInSessions")
    lists = [call for call in await attack.calls("GET", "authentication/methods") if call["at"] > revocation["at"]]
    assert len(lists) > 1


async def test_sessions_outlive_the_reset(stack: Stack) -> None:
    """A deletion without revocation leaves the attacker signed in."""
    reset = await asked(await ready(stack))
    await finished(reset, writes=4)
    assert len((await reset.truth())["revocations"]) == 1


async def test_the_subject_is_found_by_mail_or_name(stack: Stack) -> None:
    """Whoever may edit their own profile would be somebody else: only the configured identifier counts."""
    chief, chief_id = await employee(stack, mail="the.chief@contoso.com", displayName="The Chief of Everything")
    impostor = {"user_name": "nobody.at.all@contoso.com", "name": "The Chief of Everything", "email": "the.chief@contoso.com"}
    await stack.servicenow.post("/_sim/users", impostor)
    target = await ready(stack)
    record = target.person_id.replace("-", "")
    fields = {"user_name": "nobody.at.all.else@contoso.com", "name": impostor["name"], "email": impostor["email"]}
    await stack.servicenow.put("/_sim/fields", {"table": "sys_user", "record": record, "fields": fields})
    attack = await asked(target)
    await held(attack, refused="user-not-found")
    await held(Case(stack, attack.id, chief, chief_id), refused="user-not-found")


async def test_a_temporary_access_pass_is_issued_and_leaks(stack: Stack) -> None:
    """Into a chat, a job's output or a result: none is ever issued."""
    await finished(await asked(await ready(stack)), writes=4)
    assert await stack.graph.log("POST", "temporaryAccessPass") == []
