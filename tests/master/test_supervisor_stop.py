"""The supervisor's end: SIGTERM, SIGINT, SIGQUIT (spec core §1.4, §1.5)."""

import pytest

from shardns.master.events import Exit, Fork, Kill, Notify, Pidfile
from shardns.worker.channel import Drain, Drained, Heartbeat, Read, Ready, Stopped, Stopping
from tests.master.play import Play


@pytest.fixture
def play() -> Play:
    """A server that serves."""
    play = Play().serve()
    play.take()
    return play


def end(play: Play) -> list[Exit]:
    return play.all(Exit)


def test_term_runs_the_callbacks_then_drains_then_exits(play: Play) -> None:
    keeper = play.child("keeper")
    play.signal("SIGTERM")
    assert play.lines() == ["SIGTERM: Shutting down servers then terminating"]
    assert play.told(Stopping) == [keeper] and not play.told(Drain) and not play.all(Pidfile)
    play.says(keeper, Stopped())
    assert sorted(play.told(Drain)) == sorted(play.generation(1))
    assert play.all(Pidfile) == [Pidfile(False)]
    play.obey()
    assert end(play) == [Exit(0)]


def test_systemd_hears_of_it(play: Play) -> None:
    play.signal("SIGTERM")
    assert play.all(Notify) == [Notify("stopping")]


def test_lameduck_may_be_long(play: Play) -> None:
    play.signal("SIGTERM")
    for _ in range(120):
        play.wait(1)
        for child in play.generation(1):
            play.says(child, Heartbeat())
    assert not end(play) and not play.told(Drain)


def test_workers_that_die_in_lameduck_are_replaced(play: Play) -> None:
    play.now += 60
    play.signal("SIGTERM")
    play.dies(play.child("worker", 0))
    play.wait(0.1)
    new = play.child("worker", 0)
    play.says(new, Ready())
    assert play.told(Read) == [new]


def test_a_keeper_that_dies_in_its_callbacks_does_not_stop_the_stop(play: Play) -> None:
    play.signal("SIGTERM")
    play.dies(play.child("keeper"))
    assert len(play.told(Drain)) == 2 and not play.all(Fork)


def test_a_keeper_that_hangs_in_its_callbacks_is_killed(play: Play) -> None:
    keeper = play.child("keeper")
    play.signal("SIGTERM")
    for _ in range(12):
        play.wait(1)
        for slot in (0, 1):
            play.says(play.child("worker", slot), Heartbeat())
    assert play.killed() == [keeper]


def test_a_failed_callback_is_the_exit_status(play: Play) -> None:
    play.signal("SIGTERM")
    play.says(play.child("keeper"), Stopped(ok=False))
    play.obey()
    assert end(play) == [Exit(4)]


def test_who_does_not_drain_is_not_waited_for_any_longer(play: Play) -> None:
    play.signal("SIGTERM")
    play.says(play.child("keeper"), Stopped())
    play.wait(7)
    assert play.all(Kill) and end(play) == [Exit(0)]


def test_a_drained_worker_that_does_not_end_is_waited_for(play: Play) -> None:
    play.signal("SIGTERM")
    play.says(play.child("keeper"), Stopped())
    for child in play.generation(1):
        play.says(child, Drained())
    assert not end(play)


def test_int_runs_the_callbacks_and_does_not_drain(play: Play) -> None:
    play.signal("SIGINT")
    assert play.lines() == ["SIGINT: Shutting down"] and play.all(Pidfile)
    play.says(play.child("keeper"), Stopped())
    assert end(play) == [Exit(0)] and not play.told(Drain)


def test_int_with_a_failed_callback(play: Play) -> None:
    play.signal("SIGINT")
    play.says(play.child("keeper"), Stopped(ok=False))
    assert end(play) == [Exit(4)]


def test_a_second_int_ends_it_at_once(play: Play) -> None:
    play.signal("SIGINT")
    play.signal("SIGINT")
    assert play.lines()[-1] == "SIGINT: Force quit"
    assert end(play) == [Exit(2)]


def test_int_during_term_leaves_out_the_drain(play: Play) -> None:
    play.signal("SIGTERM")
    play.signal("SIGINT")
    assert len(play.told(Stopping)) == 1
    play.says(play.child("keeper"), Stopped())
    assert end(play) == [Exit(0)] and not play.told(Drain)


def test_int_during_the_drain_ends_it(play: Play) -> None:
    play.signal("SIGTERM")
    play.says(play.child("keeper"), Stopped())
    play.signal("SIGINT")
    assert end(play) == [Exit(0)]


def test_a_second_term_changes_nothing(play: Play) -> None:
    play.signal("SIGTERM")
    play.signal("SIGTERM")
    assert len(play.told(Stopping)) == 1 and len(play.lines()) == 1


def test_quit_ends_it_at_once(play: Play) -> None:
    play.signal("SIGQUIT")
    assert play.lines() == ["SIGQUIT: Quitting process immediately"]
    assert play.all(Pidfile) == [Pidfile(False)] and end(play) == [Exit(0)]


def test_without_a_keeper_there_are_no_callbacks(play: Play) -> None:
    play.dies(play.child("keeper"))
    play.signal("SIGTERM")
    assert len(play.told(Drain)) == 2


def test_a_reload_that_prepares_is_given_up(play: Play) -> None:
    play.ask("control", ticket=3)
    play.checked()
    play.signal("SIGTERM")
    assert play.killed() == play.generation(2)
    assert [answer.ok for answer in play.answers()] == [False]


def test_a_reload_during_the_stop_is_refused(play: Play) -> None:
    play.signal("SIGTERM")
    play.ask("control", ticket=3)
    assert [answer.text for answer in play.answers()] == ["the server is shutting down"]


def test_a_stop_during_a_commit_ends_everybody(play: Play) -> None:
    play.ask()
    play.checked()
    play.prepared()
    play.signal("SIGTERM")
    play.obey()
    play.wait(7)
    assert end(play) == [Exit(0)]
