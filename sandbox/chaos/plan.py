"""Who is in the chaos and what is asked for them: all of it decided by the seed before anything runs. Pure."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, Literal

from sandbox.people import Method, authenticator, fido2, hardware_oath, phone, software_oath

PROFILE, FULL = "require-reregister", "full-reset"


class Kind(StrEnum):
    """What is special about a person."""

    USUAL = "usual"
    NOTHING = "nothing registered"
    SECOND = "asked for twice"
    NEWCOMER = "registers a method meanwhile"
    ADMINISTRATOR = "administrator"
    DISABLED = "disabled"
    UNAPPROVED = "not approved"


SHARES = {
    Kind.USUAL: 44,
    Kind.NOTHING: 6,
    Kind.SECOND: 8,
    Kind.NEWCOMER: 22,
    Kind.ADMINISTRATOR: 7,
    Kind.DISABLED: 6,
    Kind.UNAPPROVED: 7,
}
"""Of a hundred people."""
REFUSED = {
    Kind.ADMINISTRATOR: "user-privileged",
    Kind.DISABLED: "user-disabled",
    Kind.UNAPPROVED: "ticket-not-approved",
}
MESSAGES = 0.2  # of the requests come by queue, the others by ticket


@dataclass(frozen=True, slots=True)
class Employee:
    """Somebody to be hired. `registers` is the method that they register while they are being reset, if they do."""

    number: int
    kind: Kind
    methods: tuple[Method, ...]
    default: str | None
    lag_seconds: float
    registers: Method | None = None
    registers_after: float = 0

    @property
    def traits(self) -> dict[str, Any]:
        return {
            "enabled": self.kind is not Kind.DISABLED,
            "defaultMethod": self.default,
            "lagSeconds": self.lag_seconds,
        }


@dataclass(frozen=True, slots=True)
class Demand:
    """One request for an employee: by ticket, or by a message on the queue that is `event_id`."""

    number: int
    employee: Employee
    by: Literal["ticket", "message"]
    profile: str = PROFILE
    event_id: str = ""
    delay: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    employees: tuple[Employee, ...]
    demands: tuple[Demand, ...] = field(repr=False)


def plan(seed: int, requests: int, *, numbers_again: bool = True) -> Plan:
    """`requests` demands in the order in which they are made, for as many people or a few less. Each kind of person occurs.

    `numbers_again`: some register the number that they had, which takes the app a minute to tell from lag.
    """
    random = Random(f"{seed}/plan")
    employees: list[Employee] = []
    demands: list[Demand] = []
    for kind in _kinds(random):
        if len(demands) >= requests:
            break
        employee = _employee(random, len(employees), kind, numbers_again=numbers_again)
        employees.append(employee)
        for _ in range(2 if kind is Kind.SECOND else 1):
            demands.append(_demand(random, len(demands), employee))
    del demands[requests:]
    random.shuffle(demands)
    return Plan(tuple(employees), tuple(demands))


def _kinds(random: Random) -> Iterator[Kind]:
    first = list(Kind)
    random.shuffle(first)
    yield from first
    while True:
        yield random.choices(list(SHARES), list(SHARES.values()))[0]


def _demand(random: Random, number: int, employee: Employee) -> Demand:
    by_ticket = employee.kind in (Kind.UNAPPROVED, Kind.NEWCOMER) or random.random() >= MESSAGES
    if by_ticket:
        return Demand(number, employee, "ticket")
    event_id = str(uuid.UUID(int=random.getrandbits(128), version=4))
    return Demand(number, employee, "message", random.choice((PROFILE, FULL)), event_id, delay=random.choice((0, 0, 1, 3)))


def _employee(random: Random, number: int, kind: Kind, *, numbers_again: bool) -> Employee:
    methods = () if kind is Kind.NOTHING else _methods(random, number)
    default = random.choice([None, *_defaults(methods)])
    newcomer = kind is Kind.NEWCOMER
    return Employee(
        number=number,
        kind=kind,
        methods=methods,
        default=default,
        lag_seconds=random.choice((0, 0, 0.3, 1.5)),
        registers=_new(random, methods, numbers_again=numbers_again) if newcomer else None,
        registers_after=random.uniform(0, 8) if newcomer else 0,
    )


def _methods(random: Random, number: int) -> tuple[Method, ...]:
    possible = [
        phone("mobile", f"+1 20655501{number % 100:02d}"),
        phone("office", f"+1 20655502{number % 100:02d}"),
        authenticator("A phone"),
        authenticator("Another phone"),
        software_oath(),
        hardware_oath(f"CHAOS{number:06d}"),
        fido2("A key"),
    ]
    chosen = random.sample(possible, random.randint(1, 4))
    if possible[0] in chosen and random.random() < 0.3:
        chosen.append(phone("alternateMobile", f"+1 20655503{number % 100:02d}"))
    return tuple(sorted(chosen, key=lambda method: method.properties.get("phoneType") == "alternateMobile"))


def _defaults(methods: tuple[Method, ...]) -> list[str]:
    """The sign-in preferences that these methods can serve."""
    served = {
        "mobile": ("sms", "voiceMobile"),
        "alternateMobile": ("voiceAlternateMobile",),
        "office": ("voiceOffice",),
        "microsoftAuthenticator": ("push", "oath"),
        "softwareOath": ("oath",),
    }
    return [default for method in methods for default in served.get(method.properties.get("phoneType") or method.type, ())]


def _new(random: Random, methods: tuple[Method, ...], *, numbers_again: bool) -> Method:
    """What somebody who is being reset registers: a method of their own, or the number that they had, once it is gone."""
    again = [method for method in methods if method.type == "phone" and method.properties["phoneType"] != "alternateMobile"]
    if numbers_again and again and random.random() < 0.4:
        return random.choice(again)
    return random.choice((authenticator("A new phone"), software_oath()))
