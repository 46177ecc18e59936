"""Who must go when a worker has too many TCP connections, or keeps too much for them."""

from __future__ import annotations

from shardns.worker.crowd import Crowd


class Guest:
    """A connection that only notes what happens to it."""

    def __init__(self, deadline: float = 0.0) -> None:
        self.deadline = deadline
        self.held = 0
        self.events: list[str] = []

    def close(self) -> None:
        self.events.append("closed")

    def abort(self) -> None:
        self.events.append("cut")

    def end(self, server: object) -> None:
        self.events.append("ended")


def crowd_of(count: int, **limits: int) -> tuple[Crowd, list[Guest]]:
    crowd, guests = Crowd(**limits), [Guest() for _ in range(count)]
    for guest in guests:
        crowd.touch(guest)
    return crowd, guests


def test_the_one_served_longest_ago_makes_room() -> None:
    crowd, (first, second, third) = crowd_of(3)
    crowd.touch(first)
    assert crowd.make_room()
    assert (first.events, second.events, third.events) == ([], ["cut"], [])
    assert len(crowd) == 2


def test_an_empty_crowd_makes_no_room() -> None:
    assert not Crowd().make_room()


def test_who_makes_many_octets_wait_goes_and_who_waits_for_nothing_stays() -> None:
    crowd, (honest, slow, slower) = crowd_of(3, most_bytes=100)
    crowd.hold(slow, 60)
    crowd.hold(slower, 60)
    assert (honest.events, slow.events, slower.events) == ([], ["cut"], [])
    assert crowd.bytes == 60
    crowd.hold(slower, 10)
    assert crowd.bytes == 10


def test_octets_of_a_connection_that_is_gone_count_no_more() -> None:
    crowd, (guest,) = crowd_of(1)
    crowd.hold(guest, 50)
    crowd.discard(guest)
    crowd.discard(guest)
    crowd.hold(guest, 70)
    assert (crowd.bytes, len(crowd)) == (0, 0)


def test_a_connection_is_closed_when_its_time_is_over() -> None:
    crowd = Crowd()
    early, late = Guest(1.0), Guest(9.0)
    crowd.touch(early)
    crowd.touch(late)
    crowd.sweep(5.0)
    assert (early.events, late.events) == (["closed"], [])
