"""Whether the webhook is being attacked: many calls that could not authenticate, in a short time, seen by one worker process.

It is kept in memory on purpose: a stranger's calls must not cost us a write each. Workers say the same thing under one event id.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

MANY = 10
WITHIN = timedelta(minutes=5)
AGAIN_AFTER = timedelta(hours=1)


@dataclass(slots=True)
class Watch:
    """`failed` is told of each failure. `since` is when the first of those counted happened."""

    _times: deque[datetime] = field(default_factory=lambda: deque(maxlen=1000))
    _said_at: datetime | None = None

    def failed(self, now: datetime) -> bool:
        """Whether this failure is one too many, and was not said within the hour; then it is to be said, and `said` called."""
        self._times.append(now)
        while now - self._times[0] > WITHIN:
            self._times.popleft()
        quiet = self._said_at is not None and now - self._said_at < AGAIN_AFTER
        return len(self._times) >= MANY and not quiet

    def said(self, now: datetime) -> None:
        self._said_at = now

    def unsaid(self) -> None:
        """It could not be said: the next failure is one too many again."""
        self._said_at = None

    @property
    def failures(self) -> int:
        return len(self._times)

    @property
    def since(self) -> datetime:
        return self._times[0]
