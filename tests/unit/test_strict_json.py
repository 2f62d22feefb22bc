"""JSON that readers could disagree about is refused, in words that repeat nothing of it."""

import json

import pytest

from shared.intake import strict_json


@pytest.mark.parametrize(
    "text",
    [
        '{"a": NaN}',
        '{"a": [Infinity]}',
        "-Infinity",
        "1e999",
        '{"a": 1, "a": 1}',
        '{"a": {"b": 1, "b": 2}}',
        '"\\ud800"',
        '{"\\udfff": 1}',
        "[" * 100_000,
        "{'a': 1}",
        "",
        "1 2",
    ],
)
@pytest.mark.parametrize("encode", [True, False])
def test_what_readers_could_disagree_about_is_no_json(text: str, encode: bool) -> None:
    with pytest.raises(strict_json.NotJson) as refused:
        strict_json.read(text.encode() if encode else text)
    assert str(refused.value) == "Not JSON that every reader understands alike"
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("source", [b"\xff", b'\xef\xbb\xbf{"a": 1}', '"a"'.encode("utf-16")])
def test_bytes_that_are_not_plain_utf_8_are_no_json(source: bytes) -> None:
    with pytest.raises(strict_json.NotJson):
        strict_json.read(source)


@pytest.mark.parametrize("value", [{"b": [1, None, True], "a": "é"}, [], 0, -1.5, "", None, {"": {}}])
def test_everything_else_is_read_as_it_stands(value: object) -> None:
    assert strict_json.read(json.dumps(value)) == value
    assert strict_json.read(strict_json.canonical(value)) == value


def test_equal_values_have_one_canonical_form() -> None:
    assert (
        strict_json.canonical({"b": 1, "a": ["é"]}) == strict_json.canonical({"a": ["é"], "b": 1}) == '{"a":["é"],"b":1}'.encode()
    )
