"""Calls that do not depend on each other, made at the same time."""

import asyncio
from collections.abc import Awaitable
from typing import Any, overload


@overload
async def together[A, B](first: Awaitable[A], second: Awaitable[B], /) -> tuple[A, B]: ...
@overload
async def together[A, B, C](first: Awaitable[A], second: Awaitable[B], third: Awaitable[C], /) -> tuple[A, B, C]: ...
@overload
async def together[T](*calls: Awaitable[T]) -> tuple[T, ...]: ...
async def together(*calls: Awaitable[Any]) -> tuple[Any, ...]:
    """The answers of calls made at the same time. None is cut off; of several failures the earliest argument's is raised."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return tuple(answers)
