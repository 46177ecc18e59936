"""The supervisor from one generation to the next."""

import pytest

from shardns.master.events import (
    Admit,
    Again,
    Answer,
    Check,
    Checked,
    Discard,
    Edited,
    Fork,
    Log,
    Notify,
    Prepare,
    Send,
    Trim,
    Unlisten,
)
from shardns.worker.channel import (
    Drain,
    Drained,
    Failed,
    Flushed,
    Forget,
    Heartbeat,
    Quiesce,
    Quiesced,
    Read,
    Ready,
    Refused,
    Reload,
    Reloaded,
    Renew,
    Start,
    Started,
)
from tests.master.play import Play

WRAP = "starting with listener file descriptors: "


@pytest.fixture
def play() -> Play:
    """A server that serves."""
    play = Play().serve()
    play.take()
    return play


def test_a_whole_reload(play: Play) -> None:
    play.ask()
    play.checked()
    play.prepared()
    play.obey()
    assert play.lines() == ["SIGUSR1: Reloading", "Reloading", "Reloading complete"]
    assert play.all(Trim) == [Trim(2)]
    assert play.generation(1) == []


@pytest.mark.parametrize("load", [0.0, 0.5])
def test_who_prepares_gives_way_where_somebody_is_busy(play: Play, load: float) -> None:
    play.says(play.child("worker", 1), Heartbeat(load))
    play.ask()
    play.checked()
    play.prepared()
    assert {check.urgent for check in play.all(Check)} == {load == 0}
    assert {fork.urgent for fork in play.all(Fork)} == {load == 0}


def test_systemd_hears_of_it(play: Play) -> None:
    play.ask()
    play.checked()
    play.prepared()
    play.obey()
    assert play.all(Notify) == [Notify("reloading"), Notify("ready")]


def test_old_workers_drain_after_new_ones_read(play: Play) -> None:
    play.ask()
    play.checked()
    play.prepared()
    sends = [type(action).__name__ for action in play.done if type(action).__name__ in ("Admit", "Unlisten")]
    assert sends == ["Admit", "Unlisten"]
    assert max(play.forks[child].generation for child in play.told(Drain)) == 1
    assert min(play.forks[child].generation for child in play.told(Read)) == 2


def test_the_new_keeper_starts_after_the_old_one_has_quiesced(play: Play) -> None:
    old = play.child("keeper")
    play.ask()
    play.checked()
    play.prepared()
    assert play.told(Quiesce) == [old]
    assert not play.told(Start)
    play.says(old, Quiesced())
    assert play.told(Start) == [play.child("keeper", 0, 2)]
    assert old in play.told(Drain)


def test_a_keeper_that_does_not_quiesce_is_waited_for_one_second(play: Play) -> None:
    play.ask()
    play.checked()
    play.prepared()
    play.wait(0.9)
    assert not play.told(Start)
    play.wait(0.2)
    assert play.told(Start) == [play.child("keeper", 0, 2)]


def test_it_is_complete_when_the_old_workers_have_finished(play: Play) -> None:
    old = [play.child("worker", 0), play.child("worker", 1)]
    play.ask()
    play.checked()
    play.prepared()
    play.says(play.child("keeper", 0, 1), Quiesced())
    play.says(play.child("keeper", 0, 2), Started())
    play.says(old[0], Drained())
    assert "Reloading complete" not in play.lines()
    play.says(old[1], Drained())
    assert "Reloading complete" in play.lines()


def test_a_worker_that_does_not_finish_is_killed(play: Play) -> None:
    old = play.child("worker", 0)
    play.ask()
    play.checked()
    play.prepared()
    play.wait(5.6)
    assert old in play.killed()
    play.dies(old)
    play.obey()
    assert "Reloading complete" in play.lines()


def test_a_reload_whose_configuration_is_bad_changes_nothing(play: Play) -> None:
    play.ask()
    play.checked("Corefile:1 - Error")
    assert not play.all(Fork) and not play.killed()
    assert play.lines()[1:] == ["Reloading", "Restart failed: Corefile:1 - Error", f"SIGUSR1: {WRAP}Corefile:1 - Error"]
    assert play.all(Log)[-1].detail == "  --> Corefile:1:1"
    assert play.all(Notify)[-1] == Notify("ready")


def test_a_reload_whose_worker_dies_changes_nothing(play: Play) -> None:
    play.ask()
    play.checked()
    play.says(play.child("keeper", 0, 2), Ready())
    play.says(play.child("worker", 0, 2), Ready())
    play.dies(play.child("worker", 1, 2), "signal 11")
    assert sorted(play.killed()) == sorted(play.generation(2))
    assert play.all(Discard) == [Discard(2)]
    assert not play.told(Drain) and len(play.generation(1)) == 3


def test_half_of_the_new_workers_load_at_a_time() -> None:
    play = Play(workers=4).serve()
    play.take()
    play.says(play.child("worker", 3), Heartbeat(0.5))
    play.ask()
    play.checked()
    play.says(play.child("keeper", 0, 2), Ready())
    workers = [child for child in play.generation(2) if play.forks[child].role == "worker"]
    assert [play.forks[child].slot for child in workers] == [0, 1]
    play.says(workers[0], Ready())
    assert play.forks[max(play.generation(2))].slot == 2


def test_a_reload_whose_keeper_fails_changes_nothing(play: Play) -> None:
    play.ask()
    play.checked()
    play.says(play.child("keeper", 0, 2), Failed("plugin/file: open db: no such file"))
    assert play.killed() == [play.child("keeper", 0, 2)]
    assert play.lines()[-1] == f"SIGUSR1: {WRAP}plugin/file: open db: no such file"


def test_a_reload_whose_addresses_cannot_be_bound_changes_nothing(play: Play) -> None:
    play.open_error = "Listen: listen tcp :54: bind: permission denied"
    play.ask()
    play.checked()
    play.prepared()
    assert sorted(play.killed()) == sorted(play.generation(2))
    assert not play.told(Read) and not play.all(Admit) and not play.all(Unlisten)
    assert play.lines()[-1] == f"SIGUSR1: {WRAP}{play.open_error}"


def test_after_a_refused_reload_the_next_one_may_succeed(play: Play) -> None:
    play.ask()
    play.checked("bad")
    play.ask()
    play.checked()
    play.prepared()
    play.obey()
    assert play.lines()[-1] == "Reloading complete"


def test_a_file_that_cannot_be_read_is_no_reload(play: Play) -> None:
    play.ask()
    text = "loading updated Caddyfile: open Corefile: permission denied"
    play.tell(Checked(2, text, unread=True))
    assert play.lines() == ["SIGUSR1: Reloading", f"SIGUSR1: {text}"]


def test_requests_during_a_prepare_wait_together_for_one_more(play: Play) -> None:
    play.ask()
    play.checked()
    for ticket in (1, 2, 3):
        play.ask("control", ticket=ticket)
    play.prepared()
    assert len(play.all(Check)) == 1
    play.obey()
    assert len(play.all(Check)) == 2
    assert not play.answers()
    play.checked("bad")
    assert [answer.ticket for answer in play.answers()] == [1, 2, 3]
    assert not any(answer.ok for answer in play.answers())


def test_a_request_while_the_old_ones_drain_waits_for_the_end_of_the_commit(play: Play) -> None:
    play.ask()
    play.checked()
    play.prepared()
    play.ask("SIGHUP")
    assert len(play.all(Check)) == 1
    play.obey()
    assert len(play.all(Check)) == 2


@pytest.mark.parametrize(("unread", "wanted"), [(False, [Refused()]), (True, [])])
def test_the_keeper_hears_of_a_reload_that_failed_but_not_of_a_file_that_could_not_be_read(
    unread: bool, wanted: list[object], play: Play
) -> None:
    play.ask()
    number = max(action.generation for action in play.done if isinstance(action, (Again, Check)))
    play.tell(Checked(number, "bad", "bad", unread=unread))
    assert play.sent(play.child("keeper")) == wanted


def test_the_control_client_is_told_when_it_is_over(play: Play) -> None:
    play.ask("control", ticket=7)
    play.checked()
    play.prepared()
    assert not play.answers()
    play.obey()
    assert play.answers() == [Answer(7, True)]


def test_the_control_client_is_told_the_place(play: Play) -> None:
    play.ask("control", ticket=7)
    play.checked("Corefile:1 - Error")
    assert play.answers() == [Answer(7, False, "Corefile:1 - Error\n  --> Corefile:1:1")]


def test_the_reload_plugin_is_told_why_not(play: Play) -> None:
    keeper = play.child("keeper")
    play.says(keeper, Reload())
    play.checked("bad")
    assert play.lines() == ["Reloading", "Restart failed: bad"]
    assert play.sent(keeper) == [Reloaded(False, f"{WRAP}bad"), Refused()]


def test_the_reload_plugin_is_told_before_it_quiesces(play: Play) -> None:
    keeper = play.child("keeper")
    play.says(keeper, Reload())
    play.checked()
    play.prepared()
    assert [type(message) for message in play.sent(keeper)] == [Reloaded, Quiesce]


def test_the_reload_plugin_of_a_generation_that_prepares_is_not_heard(play: Play) -> None:
    play.ask()
    play.checked()
    play.says(play.child("keeper", 0, 2), Reload())
    play.prepared()
    play.obey()
    assert len(play.all(Check)) == 1


def test_a_renewal_makes_the_same_model_anew_without_reading_the_configuration(play: Play) -> None:
    play.says(play.child("keeper"), Renew())
    assert play.all(Check) == []
    assert play.all(Again) == [Again(2)]
    play.checked()
    play.prepared()
    play.obey()
    assert play.lines() == ["Reloading", "Reloading complete"]
    assert play.generation(1) == []
    assert play.told(Reloaded) == []


def test_a_renewal_that_fails_changes_nothing_and_is_told(play: Play) -> None:
    play.says(play.child("keeper"), Renew())
    play.checked("plugin/tls: could not load TLS cert: x")
    assert play.lines() == ["Reloading", "Restart failed: plugin/tls: could not load TLS cert: x"]
    assert len(play.generation(1)) == 3


def test_a_renewal_and_a_reload_that_wait_together_are_a_reload(play: Play) -> None:
    play.ask()
    play.says(play.child("keeper"), Renew())
    play.ask("SIGHUP")
    play.checked()
    play.prepared()
    play.obey()
    assert play.all(Again) == []
    assert play.all(Check) == [Check(2, True), Check(3, True)]


def test_a_renewal_for_a_generation_that_is_gone_is_not_heard(play: Play) -> None:
    play.ask()
    play.checked()
    play.says(play.child("keeper", 0, 2), Renew())
    play.prepared()
    play.says(play.child("keeper", 0, 1), Renew())
    play.obey()
    assert play.all(Again) == []


def test_growing(play: Play) -> None:
    play.ask("control", ticket=1, workers=4)
    play.checked()
    assert play.all(Prepare)[0].slots == 4
    play.prepared()
    assert len(play.told(Read)) == 4
    assert len(play.told(Drain)) == 2


def test_shrinking_lets_old_workers_empty_the_closing_sockets(play: Play) -> None:
    play.ask("control", ticket=1, workers=1)
    play.checked()
    play.prepared()
    assert play.all(Admit) and not play.told(Drain)
    play.wait(0.15)
    assert len(play.told(Drain)) == 2
    play.obey()
    assert play.answers() == [Answer(1, True)]
    assert play.all(Trim) == [Trim(2)]


def test_a_refused_reload_leaves_the_number_of_workers_as_it_was(play: Play) -> None:
    play.ask("control", workers=4)
    play.checked("no")
    play.ask()
    play.checked()
    assert play.all(Prepare)[-1].slots == 2


def test_the_new_number_of_workers_stays(play: Play) -> None:
    for number in (4, 0):
        play.ask("control", workers=number)
        play.checked()
        play.prepared()
        play.obey()
    assert [prepare.slots for prepare in play.all(Prepare)] == [4, 4]


def test_a_live_worker_that_dies_during_a_prepare_is_replaced(play: Play) -> None:
    play.ask()
    play.checked()
    play.now += 60
    for child in play.generation(1) + play.generation(2):
        play.says(child, Heartbeat())
    play.dies(play.child("worker", 0, 1))
    assert play.forks[play.child("worker", 0)].generation == 1
    play.prepared()
    play.obey()
    assert "Reloading complete" in play.lines()


def test_a_new_worker_that_dies_after_the_commit_is_a_crash(play: Play) -> None:
    play.ask()
    play.checked()
    play.prepared()
    play.obey()
    play.dies(play.child("worker", 0, 2))
    play.wait(0.1)
    assert play.forks[play.child("worker", 0)].generation == 2


def test_old_workers_are_not_replaced(play: Play) -> None:
    play.ask()
    play.checked()
    play.prepared()
    forks = len(play.forks)
    play.dies(play.child("worker", 0, 1))
    play.wait(2)
    assert len(play.forks) == forks


def test_an_old_keeper_that_dies_instead_of_quiescing_lets_the_new_one_start(play: Play) -> None:
    play.ask()
    play.checked()
    play.prepared()
    play.dies(play.child("keeper", 0, 1))
    assert play.told(Start) == [play.child("keeper", 0, 2)]


def test_without_an_old_keeper_the_new_one_starts_at_once(play: Play) -> None:
    play.ask()
    play.checked()
    play.dies(play.child("keeper", 0, 1))
    play.prepared()
    assert play.child("keeper", 0, 2) in play.told(Start)


def test_a_new_keeper_that_dies_before_it_started_is_replaced_and_started(play: Play) -> None:
    play.ask()
    play.checked()
    play.prepared()
    play.dies(play.child("keeper", 0, 2))
    play.wait(0.1)
    play.says(play.child("keeper", 0, 1), Quiesced())
    new = play.child("keeper", 0, 2)
    play.says(new, Ready())
    assert play.sent(new) == [Start(False)]


def forgetting(play: Play) -> list[int]:
    """Return the workers that are told to forget since the last look."""
    return [action.child for action in play.take() if isinstance(action, Send) and isinstance(action.message, Forget)]


def test_a_control_client_is_answered_when_all_workers_have_forgotten(play: Play) -> None:
    play.tell(Edited(7))
    told = forgetting(play)
    assert sorted(play.forks[child].slot for child in told) == [0, 1]
    play.says(told[0], Flushed(-7))
    play.says(told[1], Flushed(7))  # of a scrape with the same number
    assert play.all(Answer) == []
    play.says(told[1], Flushed(-7))
    assert play.all(Answer) == [Answer(7, True)]


def test_a_worker_that_says_nothing_is_told_to_the_control_client(play: Play) -> None:
    play.tell(Edited(7))
    play.says(forgetting(play)[0], Flushed(-7))
    play.wait(3)
    assert play.all(Answer) == [Answer(7, False, "1 workers did not answer")]


def test_a_worker_that_dies_has_forgotten(play: Play) -> None:
    play.tell(Edited(7))
    first, second = forgetting(play)
    play.says(first, Flushed(-7))
    play.dies(second)
    assert play.all(Answer) == [Answer(7, True)]
