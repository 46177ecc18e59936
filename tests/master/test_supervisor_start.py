"""The supervisor from nothing to serving."""

from shardns.master.events import Admit, Checked, Discard, Exit, Fork, Log, Notify, Open, Pidfile, Prepare, Print
from shardns.worker.channel import Failed, Fatal, Heartbeat, Read, Ready, Start, Started
from tests.master.play import Play


def kinds(play: Play) -> list[str]:
    return [type(action).__name__ for action in play.take()]


def test_the_configuration_is_checked_before_anything_else() -> None:
    assert kinds(Play()) == ["Check"]


def test_the_keeper_loads_before_the_workers_exist() -> None:
    play = Play()
    play.checked()
    assert [fork.role for fork in play.all(Fork)] == ["keeper"]


def test_there_are_as_many_workers_as_asked_for() -> None:
    play = Play(workers=3).serve()
    assert [fork.slot for fork in play.all(Fork) if fork.role == "worker"] == [0, 1, 2]


def test_without_a_number_the_checker_says_how_many() -> None:
    play = Play(workers=0)
    play.checked(workers=4)
    assert play.all(Prepare)[0].slots == 4


def test_sockets_are_opened_when_everybody_is_ready() -> None:
    play = Play(workers=2)
    play.checked()
    play.says(play.child("keeper"), Ready())
    play.says(play.child("worker", 0), Ready())
    assert not play.all(Open)
    play.says(play.child("worker", 1), Ready())
    assert play.all(Open)


def test_the_order_of_a_start() -> None:
    play = Play(workers=1)
    play.checked()
    play.take()
    play.prepared()
    play.says(play.child("keeper"), Started())
    assert kinds(play) == ["Fork", "Open", "Send", "Admit", "Print", "Pidfile", "Send", "Print", "Notify"]


def test_workers_read_and_the_keeper_starts_once() -> None:
    play = Play().serve()
    assert play.told(Read) == [play.child("worker", 0), play.child("worker", 1)]
    assert play.sent(play.child("keeper")) == [Start(True)]


def test_the_version_waits_for_the_services() -> None:
    play = Play()
    play.checked()
    play.prepared()
    assert [one.what for one in play.all(Print)] == ["zones"]
    play.says(play.child("keeper"), Started())
    assert [one.what for one in play.all(Print)] == ["zones", "version"]
    assert play.all(Notify)[-1] == Notify("ready")


def test_the_version_does_not_wait_for_ever() -> None:
    play = Play()
    play.checked()
    play.prepared()
    play.wait(5)
    assert [one.what for one in play.all(Print)] == ["zones", "version"]


def test_a_bad_configuration_ends_the_start_with_every_problem() -> None:
    play = Play()
    play.checked("Corefile:1 - Error")
    assert play.done[-1] == Exit(1, "Corefile:1 - Error\n  --> Corefile:1:1")


def test_a_taken_address_ends_the_start() -> None:
    play = Play()
    play.open_error = "Listen: listen tcp :53: bind: address already in use"
    play.checked()
    play.prepared()
    assert play.done[-1] == Exit(1, play.open_error)


def test_a_keeper_that_cannot_load_ends_the_start() -> None:
    play = Play()
    play.checked()
    play.says(play.child("keeper"), Failed("plugin/file: no such zone"))
    assert play.done[-1] == Exit(1, "plugin/file: no such zone")


def test_a_keeper_that_cannot_start_its_services_ends_the_start() -> None:
    play = Play()
    play.checked()
    play.prepared()
    play.says(play.child("keeper"), Failed("listen tcp :8080: bind: address already in use"))
    assert play.done[-1] == Exit(1, "listen tcp :8080: bind: address already in use")


def test_a_worker_that_dies_before_it_serves_ends_the_start() -> None:
    play = Play()
    play.checked()
    play.says(play.child("keeper"), Ready())
    play.dies(play.child("worker", 1), "signal 11")
    assert play.done[-1] == Exit(1, "worker 1 ended before it was ready: signal 11")


def test_a_worker_that_never_becomes_ready_ends_the_start() -> None:
    play = Play(workers=1)
    play.checked()
    play.says(play.child("keeper"), Ready())
    for _ in range(70):
        play.says(play.child("keeper"), Heartbeat())
        play.wait(1)
    assert play.killed() == [play.child("worker", 0)]
    play.dies(play.child("worker", 0))
    assert isinstance(play.done[-1], Exit)


def test_without_a_listener_there_is_nothing_to_do() -> None:
    play = Play()
    play.tell(Checked(1, listeners=0))
    assert play.done[-2:] == [Print("version"), Exit(0)]


def test_warnings_come_before_anything_is_served() -> None:
    play = Play()
    play.tell(Checked(1, warnings=("No files matching import glob pattern: *.none",)))
    assert play.all(Log) == [Log("warning", "No files matching import glob pattern: *.none")]


def test_a_fatal_child_ends_the_server_at_once() -> None:
    play = Play().serve()
    play.take()
    play.says(play.child("worker", 1), Fatal("[FATAL] plugin/loop: Loop"))
    assert play.done == [Print("fatal", "[FATAL] plugin/loop: Loop"), Pidfile(False), Exit(1)]


def test_a_panic_ends_it_with_its_own_status() -> None:
    play = Play().serve()
    play.says(play.child("worker", 1), Fatal("panic", 2))
    assert play.done[-1] == Exit(2)


def test_a_signal_during_the_start_ends_it_cleanly() -> None:
    play = Play()
    play.checked()
    play.signal("SIGTERM")
    assert play.killed() == [play.child("keeper")]
    assert play.all(Discard)
    assert play.done[-1] == Exit(0)


def test_after_the_end_nothing_is_done() -> None:
    play = Play().serve()
    play.signal("SIGQUIT")
    play.take()
    play.dies(play.child("worker", 0))
    assert play.take() == []


def test_only_admitted_sockets_get_traffic() -> None:
    assert Play().serve().all(Admit) == [Admit(1)]
