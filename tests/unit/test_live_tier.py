"""The live tier's own pure parts: its settings, its memory of whom it has made, its table, its tests' claims."""

import base64
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.live import settings, test_app, test_methods, verdicts
from tests.live.claims import confirmed_by
from tests.live.graph import permissions
from tests.live.made import Entry, Made
from tests.live.settings import APP, OPTIONAL, REQUIRED, ROOT, Wrong
from tests.live.verdicts import Claim

PAGE = (ROOT / "docs" / "verification.md").read_text("utf-8")
TENANT = "5a3f5c8e-0000-4000-8000-000000000001"
ENOUGH = {"LIVE_TENANT_ID": TENANT, "LIVE_CONFIRM": TENANT, "LIVE_GRAPH_TOKEN_COMMAND": "cat token"}
AN_APP = {
    "LIVE_APP_URL": "https://app.example.net",
    "LIVE_FUNCTION_KEY": "function key",
    "LIVE_WEBHOOK_KEY": "whsec_webhook",
    "LIVE_TICKET": f"sc_req_item/{'0' * 32}/RITM0010001",
}
LIVE_TESTS = [
    function
    for module in (test_methods, test_app)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if name.startswith("test_")
]


class TestTests:
    @pytest.mark.parametrize("test", LIVE_TESTS, ids=lambda test: test.__name__)
    def test_each_says_which_row_of_the_page_it_is_about_or_that_it_is_about_none(self, test: Callable[..., None]) -> None:
        said = confirmed_by(test)
        assert said.row is None or verdicts.row_of(said.row, verdicts.rows(PAGE))
        assert set(said.needs) <= set(OPTIONAL)

    def test_one_that_says_nothing_is_noticed(self) -> None:
        with pytest.raises(LookupError):
            confirmed_by(lambda: None)

    def test_all_of_them_are_looked_at(self) -> None:
        files = (ROOT / "tests" / "live").glob("test_*.py")
        assert {file.stem for file in files} == {module.__name__.rpartition(".")[2] for module in (test_methods, test_app)}

    def test_they_are_no_part_of_the_other_tiers(self) -> None:
        assert '"tests/live"' not in (ROOT / "pyproject.toml").read_text("utf-8")


class TestSettings:
    def test_three_are_enough(self) -> None:
        loaded = settings.load(ENOUGH)
        assert (loaded.typed.tenant, loaded.graph, loaded.app, loaded.given()) == (TENANT, settings.GRAPH, None, frozenset())

    def test_every_required_one_that_is_missing_is_named_at_once(self) -> None:
        with pytest.raises(Wrong) as wrong:
            settings.load({"LIVE_TENANT_ID": "  ", "OTHER": "1"})
        assert [problem.partition(" ")[0] for problem in wrong.value.problems] == list(REQUIRED)

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"LIVE_TENANT_ID": "contoso"}, "LIVE_TENANT_ID is no GUID"),
            ({"LIVE_ALLOWED_DOMAIN": "contoso.com"}, "LIVE_ALLOWED_DOMAIN is no setting"),
            ({"LIVE_GRAPH_ENDPOINT": "https://graph.example.com"}, "LIVE_GRAPH_ENDPOINT"),
            ({"LIVE_GRAPH_ENDPOINT": "http://graph.microsoft.com"}, "LIVE_GRAPH_ENDPOINT"),
            ({"LIVE_GRAPH_ENDPOINT": "https://graph.microsoft.com@example.com"}, "LIVE_GRAPH_ENDPOINT"),
            ({"LIVE_GRAPH_ENDPOINT": "https://graph.microsoft.com/v1.0"}, "LIVE_GRAPH_ENDPOINT"),
            ({"LIVE_GRAPH_ENDPOINT": "https://graph.microsoft.com:x"}, "LIVE_GRAPH_ENDPOINT"),
            ({"LIVE_HARDWARE_OATH_USER": "christie"}, "LIVE_HARDWARE_OATH_USER is no GUID"),
            ({"LIVE_APP_SETTINGS": "no/such/file"}, "LIVE_APP_SETTINGS is no file"),
            (AN_APP | {"LIVE_APP_URL": "http://app.example.net"}, "LIVE_APP_URL is no https root"),
            (AN_APP | {"LIVE_TICKET": "RITM0010001"}, "LIVE_TICKET is not of the form"),
            *((AN_APP | {name: ""}, f"{name} is required with") for name in APP),
        ],
    )
    def test_what_is_wrong_is_said(self, change: dict[str, str], problem: str) -> None:
        with pytest.raises(Wrong) as wrong:
            settings.load(ENOUGH | change)
        [said] = wrong.value.problems
        assert problem in said

    def test_an_app_is_given_whole_and_no_key_is_ever_shown(self) -> None:
        loaded = settings.load(ENOUGH | AN_APP | {"LIVE_APP_TOKEN": "token of the app"})
        assert loaded.app
        assert loaded.app.ticket.number == "RITM0010001"
        assert loaded.given() == {"LIVE_APP_URL", "LIVE_APP_TOKEN"}
        assert not any(secret in repr(loaded) for secret in ("function key", "whsec_webhook", "token of the app", "cat token"))

    def test_the_page_about_it_has_every_setting_and_no_other(self) -> None:
        page = (ROOT / "docs" / "live.md").read_text("utf-8")
        documented = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `LIVE_")]
        assert documented == [*REQUIRED, *OPTIONAL]


class TestMemory:
    def entry(self, name: str = "a@contoso.onmicrosoft.com", tenant: str = TENANT) -> Entry:
        return Entry(tenant, name, "reregister-live-1", 1.0)

    def test_who_was_meant_is_left_until_gone(self, tmp_path: Path) -> None:
        made, entry = Made(tmp_path / "made" / "file.jsonl"), self.entry()
        assert made.left(TENANT) == []
        made.meant(entry)
        assert made.left(TENANT.upper()) == [entry]
        known = made.made(entry, "an id")
        assert [one.id for one in Made(made.file).left(TENANT)] == ["an id"]
        made.gone(known)
        assert made.left(TENANT) == []

    def test_another_tenants_are_no_concern(self, tmp_path: Path) -> None:
        made = Made(tmp_path / "file.jsonl")
        made.meant(self.entry(tenant="another"))
        assert made.left(TENANT) == []

    def test_a_line_that_was_cut_off_hides_nobody(self, tmp_path: Path) -> None:
        made = Made(tmp_path / "file.jsonl")
        made.meant(self.entry("a@contoso.onmicrosoft.com"))
        with made.file.open("a") as file:
            file.write('{"tenant": "5a3f')
        made.meant(self.entry("b@contoso.onmicrosoft.com"))
        assert [one.name[0] for one in made.left(TENANT)] == ["a", "b"]


class TestTable:
    ROWS = ("first", "second")

    def states(self, *claims: Claim, **rest: str) -> list[str]:
        return [one.state for one in verdicts.verdicts(self.ROWS, claims, rest)]

    def test_every_row_of_the_page_is_found(self) -> None:
        rows = verdicts.rows(PAGE)
        assert len(rows) == len(set(rows)) > 20
        assert rows[0].startswith("An application may delete methods of administrators")
        assert "not verified" not in rows

    @pytest.mark.parametrize("beginning", ["no such row", "The"])
    def test_a_row_is_named_without_doubt(self, beginning: str) -> None:
        with pytest.raises(ValueError, match="rows of the page"):
            verdicts.row_of(beginning, verdicts.rows(PAGE))

    def test_a_row_without_a_test_is_not_run_and_says_how(self) -> None:
        assert [one.why for one in verdicts.verdicts(self.ROWS, (), {})] == [verdicts.BY_HAND] * 2

    @pytest.mark.parametrize(
        ("states", "state"),
        [
            (("confirmed",), "confirmed"),
            (("confirmed", "confirmed"), "confirmed"),
            (("confirmed", "not run"), "not run"),
            (("not run", "contradicted", "confirmed"), "contradicted"),
        ],
    )
    def test_a_row_is_confirmed_only_by_all_its_tests(self, states: tuple[verdicts.State, ...], state: str) -> None:
        claims = [Claim(f"claim {number}", "first", one, "because") for number, one in enumerate(states)]
        assert self.states(*claims) == [state, "not run"]

    def test_what_no_test_tries_of_a_row_keeps_it_from_being_confirmed(self) -> None:
        assert self.states(Claim("claim", "first", "confirmed"), first="the other half") == ["not run", "not run"]

    def test_a_claim_that_is_on_no_page_has_a_verdict_of_its_own(self) -> None:
        said = verdicts.verdicts(self.ROWS, [Claim("apart", None, "confirmed")], {})
        assert (said[-1].row, said[-1].state) == ("apart", "confirmed")

    def test_people_and_programs_are_told_the_same(self) -> None:
        claims = [Claim("claim", "second", "contradicted", "404", {"seconds": 3})]
        said = verdicts.verdicts(self.ROWS, claims, {})
        assert verdicts.lines(said)[0].split() == ["contradicted", "second"]
        assert any("seconds 3" in line for line in verdicts.lines(said))
        document = json.loads(json.dumps(verdicts.document(said)))
        assert [(one["row"], one["state"]) for one in document] == [("first", "not run"), ("second", "contradicted")]
        assert document[1]["claims"][0]["measured"] == {"seconds": 3}


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.bnVsbA.c", "a.W10.c", "a.eyJyb2xlcyI6MX0.c"])
def test_a_token_that_does_not_say_what_it_may_do_is_no_token_without_permissions(token: str) -> None:
    with pytest.raises(ValueError, match="no claims"):
        permissions(token)


def test_application_and_delegated_permissions_are_read_alike() -> None:
    def made(**claims: Any) -> str:
        return "x." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".y"

    assert permissions(made(roles=["A.Read.All"])) == {"A.Read.All"}
    assert permissions(made(scp="A.Read.All B.Read.All")) == {"A.Read.All", "B.Read.All"}
    assert permissions(made()) == frozenset()
