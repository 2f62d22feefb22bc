"""What a listing shows of methods that no removal is known of, beside others of which one is."""

from shared import plan
from shared.model import LeftAlone, Profile, Why
from tests.unit import build
from tests.unit.build import NOW, after, before

PHONE = build.method()
TOKEN = build.method("softwareOath", "token", before(days=9))


def test_one_that_was_kept_does_not_hide_one_that_is_still_there() -> None:
    """The listing's order is Graph's: what lags may stand behind what was never meant to go."""
    password = build.method("password", "p")
    gone = build.entry(PHONE, gone_at=after(seconds=20))
    seen = plan.read_back((password, PHONE), build.inventory(password, PHONE), [gone], Profile.REQUIRE_REREGISTER, NOW)
    assert seen == plan.ReadBack((PHONE,), (LeftAlone("password", "p", Why.PROFILE),))


def test_one_whose_time_is_known_and_whose_removal_was_only_meant_is_no_newcomer() -> None:
    seen = plan.read_back((TOKEN,), build.inventory(TOKEN), [build.entry(TOKEN)], Profile.REQUIRE_REREGISTER, NOW)
    assert seen == plan.ReadBack((), ())


def test_one_that_was_registered_since_is_told_beside_one_that_is_gone() -> None:
    new = build.method("microsoftAuthenticator", "new", after(seconds=5))
    gone = build.entry(TOKEN, gone_at=after(seconds=20))
    seen = plan.read_back((TOKEN,), build.inventory(new), [gone], Profile.REQUIRE_REREGISTER, NOW)
    assert seen == plan.ReadBack((), (LeftAlone("microsoftAuthenticator", "new", Why.REGISTERED_SINCE),))
