"""The live tier writes to a tenant only when everything says that it is for tests; what cannot be read says that it is not."""

import dataclasses

import pytest

from tests.live.guard import MOST_SEATS, MOST_USERS, NEEDED, RULES, SAME_TENANT, Facts, Typed, Unread, refusals

TENANT = "5a3f5c8e-0000-4000-8000-000000000001"
OTHER = "5a3f5c8e-0000-4000-8000-000000000002"
TYPED = Typed(tenant=TENANT, confirmed=TENANT)
A_TEST_TENANT = Facts(
    tenant=TENANT,
    name="Contoso Test",
    domains=("contosotest.onmicrosoft.com", "contosotest.mail.onmicrosoft.com"),
    synced=False,
    users=25,
    seats=25,
    permissions=NEEDED | {"Directory.Read.All"},
    app_tenant=None,
    mode=None,
)


def facts(**changes: object) -> Facts:
    return dataclasses.replace(A_TEST_TENANT, **changes)  # type: ignore[arg-type]


def typed(**changes: object) -> Typed:
    return dataclasses.replace(TYPED, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (facts(), TYPED),
        (facts(tenant=TENANT.upper()), TYPED),
        (facts(), typed(confirmed=TENANT.upper())),
        (facts(name="DEV - Contoso"), TYPED),
        (facts(name="contoso (sandbox)"), TYPED),
        (facts(name="Contoso"), typed(name="Contoso")),
        (facts(domains=("contoso.onmicrosoft.us",)), TYPED),
        (facts(domains=("contoso.partner.onmschina.cn",)), TYPED),
        (facts(domains=("contoso.onmicrosoft.com", "Lab.Example.com")), typed(domains=frozenset({"lab.example.com"}))),
        (facts(users=1), TYPED),
        (facts(users=MOST_USERS, seats=MOST_SEATS), TYPED),
        (facts(seats=0), TYPED),
        (facts(permissions=NEEDED), TYPED),
        (facts(app_tenant=TENANT.upper()), TYPED),
        (facts(mode="dry-run"), TYPED),
    ],
)
def test_a_test_tenant_may_be_tried_on(seen: Facts, said: Typed) -> None:
    assert refusals(seen, said) == []


@pytest.mark.parametrize(
    ("seen", "said", "word"),
    [
        (facts(), typed(confirmed=""), "LIVE_CONFIRM"),
        (facts(), typed(confirmed=f"{TENANT} "), "LIVE_CONFIRM"),
        (facts(), typed(tenant=OTHER, confirmed=OTHER), "another"),
        (facts(tenant=OTHER), TYPED, "another"),
        (facts(name="Contoso"), TYPED, "LIVE_ALLOWED_NAME"),
        (facts(name="Contoso"), typed(name="contoso"), "LIVE_ALLOWED_NAME"),
        (facts(name="Contoso"), typed(name="Fabrikam"), "LIVE_ALLOWED_NAME"),
        (facts(name=""), TYPED, "LIVE_ALLOWED_NAME"),
        (facts(name="Attestation Devices Ltd"), TYPED, "LIVE_ALLOWED_NAME"),
        (facts(domains=("contoso.onmicrosoft.com", "contoso.com")), TYPED, "contoso.com"),
        (facts(domains=("contoso.com",)), typed(domains=frozenset({"fabrikam.com"})), "contoso.com"),
        (facts(domains=("onmicrosoft.com.contoso.com",)), TYPED, "onmicrosoft.com.contoso.com"),
        (facts(domains=("evilonmicrosoft.com",)), TYPED, "evilonmicrosoft.com"),
        (facts(domains=()), TYPED, "No verified domain"),
        (facts(synced=True), TYPED, "synchronised"),
        (facts(users=MOST_USERS + 1), TYPED, str(MOST_USERS + 1)),
        (facts(users=0), TYPED, "0 users"),
        (facts(users=-1), TYPED, "-1 users"),
        (facts(seats=MOST_SEATS + 1), TYPED, str(MOST_SEATS + 1)),
        (facts(seats=-1), TYPED, "-1 seats"),
        (facts(permissions=frozenset()), TYPED, "could not remove"),
        (facts(permissions=frozenset({"User.ReadWrite.All"})), TYPED, "UserAuthenticationMethod.ReadWrite.All"),
        (facts(permissions=frozenset({"UserAuthenticationMethod.ReadWrite.All"})), TYPED, "lacks User.ReadWrite.All"),
        (facts(app_tenant=OTHER), TYPED, "LIVE_APP_TOKEN"),
        (facts(app_tenant=""), TYPED, "LIVE_APP_TOKEN"),
        (facts(mode="enforce"), TYPED, "enforce"),
        (facts(mode=""), TYPED, "does not run in dry-run"),
    ],
)  # fmt: skip
def test_each_thing_that_looks_like_production_refuses_alone(seen: Facts, said: Typed, word: str) -> None:
    [why] = refusals(seen, said)
    assert word in why


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Facts)])
def test_what_cannot_be_read_refuses_alone(name: str) -> None:
    [why] = refusals(facts(**{name: Unread("Graph answered 403")}), TYPED)
    assert "Graph answered 403" in why


def test_all_reasons_are_given_at_once() -> None:
    nothing_is_right = Facts(
        tenant="another",
        name="Contoso",
        domains=("contoso.com",),
        synced=True,
        users=9000,
        seats=9000,
        permissions=frozenset(),
        app_tenant="another",
        mode="enforce",
    )
    assert len(refusals(nothing_is_right, typed(confirmed=""))) == len(RULES)


def test_cleaning_up_asks_only_whether_it_is_the_same_tenant() -> None:
    assert refusals(facts(name="Contoso", users=9000), TYPED, SAME_TENANT) == []
    assert len(refusals(facts(tenant="another"), typed(confirmed=""), SAME_TENANT)) == 2
