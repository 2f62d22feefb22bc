"""What Graph does with authentication methods, tried on test users: the parts that plan and read-back rest on."""

import time
from collections.abc import Callable
from datetime import datetime

from sandbox.people import PASSWORD_ID, PHONE_IDS
from tests.live.claims import confirms
from tests.live.graph import Graph, Unexpected, permissions, said
from tests.live.people import Person, until
from tests.live.run import Live

LONGEST_LAG = 60.0
"""So long a read-back waits before it says that a method is still there."""
WIDER_THAN_GROUP_MEMBER = frozenset(
    {"Directory.Read.All", "Directory.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All", "GroupMember.ReadWrite.All"}
)
READ, WRITE = "UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All"


@confirms(None)
def test_a_new_user_has_a_password_and_nothing_else_and_phones_have_the_ids_that_are_the_same_for_everybody(
    person: Person,
) -> None:
    assert person.methods() == {PASSWORD_ID}
    assert {kind: person.give_phone(kind) for kind in PHONE_IDS} == PHONE_IDS
    everything = {PASSWORD_ID, *PHONE_IDS.values()}
    assert until(person.methods, lambda listed: listed >= everything) == everything


@confirms(None)
def test_a_default_is_refused_beside_another_method_and_goes_when_it_is_the_last(person: Person) -> None:
    mobile, office = person.give_phone("mobile"), person.give_phone("office")
    person.set_default("sms")
    answer = person.delete_phone(mobile)
    assert answer.status_code == 400, said(answer)
    assert person.delete_phone(office).status_code == 204
    last = until(lambda: person.delete_phone(mobile), lambda answer: answer.status_code != 400)
    assert last.status_code == 204, said(last)


@confirms(None)
def test_a_mobile_is_refused_beside_an_alternate_mobile(person: Person) -> None:
    mobile, alternate = person.give_phone("mobile"), person.give_phone("alternateMobile")
    answer = person.delete_phone(mobile)
    assert answer.status_code == 400, said(answer)
    assert person.delete_phone(alternate).status_code == 204
    last = until(lambda: person.delete_phone(mobile), lambda answer: answer.status_code != 400)
    assert last.status_code == 204, said(last)


@confirms("`signInPreferences` may be read with `UserAuthenticationMethod.Read.All`, and changed")
def test_an_alternate_mobile_that_is_the_default_beside_a_mobile_goes_once_the_default_is_changed(person: Person) -> None:
    mobile, alternate = person.give_phone("mobile"), person.give_phone("alternateMobile")
    person.set_default("voiceAlternateMobile")
    assert person.delete_phone(alternate).status_code == 400
    assert person.delete_phone(mobile).status_code == 400
    changed = person.prefer("sms")
    assert changed.status_code == 204, said(changed)
    first = until(lambda: person.delete_phone(alternate), lambda answer: answer.status_code != 400)
    assert first.status_code == 204, said(first)
    last = until(lambda: person.delete_phone(mobile), lambda answer: answer.status_code != 400)
    assert last.status_code == 204, said(last)


@confirms("`signInPreferences` may be read with `UserAuthenticationMethod.Read.All`, and changed", needs=("LIVE_APP_TOKEN",))
def test_the_default_can_be_read_with_the_permission_to_read_alone(live: Live, as_app: Graph, person: Person) -> None:
    held = permissions(live.settings.app_token)
    if READ not in held or WRITE in held:
        raise Unexpected(f"LIVE_APP_TOKEN must hold {READ} and not {WRITE}")
    answer = as_app.ask("GET", person.path("authentication/signInPreferences", "/beta"))
    assert answer.status_code == 200, said(answer)
    assert "userPreferredMethodForSecondaryAuthentication" in answer.json()


@confirms("How long deletes lag behind in the list")
def test_a_deleted_method_is_not_listed_any_more_within_a_minute(
    person: Person, record_property: Callable[[str, object], None]
) -> None:
    office = person.give_phone("office")
    assert office in until(person.methods, lambda listed: office in listed)
    assert person.delete_phone(office).status_code == 204
    gone = time.monotonic()
    listed = until(person.methods, lambda listed: office not in listed, within=LONGEST_LAG, every=0.5)
    record_property("seconds until it is not listed", round(time.monotonic() - gone, 1))
    assert office not in listed


@confirms(None)
def test_deleting_a_method_that_is_gone_is_answered_with_404(person: Person) -> None:
    office = person.give_phone("office")
    assert person.delete_phone(office).status_code == 204
    again = until(lambda: person.delete_phone(office), lambda answer: answer.status_code == 404)
    assert again.status_code == 404, said(again)


@confirms(None)
def test_revoking_sessions_moves_the_time_from_which_they_are_valid(person: Person) -> None:
    def valid_from() -> datetime:
        shown = person.graph.get(f"/users/{person.id}?$select=id,signInSessionsValidFromDateTime")
        return datetime.fromisoformat(shown["signInSessionsValidFromDateTime"])

    before = valid_from()
    answer = person.graph.ask("POST", person.path("revokeSignInSessions"))
    assert answer.is_success, said(answer)
    assert until(valid_from, lambda seen: seen > before) > before


@confirms("The default set cannot issue a Temporary Access Pass", needs=("LIVE_APP_TOKEN",))
def test_the_identity_of_the_app_is_refused_a_temporary_access_pass(as_app: Graph, person: Person) -> None:
    answer = as_app.ask("POST", person.path("authentication/temporaryAccessPassMethods"), {"isUsableOnce": True})
    assert answer.status_code == 403, said(answer)


@confirms(
    "`isManagementRestricted` may be selected with `User.Read.All`",
    needs=("LIVE_APP_TOKEN",),
    rest="what it says of a user in a restricted unit",
)
def test_the_identity_of_the_app_may_select_whether_management_is_restricted(as_app: Graph, person: Person) -> None:
    answer = as_app.ask("GET", f"/users/{person.id}?$select=id,isManagementRestricted")
    assert answer.status_code == 200, said(answer)
    assert "isManagementRestricted" in answer.json()


@confirms("`GroupMember.Read.All` alone lists every role-assignable group", needs=("LIVE_APP_TOKEN",))
def test_the_identity_of_the_app_sees_each_role_assignable_group_that_an_administrator_sees(live: Live, as_app: Graph) -> None:
    if wider := permissions(live.settings.app_token) & WIDER_THAN_GROUP_MEMBER:
        raise Unexpected(f"LIVE_APP_TOKEN must not hold {', '.join(sorted(wider))}")
    path = "/groups?$filter=isAssignableToRole%20eq%20true&$select=id&$top=999"
    everyone = {group["id"] for group in live.graph.list(path)}
    if not everyone:
        raise Unexpected("the tenant has no role-assignable group")
    assert {group["id"] for group in as_app.list(path)} == everyone


@confirms(
    "PIM for Groups is readable with `PrivilegedEligibilitySchedule.Read.AzureADGroup` alone",
    needs=("LIVE_APP_TOKEN",),
    rest="a group's own eligibilities, and the other of a tenant with and one without P2",
)
def test_the_identity_of_the_app_may_read_who_is_eligible_for_groups_or_hears_that_there_is_no_licence(
    as_app: Graph, person: Person
) -> None:
    where = f"$filter=principalId%20eq%20'{person.id}'"
    answer = as_app.ask("GET", f"/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances?{where}")
    unlicensed = answer.status_code == 400 and answer.json()["error"]["code"] == "AadPremiumLicenseRequired"
    assert answer.status_code == 200 or unlicensed, said(answer)


@confirms("`GET …/authentication/methods` lists hardware OATH in v1.0", needs=("LIVE_HARDWARE_OATH_USER",))
def test_a_hardware_token_is_listed_with_all_methods_in_v1(live: Live) -> None:
    user = Person(live.graph, live.settings.hardware_oath_user)
    tokens = {str(one["id"]) for one in live.graph.list(user.path("authentication/hardwareOathMethods", "/beta"))}
    if not tokens:
        raise Unexpected("the user of LIVE_HARDWARE_OATH_USER has no hardware token")
    assert tokens <= user.methods(), "beta lists a hardware token that v1.0 does not"


@confirms(
    "The list of hardware OATH methods shows `device.status`",
    needs=("LIVE_HARDWARE_OATH_USER",),
    rest="deactivating twice, which would change somebody who was not made here",
)
def test_the_list_of_hardware_tokens_shows_the_status_of_their_devices(live: Live) -> None:
    user = Person(live.graph, live.settings.hardware_oath_user)
    tokens = live.graph.list(user.path("authentication/hardwareOathMethods", "/beta"))
    if not tokens:
        raise Unexpected("the user of LIVE_HARDWARE_OATH_USER has no hardware token")
    assert all((token.get("device") or {}).get("status") for token in tokens)
