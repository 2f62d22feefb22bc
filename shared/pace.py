"""What is done only now and then, by the memory of one worker process: others have their own."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(slots=True)
class Pace:
    """`is_time` until `done` is called, and again `every` so long after that."""

    every: timedelta
    _done_at: datetime | None = None

    def is_time(self, now: datetime) -> bool:
        return self._done_at is None or now - self._done_at >= self.every

    def done(self, now: datetime) -> None:
        self._done_at = now
