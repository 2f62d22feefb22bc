"""How long a service asks to be left alone, in every form that has been seen."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.waits import LONGEST, SHORT, AskedToWait, heed, retry_after

NOW = datetime(2026, 11, 24, 2, 35, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("2.128", 2.128),  # Microsoft Graph has these
        ("2,5", 2.5),
        ("Tue, 24 Nov 2026 02:36:16 GMT", 60),
        ("Tue, 24 Nov 2026 02:36:16 -0000", 60),
        ("Tue, 24 Nov 2026 02:34:16 GMT", 0),  # over already
        ("9" * 30, LONGEST.total_seconds()),
    ],
)
def test_a_wait_is_understood(header: str, seconds: float) -> None:
    assert retry_after(header, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "header", [None, "", "-1", "soon", "inf", "nan", "1e3", "٣", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"]
)
def test_what_says_nothing_is_no_wait(header: str | None) -> None:
    assert retry_after(header, NOW) is None


@given(st.text())
def test_no_header_is_a_wait_out_of_bounds(header: str) -> None:
    wait = retry_after(header, NOW)
    assert wait is None or timedelta() <= wait <= LONGEST


@pytest.mark.parametrize("status", [408, 429, 500, 503, 599])
def test_who_asks_for_more_than_a_moment_is_not_waited_for_by_a_client_that_repeats(status: int) -> None:
    with pytest.raises(AskedToWait, match=f"status {status}") as asked:
        heed(status, "2.1", NOW)
    assert asked.value.retry_after == timedelta(seconds=2.1)


@pytest.mark.parametrize(("status", "header"), [(503, None), (503, f"{SHORT.seconds}"), (200, "60"), (403, "60"), (600, "60")])
def test_nobody_else_asks_for_it(status: int, header: str | None) -> None:
    heed(status, header, NOW)
