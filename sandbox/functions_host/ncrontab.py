"""NCRONTAB schedules: `{second} {minute} {hour} {day} {month} {day-of-week}`, in UTC.

Source: "Timer trigger for Azure Functions: NCRONTAB expressions"; atifaziz/NCrontab (a day must match both of its fields).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")
HORIZON = 366 * 8  # days; longer than between any two leap days


def _field(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> tuple[int, ...]:
    """The values that a field stands for, ascending."""

    def number(word: str) -> int:
        value = names.index(word.lower()[:3]) + low if word.lower()[:3] in names else int(word)
        if not low <= value <= high:
            raise ValueError(f"{word} is not within {low} to {high}")
        return value

    values: set[int] = set()
    for part in text.split(","):
        if not (found := PART.fullmatch(part)) or found[3] == "0":
            raise ValueError(f"not a schedule field: {text!r}")
        first, last, step = found.groups()
        start = number(first) if first else low
        end = number(last) if last else start if first and not step else high
        values.update(range(start, end + 1, int(step or 1)))
    if not values:
        raise ValueError(f"empty range: {text!r}")
    return tuple(sorted(values))


@dataclass(frozen=True, slots=True)
class Schedule:
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """The schedule of six fields, or five (at second 0); `ValueError` says what is wrong."""
        fields = text.split()
        if len(fields) == 5:
            fields = ["0", *fields]
        if len(fields) != 6:
            raise ValueError(f"not an NCRONTAB expression: {text!r}")
        second, minute, hour, day, month, weekday = fields
        return cls(
            _field(second, 0, 59), _field(minute, 0, 59), _field(hour, 0, 23),
            _field(day, 1, 31), _field(month, 1, 12, MONTHS), _field(weekday, 0, 6, WEEKDAYS),
        )  # fmt: skip

    def after(self, moment: datetime) -> datetime:
        """The first due time later than `moment` (aware); `ValueError` when there is none, as on 30 February."""
        moment = moment.astimezone(UTC)
        earliest = moment.time()
        for offset in range(HORIZON):
            day = moment.date() + timedelta(days=offset)
            fits = day.day in self.days and day.month in self.months and day.isoweekday() % 7 in self.weekdays
            if fits and (due := self._first_after(earliest if offset == 0 else None)):
                return datetime.combine(day, due, UTC)
        raise ValueError("the schedule never comes due")

    def _first_after(self, earliest: time | None) -> time | None:
        due = (time(h, m, s) for h in self.hours for m in self.minutes for s in self.seconds)
        return next((at for at in due if earliest is None or at > earliest), None)
