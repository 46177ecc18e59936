"""Handshakes: how many there may be, and how many go on in a turn of the event loop."""

from __future__ import annotations

import asyncio

from shardns.worker.handshakes import Handshakes


class Slow:
    """A handshake that notes the turn of its steps."""

    def __init__(self, turns: list[int], turn: list[int]) -> None:
        self.turns, self.turn = turns, turn
        self.cut = False

    def shake(self) -> None:
        """Note when."""
        self.turns.append(self.turn[0])

    def abort(self) -> None:
        """Note that."""
        self.cut = True


def test_the_oldest_makes_room_for_a_newcomer() -> None:
    handshakes = Handshakes(most=3)
    all_of = [Slow([], [0]) for _ in range(5)]
    for one in all_of[:3]:
        handshakes.begin(one)
    handshakes.end(all_of[0])  # it has come to its end
    for one in all_of[3:]:
        handshakes.begin(one)
    assert [one.cut for one in all_of] == [False, True, False, False, False]
    assert len(handshakes) == 3


def test_a_flood_is_spread_over_many_turns_in_its_order() -> None:
    turns: list[int] = []
    turn = [0]

    def count_turns() -> None:
        turn[0] += 1
        if len(turns) < 10:
            asyncio.get_running_loop().call_soon(count_turns)

    async def flood() -> None:
        count_turns()
        handshakes = Handshakes(a_turn=4)
        for _ in range(10):
            handshakes.advance(Slow(turns, turn))
        while len(turns) < 10:
            await asyncio.sleep(0)

    asyncio.run(flood())
    assert turns == [1] * 4 + [2] * 4 + [3] * 2


def test_one_alone_goes_on_at_once() -> None:
    turns: list[int] = []

    async def step() -> None:
        Handshakes().advance(Slow(turns, [7]))

    asyncio.run(step())
    assert turns == [7]


def test_what_has_ended_is_not_asked_again() -> None:
    turns: list[int] = []

    async def step() -> None:
        handshakes = Handshakes(a_turn=1)
        first, second = Slow(turns, [1]), Slow(turns, [2])
        handshakes.advance(first)
        handshakes.advance(second)
        handshakes.end(second)
        for _ in range(3):
            await asyncio.sleep(0)

    asyncio.run(step())
    assert turns == [1]
