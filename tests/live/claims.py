"""How a test of the live tier says what it is about."""

from collections.abc import Callable
from dataclasses import dataclass

_NAME = "confirms"


@dataclass(frozen=True, slots=True)
class Confirms:
    """`row`: how the row of docs/verification.md begins, None for what has none. `needs`: the settings without which the test
    is not run. `rest`: what of the row no test tries."""

    row: str | None
    needs: tuple[str, ...] = ()
    rest: str = ""


def confirms[T: Callable[..., None]](row: str | None, *, needs: tuple[str, ...] = (), rest: str = "") -> Callable[[T], T]:
    def mark(test: T) -> T:
        setattr(test, _NAME, Confirms(row, needs, rest))
        return test

    return mark


def confirmed_by(test: object) -> Confirms:
    """What the test says; `LookupError` when it says nothing."""
    match getattr(test, _NAME, None):
        case Confirms() as said:
            return said
        case _:
            raise LookupError(f"{test} does not say what it confirms")
