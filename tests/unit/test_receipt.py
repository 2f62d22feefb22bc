"""Receipts: whatever is done to one is found, and named; what is whole is found whole."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.receipt import (
    GENESIS,
    Anchor,
    Entry,
    EntryKind,
    Fault,
    Finding,
    Tail,
    Torn,
    chain,
    lines,
    tail_of,
    verify,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "receipts.md"
REQUEST, OTHER = "a" * 32, "b" * 32


def entry(place: int = 1, kind: EntryKind = EntryKind.CALL, **data: Any) -> Entry:
    return Entry(f"2026-11-24T02:35:{place:02}.000Z", 1, kind, {"number": place, **data})


def receipt(count: int, request: str = REQUEST, **data: Any) -> list[bytes]:
    """So many lines."""
    made, _ = chain(request, Tail(), [entry(number, **data) for number in range(1, count + 1)])
    return list(made)


def anchor(line: bytes) -> Anchor:
    members = json.loads(line)
    return Anchor(members["hash"], members["sequence"])


def faults(receipt: bytes, *anchors: Anchor) -> list[tuple[Fault, int | None]]:
    return [(finding.fault, finding.line) for finding in verify(receipt, REQUEST, anchors)]


def altered(line: bytes, *, sealed: bool = True, **members: Any) -> bytes:
    """The line with other members, and its own hash made right again when `sealed`."""
    content = {**json.loads(line), **members}
    del content["hash"]
    digest = hashlib.sha256(canonical(content)).hexdigest() if sealed else json.loads(line)["hash"]
    return canonical({**content, "hash": digest}) + b"\n"


def canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


# ---- writing


def test_a_line_says_everything_in_one_way_only() -> None:
    (line,), tail = chain(REQUEST, Tail(), [Entry("2026-11-24T02:35:16.000Z", 2, EntryKind.TOLD, {"what": "é", "a": None})])
    hashed = (
        '{"at":"2026-11-24T02:35:16.000Z","attempt":2,"data":{"a":null,"what":"é"},"kind":"told",'
        f'"prev":"{GENESIS}","request":"{REQUEST}","sequence":1}}'
    )
    digest = hashlib.sha256(hashed.encode()).hexdigest()
    assert line.decode() == hashed.replace('"kind"', f'"hash":"{digest}","kind"') + "\n"
    assert tail == Tail(1, digest, len(line))
    assert tail.anchor == Anchor(digest, 1)


def test_each_entry_names_the_one_before() -> None:
    members = [json.loads(line) for line in receipt(3)]
    assert [one["sequence"] for one in members] == [1, 2, 3]
    assert [one["prev"] for one in members] == [GENESIS, members[0]["hash"], members[1]["hash"]]


def test_a_receipt_goes_on_where_it_ended() -> None:
    first, tail = chain(REQUEST, Tail(), [entry(1), entry(2)])
    assert tail_of(b"".join(first)) == tail
    second, end = chain(REQUEST, tail, [entry(3)])
    assert (*first, *second) == tuple(receipt(3))
    assert tail_of(b"".join((*first, *second))) == end
    assert tail_of(b"") == Tail()


@pytest.mark.parametrize("end", [b"?", b"?\n", b"\n", b"{}\n", b"[]\n", receipt(1)[0][:-1], receipt(1)[0][:-1] + b"?"])
def test_nothing_follows_what_is_no_entry(end: bytes) -> None:
    for before in (b"", receipt(1)[0]):
        with pytest.raises(Torn):
            tail_of(before + end)


def test_nothing_follows_an_entry_that_was_edited() -> None:
    with pytest.raises(Torn):
        tail_of(altered(receipt(1)[0], sealed=False, attempt=7))


def test_an_entry_at_the_end_can_be_followed_whatever_stands_before_it() -> None:
    (line,) = receipt(1)
    assert {tail_of(torn + line).sequence for torn in (b"\n", b"?\n")} == {1}


def test_what_can_be_read_is_read() -> None:
    whole = lines(b"".join(receipt(2)) + b"?\n")
    assert [(line.sequence, line.kind, line.data, line.intact) for line in whole] == [
        (1, "call", {"number": 1}, True),
        (2, "call", {"number": 2}, True),
    ]


# ---- checking


@pytest.mark.parametrize("count", [0, 1, 5])
def test_what_is_whole_is_found_whole(count: int) -> None:
    made = receipt(count)
    anchors = [anchor(line) for line in made]
    assert verify(b"".join(made), REQUEST, [*anchors, *(Anchor(one.hash) for one in anchors)]) == ()


def test_an_edit_is_found() -> None:
    made = receipt(4)
    made[1] = altered(made[1], sealed=False, attempt=7)
    assert faults(b"".join(made)) == [(Fault.EDITED, 2)]


def test_an_edit_with_its_own_hash_made_right_is_found_by_the_next_line() -> None:
    made = receipt(4)
    made[1] = altered(made[1], attempt=7)
    assert faults(b"".join(made)) == [(Fault.EDITED, 2)]


def test_an_entry_that_follows_another_beginning_is_found() -> None:
    made = receipt(1)
    made[0] = altered(made[0], prev="f" * 64)
    assert faults(b"".join(made)) == [(Fault.EDITED, 1)]


def test_a_chain_that_was_made_anew_is_found_by_the_anchor_alone() -> None:
    made, known = receipt(4), anchor(receipt(4)[2])
    forged = receipt(4, forged=True)
    assert faults(b"".join(forged)) == []
    assert verify(b"".join(forged), REQUEST, [known]) == (Finding(Fault.REWRITTEN, anchor=known),)
    assert verify(b"".join(forged), REQUEST, [Anchor(known.hash)]) == (Finding(Fault.TRUNCATED, anchor=Anchor(known.hash)),)
    assert verify(b"".join(made), REQUEST, [known]) == ()


def test_an_anchor_that_stands_elsewhere_is_found() -> None:
    made = receipt(4)
    elsewhere = Anchor(anchor(made[2]).hash, 9)
    assert verify(b"".join(made), REQUEST, [elsewhere]) == (Finding(Fault.REWRITTEN, anchor=elsewhere),)


def test_an_edited_entry_is_no_anchor_whatever_hash_it_bears() -> None:
    made = receipt(1)
    known = anchor(made[0])
    assert faults(altered(made[0], sealed=False, attempt=7), known) == [(Fault.EDITED, 1), (Fault.TRUNCATED, None)]


def test_one_anchor_that_holds_says_nothing_of_the_others() -> None:
    made, gone = receipt(4)[:2], anchor(receipt(4)[3])
    assert verify(b"".join(made), REQUEST, [anchor(made[0]), gone]) == (Finding(Fault.TRUNCATED, anchor=gone),)


@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_truncation_before_the_anchor_is_found(left: int) -> None:
    made = receipt(4)
    known = anchor(made[3])
    assert verify(b"".join(made[:left]), REQUEST, [known]) == (Finding(Fault.TRUNCATED, anchor=known),)


def test_what_is_missing_is_a_gap() -> None:
    made = receipt(4)
    del made[1]
    assert faults(b"".join(made)) == [(Fault.GAP, 2)]
    assert faults(b"".join(receipt(4)[2:])) == [(Fault.GAP, 1)]
    assert faults(altered(receipt(1)[0], sequence=10**30)) == [(Fault.GAP, 1)]


def test_what_stands_in_another_order_is_told_from_a_gap() -> None:
    made = receipt(4)
    made[1], made[2] = made[2], made[1]
    assert faults(b"".join(made)) == [(Fault.REORDERED, number) for number in (2, 3, 4)]


def test_what_stands_twice_is_found() -> None:
    made = receipt(3)
    assert faults(b"".join((*made[:2], made[1], made[2]))) == [(Fault.REORDERED, 3)]


def test_another_requests_entry_is_foreign() -> None:
    assert {fault for fault, _ in faults(b"".join(receipt(2, request=OTHER)))} == {Fault.FOREIGN}
    made = receipt(2)
    assert faults(b"".join((made[0], receipt(2, request=OTHER)[1]))) == [(Fault.FOREIGN, 2), (Fault.EDITED, 1)]


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"?\n",
        b"null\n",
        b"{}\n",
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        receipt(2)[1].replace(b'"number":2', b'"number":2e999'),
        receipt(2)[1].replace(b'"number":2', b'"number":"\\ud800"'),
        altered(receipt(2)[1], attempt=True),
        altered(receipt(2)[1], more=1),
    ],
)
def test_a_line_that_is_no_entry_is_torn(line: bytes) -> None:
    made = receipt(3)
    made[1] = line
    assert faults(b"".join(made)) == [(Fault.TORN, 2)]


def test_what_is_wrong_after_a_torn_line_is_found_too() -> None:
    made = receipt(4)
    made[1], made[3] = b"?\n", altered(made[3], sealed=False, attempt=7)
    assert faults(b"".join(made)) == [(Fault.TORN, 2), (Fault.EDITED, 4)]


def test_a_line_that_is_cut_off_is_torn() -> None:
    made = b"".join(receipt(2))
    assert faults(made[:-1]) == [(Fault.TORN, 2)]
    assert faults(made[:-40]) == [(Fault.TORN, 2)]


@pytest.mark.parametrize("spelt", [b'{"at": ', b'{"attempt":1,"at":', b'{"at":"x","at":'])
def test_an_entry_that_is_spelt_in_another_way_is_edited(spelt: bytes) -> None:
    made = receipt(1)[0]
    other = (
        made.replace(b'{"at":', spelt).replace(b',"attempt":1', b"") if b"attempt" in spelt else made.replace(b'{"at":', spelt)
    )
    assert faults(other) == [(Fault.EDITED, 1)]


# ---- by hand


def test_the_page_about_receipts_has_a_check_that_works(tmp_path: Path) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    made = receipt(4, text='é \U0001f511 " \\ \n \x7f', number=10**20)
    file, end = tmp_path / "receipt.jsonl", anchor(made[3]).hash

    def check(lines: list[bytes], *anchors: str) -> int:
        file.write_bytes(b"".join(lines))
        return subprocess.run([sys.executable, "-c", script, file, *anchors], check=False, capture_output=True).returncode

    assert check(made) == check(made, end) == 0
    assert check(made[:3], end) == check([made[0], made[2]]) == check([altered(made[0], sealed=False, attempt=7)]) == 1


def test_the_page_about_receipts_names_every_kind_of_entry() -> None:
    page = PAGE.read_text("utf-8")
    assert [kind for kind in EntryKind if f"\n| `{kind}` |" not in page] == []


# ---- whatever is done

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3),
    max_leaves=6,
)
_ENTRIES = st.lists(
    st.builds(
        Entry,
        at=st.text(st.characters(codec="utf-8"), max_size=30),
        attempt=st.integers(1, 9),
        kind=st.sampled_from(EntryKind),
        data=st.dictionaries(st.text(st.characters(codec="utf-8")), _JSON, max_size=4),
    ),
    min_size=2,
    max_size=8,
)


@given(_ENTRIES, st.integers(0, 8))
def test_any_entries_are_whole_in_however_many_appends(entries: list[Entry], first: int) -> None:
    before, tail = chain(REQUEST, Tail(), entries[:first])
    after, end = chain(REQUEST, tail, entries[first:])
    whole = b"".join((*before, *after))
    assert verify(whole, REQUEST, [end.anchor, Anchor(end.hash)]) == ()
    assert tail_of(whole) == end
    assert [line.data for line in lines(whole)] == [one.data for one in entries]


@given(_ENTRIES, st.data())
def test_any_one_thing_done_to_it_is_found(entries: list[Entry], data: st.DataObject) -> None:
    """Bytes changed, taken out or put in; a line removed, doubled, swapped; cut off anywhere: found, with the last as anchor."""
    made, end = chain(REQUEST, Tail(), entries)
    whole = b"".join(made)
    places = st.integers(0, len(made) - 1)
    match data.draw(st.sampled_from(["byte", "out", "in", "line", "twice", "swap", "cut"])):
        case "byte":
            at = data.draw(st.integers(0, len(whole) - 1))
            spoilt = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
        case "out":
            at = data.draw(st.integers(0, len(whole) - 1))
            spoilt = whole[:at] + whole[data.draw(st.integers(at + 1, len(whole))) :]
        case "in":
            at = data.draw(st.integers(0, len(whole)))
            spoilt = whole[:at] + data.draw(st.binary(min_size=1, max_size=4)) + whole[at:]
        case "line":
            at = data.draw(places)
            spoilt = b"".join((*made[:at], *made[at + 1 :]))
        case "twice":
            at, to = data.draw(places), data.draw(places)
            spoilt = b"".join((*made[:to], made[at], *made[to:]))
        case "swap":
            one, other = data.draw(places), data.draw(places)
            swapped = list(made)
            swapped[one], swapped[other] = swapped[other], swapped[one]
            spoilt = b"".join(swapped)
        case _:
            spoilt = whole[: data.draw(st.integers(0, len(whole) - 1))]
    if spoilt != whole:
        assert verify(spoilt, REQUEST, [end.anchor]) != ()
        assert verify(spoilt, REQUEST, [Anchor(end.hash)]) != ()


@given(st.binary(max_size=200), _ENTRIES)
def test_whatever_is_there_instead_is_looked_at_without_a_crash(noise: bytes, entries: list[Entry]) -> None:
    made, _ = chain(REQUEST, Tail(), entries)
    assert verify(b"".join(made) + noise + b"\n", REQUEST) != ()
    lines(noise)
