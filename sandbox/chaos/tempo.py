"""How fast a run goes: a short one for tests, a long one for many requests."""

from dataclasses import dataclass

type Span = tuple[float, float]
"""Seconds, from and to."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """How fast it goes, in seconds. `outage` and `pause` take turns; `lease` is the app's, `host_lease` that of a message.

    The storm lasts `at_least` so long, and `last_ones` longer than the last request is young, unless most have ended before.
    """

    at_least: float
    outage: Span
    pause: Span
    killed_every: Span
    back_after: Span
    copied_every: Span
    lease: str
    host_lease: int
    in_flight: int
    last_ones: float
    settled_within: float


SHORT = Tempo(
    at_least=9,
    outage=(0.5, 1.2),
    pause=(0.2, 0.6),
    killed_every=(2, 4),
    back_after=(0.1, 0.5),
    copied_every=(0.2, 0.6),
    lease="PT3S",
    host_lease=10,
    in_flight=20,
    last_ones=0,
    settled_within=400,
)
LONG = Tempo(
    at_least=90,
    outage=(3, 8),
    pause=(6, 12),
    killed_every=(10, 25),
    back_after=(0.2, 2),
    copied_every=(0.2, 1),
    lease="PT10S",
    host_lease=30,
    in_flight=200,
    last_ones=60,
    settled_within=420,
)
