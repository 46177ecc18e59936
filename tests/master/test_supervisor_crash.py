"""The supervisor when children die or hang, and what it passes on between them."""

import pytest

from shardns.master.crew import HANG_S
from shardns.master.events import Fork, Log
from shardns.worker.channel import Drained, Failed, Flush, Flushed, Heartbeat, Read, Ready, Relay, Start
from tests.master.play import Play


@pytest.fixture
def play() -> Play:
    """A server that has served for a minute."""
    play = Play().serve()
    live(play, 60)
    play.take()
    return play


def live(play: Play, seconds: float) -> None:
    """Let time pass with everybody alive."""
    for _ in range(int(seconds)):
        play.wait(1)
        for child in [child for child in play.forks if child not in play.dead]:
            play.says(child, Heartbeat())


def test_a_dead_worker_is_replaced_at_once(play: Play) -> None:
    play.dies(play.child("worker", 1))
    assert [(fork.role, fork.slot, fork.urgent) for fork in play.all(Fork)] == [("worker", 1, True)]
    assert play.lines() == ["worker 1 died: signal 9"]


def test_the_replacement_reads_when_it_is_ready(play: Play) -> None:
    play.dies(play.child("worker", 1))
    new = play.child("worker", 1)
    assert not play.told(Read)
    play.says(new, Ready())
    assert play.told(Read) == [new]


def test_a_dead_keeper_is_replaced_and_started_again(play: Play) -> None:
    play.dies(play.child("keeper"))
    new = play.child("keeper")
    play.says(new, Ready())
    assert play.sent(new) == [Start(False)]


def test_who_dies_young_waits_longer_each_time(play: Play) -> None:
    waits = []
    for _ in range(10):
        began, forks = play.now, len(play.forks)
        play.dies(play.child("worker", 0))
        while len(play.forks) == forks:
            play.wait(0.01)
            for child in [child for child in play.forks if child not in play.dead]:
                play.says(child, Heartbeat())
        waits.append(round(play.now - began, 1))
    assert waits == sorted(waits)
    assert waits[0] < 0.05 and waits[-1] >= 10


def test_who_lives_long_enough_is_replaced_at_once_again(play: Play) -> None:
    for _ in range(10):
        play.dies(play.child("worker", 0))
        play.take()
        play.says(play.child("worker", 0), Ready())
        live(play, 6)
    play.dies(play.child("worker", 0))
    assert len(play.all(Fork)) == 1


def test_a_replacement_that_cannot_start_is_tried_again_later(play: Play) -> None:
    play.dies(play.child("keeper"))
    play.says(play.child("keeper"), Failed("plugin/file: broken"))
    play.dies(play.child("keeper"), "status 0")
    forks = len(play.all(Fork))
    play.wait(0.2)
    assert len(play.all(Fork)) == forks + 1
    assert Log("error", "plugin/file: broken") in play.done


def test_a_worker_that_does_not_answer_is_killed(play: Play) -> None:
    quiet, others = play.child("worker", 0), [play.child("worker", 1), play.child("keeper")]
    for _ in range(int(HANG_S) + 1):
        play.wait(1)
        for child in others:
            play.says(child, Heartbeat())
    assert play.killed() == [quiet]
    play.dies(quiet)
    assert play.child("worker", 0) != quiet


def test_who_beats_is_left_alone(play: Play) -> None:
    live(play, 100)
    assert not play.killed()


def test_a_silent_child_is_killed_once(play: Play) -> None:
    play.wait(3 * HANG_S)
    assert len(play.killed()) == len(set(play.killed())) == 3


def test_there_is_always_a_next_moment_to_look(play: Play) -> None:
    deadline = play.supervisor.deadline()
    assert deadline is not None and play.now < deadline <= play.now + HANG_S


def test_a_worker_talks_to_the_keeper(play: Play) -> None:
    note = Relay("0 forward", b"down")
    play.says(play.child("worker", 1), note)
    assert play.sent(play.child("keeper")) == [note]


def test_the_keeper_talks_to_all_workers(play: Play) -> None:
    note = Relay("0 forward", b"up")
    play.says(play.child("keeper"), note)
    assert [play.sent(play.child("worker", slot)) for slot in (0, 1)] == [[note], [note]]


def test_generations_do_not_hear_each_other(play: Play) -> None:
    play.ask()
    play.checked()
    play.says(play.child("keeper", 0, 2), Relay("0 forward", b""))
    assert not play.told(Relay)


def test_a_flush_is_over_when_the_last_worker_has_written(play: Play) -> None:
    keeper, workers = play.child("keeper"), [play.child("worker", 0), play.child("worker", 1)]
    play.says(keeper, Flush(9))
    assert play.told(Flush) == workers
    play.says(workers[0], Flushed(9))
    assert not play.told(Flushed)
    play.says(workers[1], Flushed(9))
    assert play.sent(keeper) == [Flushed(9)]


def test_a_flush_does_not_wait_for_a_slow_worker(play: Play) -> None:
    play.says(play.child("keeper"), Flush(9))
    play.wait(0.25)
    assert play.sent(play.child("keeper")) == [Flushed(9)]
    play.says(play.child("worker", 0), Flushed(9))
    assert len(play.told(Flushed)) == 1


def test_a_flush_does_not_wait_for_a_dead_worker(play: Play) -> None:
    play.says(play.child("keeper"), Flush(9))
    play.says(play.child("worker", 0), Flushed(9))
    play.dies(play.child("worker", 1))
    assert play.sent(play.child("keeper")) == [Flushed(9)]


def test_two_flushes_are_kept_apart(play: Play) -> None:
    for token in (1, 2):
        play.says(play.child("keeper"), Flush(token))
    for slot in (0, 1):
        play.says(play.child("worker", slot), Flushed(2))
    assert play.sent(play.child("keeper")) == [Flushed(2)]


def test_what_strangers_say_is_nothing(play: Play) -> None:
    play.says(999, Drained())
    assert play.take() == []
