"""In which order the keeper's services start and stop."""

import asyncio
from types import SimpleNamespace
from typing import Any, ClassVar

from shardns.worker.keeper import Keeper, in_setup_order
from shardns.worker.plugin import Service


def service(name: str, said: list[str], events: bool = False) -> Any:
    class Said(Service[Any]):
        directive = name
        on_events: ClassVar[bool] = events

        def __init__(self) -> None: ...

        async def start(self, _scope: Any) -> None:
            said.append(f"start {name}")

        async def leaving(self) -> None:
            said.append(f"leaving {name}")

        async def stopping(self) -> None:
            said.append(f"stopping {name}")

    return Said()


def test_services_go_by_the_order_of_directives_and_those_on_events_start_last_and_leave_first(
    monkeypatch: Any,
) -> None:
    said: list[str] = []
    members = [service(name, said, name == "reload") for name in ("errors", "health", "reload", "ready")]
    found = in_setup_order([SimpleNamespace(members=members)], ("reload", "ready", "health", "errors"))
    keeper = SimpleNamespace(services=found, channel=None)
    monkeypatch.setattr("shardns.worker.keeper.send", lambda _channel, _message: None)
    asyncio.run(Keeper._stopping(keeper))  # type: ignore[arg-type]  # enough of a keeper
    names = ["reload", "ready", "health", "errors"]
    assert said == [f"leaving {name}" for name in names] + [f"stopping {name}" for name in names]
