"""Child processes: kept running, ended together."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from service import supervisor as module
from service.child_process import ChildProcess
from service.contract.observations import (
    Observation,
    ReplacementFailed,
    WorkerExited,
    WorkerReplaced,
)
from service.supervisor import Child, Supervisor
from tests.support.ledger import until
from tests.support.processes import REPOSITORY, alive
from tests.support.waiting import until as wait_until

SLEEPS = "import time; time.sleep(600)"

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"

# Says that it is there by making a file, which holds its pid.
HELLO = (
    "import os, pathlib; made = pathlib.Path({path!r} + '.new');"
    " made.write_text(str(os.getpid())); made.rename({path!r})"
)


def child(name: str, program: str, **env: str) -> Child:
    """A child that runs a few lines of Python."""
    return Child(name, [sys.executable, "-S", "-c", program], env)


@pytest.fixture
def hello(tmp_path: Path) -> Callable[[str], tuple[str, Path]]:
    """Gives lines that make a file, and the file."""

    def make(name: str) -> tuple[str, Path]:
        path = tmp_path / name
        return HELLO.format(path=str(path)), path

    return make


async def there(*paths: Path) -> None:
    """Wait for files to be made."""

    async def made() -> bool:
        return all(path.exists() for path in paths)

    await until(made)


async def test_a_fallen_child_is_started_again(
    observed: list[Observation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fall is reported and followed by a longer wait, up to the longest."""
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(module, "LONGEST_DELAY", 0.03)
    stop = asyncio.Event()

    def observe(observation: Observation) -> None:
        observed.append(observation)
        if len(observed) == 4:
            stop.set()

    code = await Supervisor([child("faller", "raise SystemExit(3)")], observe, grace=5.0).run(stop)
    assert 0 == code
    assert [WorkerExited("faller", 3, delay) for delay in (0.01, 0.02, 0.03, 0.03)] == observed


async def test_a_clean_end_is_a_fall_too(
    observed: list[Observation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that ends with 0 though nobody asked it to is started again."""
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    stop = asyncio.Event()

    def observe(observation: Observation) -> None:
        observed.append(observation)
        if len(observed) == 2:
            stop.set()

    assert 0 == await Supervisor([child("quitter", "")], observe, grace=5.0).run(stop)
    assert [0, 0] == [each.status for each in observed if isinstance(each, WorkerExited)]


async def test_a_steady_child_begins_anew(
    observed: list[Observation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that had run long enough is started again after the first delay."""
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(module, "STEADY", 0.0)
    stop = asyncio.Event()

    def observe(observation: Observation) -> None:
        observed.append(observation)
        if len(observed) == 3:
            stop.set()

    await Supervisor([child("faller", "raise SystemExit(1)")], observe, grace=5.0).run(stop)
    assert [0.01] * 3 == [each.delay for each in observed if isinstance(each, WorkerExited)]


async def test_a_killed_child_is_started_again(
    observed: list[Observation],
    hello: Callable[[str], tuple[str, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """kill -9 of a child brings a new one; its status is the signal."""
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    says, path = hello("child")
    stop = asyncio.Event()
    kept = Supervisor([child("victim", f"{says}; {SLEEPS}")], observed.append, grace=5.0)
    running = asyncio.create_task(kept.run(stop))
    await there(path)
    first = int(path.read_text())
    path.unlink()
    os.kill(first, signal.SIGKILL)
    await there(path)
    assert first != int(path.read_text())
    stop.set()
    assert 0 == await running
    assert [WorkerExited("victim", -9, 0.01)] == observed


async def test_stop_ends_all(
    observed: list[Observation], hello: Callable[[str], tuple[str, Path]]
) -> None:
    """Told to stop it ends every child with SIGTERM, restarts none and returns 0."""
    says = [hello(f"child{n}") for n in range(3)]
    stop = asyncio.Event()
    kept = [child(f"child{n}", f"{line}; {SLEEPS}") for n, (line, _) in enumerate(says)]
    running = asyncio.create_task(Supervisor(kept, observed.append, grace=20.0).run(stop))
    await there(*(path for _, path in says))
    pids = [int(path.read_text()) for _, path in says]
    assert all(alive(pid) for pid in pids)
    # Ctrl-C in the terminal must not reach them: each is in a session of its own.
    assert pids == [os.getsid(pid) for pid in pids]
    stop.set()
    assert 0 == await asyncio.wait_for(running, 10)
    assert not any(alive(pid) for pid in pids)
    assert [] == observed


async def test_one_that_does_not_listen_is_killed(
    observed: list[Observation], hello: Callable[[str], tuple[str, Path]]
) -> None:
    """A child that ignores SIGTERM is killed after its grace; the stop is still clean."""
    says, path = hello("child")
    stop = asyncio.Event()
    kept = Supervisor(
        [child("stubborn", f"{STUBBORN}; {says}; {SLEEPS}")], observed.append, grace=0.1
    )
    running = asyncio.create_task(kept.run(stop))
    await there(path)
    stop.set()
    assert 0 == await asyncio.wait_for(running, 20)
    assert not alive(int(path.read_text()))
    assert [] == observed


async def test_a_stop_amid_a_delay(
    observed: list[Observation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told to stop while a fallen child waits for its start, it stops at once."""
    monkeypatch.setattr(module, "FIRST_DELAY", 600.0)
    stop = asyncio.Event()
    kept = Supervisor([child("faller", "raise SystemExit(1)")], lambda _: stop.set(), grace=5.0)
    assert 0 == await asyncio.wait_for(kept.run(stop), 20)


async def test_a_wrong_configuration_ends_all(
    observed: list[Observation], hello: Callable[[str], tuple[str, Path]]
) -> None:
    """Exit code 78 means that trying again is useless: the others end, and 78 is ours too."""
    says, path = hello("sound")
    waits = f"import time\nwhile not os.path.exists({str(path)!r}): time.sleep(0.01)\nraise SystemExit(78)"
    children = [child("sound", f"{says}; {SLEEPS}"), child("wrong", f"import os\n{waits}")]
    code = await asyncio.wait_for(
        Supervisor(children, observed.append, grace=20.0).run(asyncio.Event()), 20
    )
    assert 78 == code
    assert not alive(int(path.read_text()))
    assert [] == observed


async def test_children_get_their_environment(tmp_path: Path, observed: list[Observation]) -> None:
    """A child has our environment and its own on top."""
    path = tmp_path / "env"
    program = (
        f"import os; new = open({str(path)!r} + '.new', 'w');"
        " new.write(os.environ['MINE'] + os.environ['PATH']); new.close();"
        f" os.rename({str(path)!r} + '.new', {str(path)!r})"
    )
    stop = asyncio.Event()
    kept = Supervisor(
        [child("one", f"{program}; {SLEEPS}", MINE="mine:")], observed.append, grace=5.0
    )
    running = asyncio.create_task(kept.run(stop))
    await there(path)
    stop.set()
    await running
    assert f"mine:{os.environ['PATH']}" == path.read_text()


# Says that it serves, to whoever waits for that.
SERVES = (
    "import os; ready = os.environ.get('EVERYCLICK_READY'); ready and os.write(int(ready), b'.')"
)


async def test_children_are_replaced_one_by_one(
    observed: list[Observation], tmp_path: Path
) -> None:
    """Asked again it starts another process for each child; the old one is ended once that one
    serves, and the next is touched only then.
    """
    journal = tmp_path / "journal"
    program = f"""
import os, signal, sys, time
def note(what):
    with open({str(journal)!r}, "a") as file:
        file.write(f"{{os.environ['NAME']}} {{os.getpid()}} {{what}}\\n")
def leave(*_):
    note("leaves")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
note("serves")
{SERVES}
while True: time.sleep(600)
"""
    stop, again = asyncio.Event(), asyncio.Event()
    kept = [child(name, program, NAME=name) for name in ("a", "b")]
    running = asyncio.create_task(Supervisor(kept, observed.append, grace=20.0).run(stop, again))

    def noted() -> list[list[str]]:
        return [line.split() for line in journal.read_text().splitlines()]

    async def so_many(number: int) -> None:
        async def seen() -> bool:
            return journal.exists() and len(noted()) == number

        await until(seen)

    await so_many(2)
    old = {name: pid for name, pid, _ in noted()}
    again.set()
    await so_many(6)
    new = {name: pid for name, pid, what in noted()[2:] if what == "serves"}
    assert [
        *(["a", new["a"], "serves"], ["a", old["a"], "leaves"]),
        *(["b", new["b"], "serves"], ["b", old["b"], "leaves"]),
    ] == noted()[2:]

    async def told() -> bool:
        return len(observed) == 2

    await until(told)
    assert ["a", "b"] == [each.name for each in observed if isinstance(each, WorkerReplaced)]
    assert not any(alive(int(pid)) for pid in old.values())
    assert all(alive(int(pid)) for pid in new.values())
    stop.set()
    assert 0 == await asyncio.wait_for(running, 20)
    assert not any(alive(int(pid)) for pid in new.values())


@pytest.mark.parametrize("status", [0, 3, 78])
async def test_one_that_does_not_come_to_serve_replaces_nobody(
    observed: list[Observation], hello: Callable[[str], tuple[str, Path]], status: int
) -> None:
    """When the new process ends before it serves, whatever it says, the old ones go on."""
    says = [hello(f"child{n}") for n in range(2)]
    broken = f"import os; 'EVERYCLICK_READY' in os.environ and os._exit({status})"
    kept = [child(f"{n}", f"{broken}; {line}; {SLEEPS}") for n, (line, _) in enumerate(says)]
    stop, again = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(Supervisor(kept, observed.append, grace=20.0).run(stop, again))
    await there(*(path for _, path in says))
    pids = [int(path.read_text()) for _, path in says]
    again.set()

    async def told() -> bool:
        return bool(observed)

    await until(told)
    assert [ReplacementFailed("0", status)] == observed
    assert all(alive(pid) for pid in pids)
    stop.set()
    assert 0 == await asyncio.wait_for(running, 20)
    assert [ReplacementFailed("0", status)] == observed


async def test_one_that_cannot_be_started_replaces_nobody(
    observed: list[Observation],
    hello: Callable[[str], tuple[str, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program that is not there, amid an upgrade, ends nobody; once it is back it is started."""
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    (says, path), (other, there_is_other) = hello("child"), hello("other")
    program = path.with_name("program")
    program.symlink_to(sys.executable)
    gone = Child("gone", [str(program), "-S", "-c", f"{says}; {SLEEPS}"])
    stop, again = asyncio.Event(), asyncio.Event()
    kept = Supervisor([gone, child("other", f"{other}; {SLEEPS}")], observed.append, grace=20.0)
    running = asyncio.create_task(kept.run(stop, again))
    await there(path, there_is_other)
    program.unlink()
    again.set()

    async def told() -> bool:
        return bool(observed)

    await until(told)
    assert [ReplacementFailed("gone", os.EX_OSERR)] == observed
    first = int(path.read_text())
    assert alive(first)
    path.unlink()
    os.kill(first, signal.SIGKILL)

    async def told_thrice() -> bool:
        return len(observed) >= 3

    await until(told_thrice)
    assert [-9, os.EX_OSERR] == [
        each.status for each in observed[1:3] if isinstance(each, WorkerExited)
    ]
    assert alive(int(there_is_other.read_text()))
    program.symlink_to(sys.executable)
    await there(path)
    stop.set()
    assert 0 == await asyncio.wait_for(running, 20)


async def test_one_that_is_silent_replaces_nobody(
    observed: list[Observation],
    hello: Callable[[str], tuple[str, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new process that does not say in time that it serves is ended."""
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    says, path = hello("child")
    stop, again = asyncio.Event(), asyncio.Event()
    kept = Supervisor([child("silent", f"{says}; {SLEEPS}")], observed.append, grace=20.0)
    running = asyncio.create_task(kept.run(stop, again))
    await there(path)
    pid = int(path.read_text())
    again.set()

    async def told() -> bool:
        return bool(observed)

    await until(told)
    assert [ReplacementFailed("silent", -15)] == observed
    assert alive(pid)
    stop.set()
    assert 0 == await asyncio.wait_for(running, 20)


async def test_a_stop_amid_a_replacement(
    observed: list[Observation], hello: Callable[[str], tuple[str, Path]]
) -> None:
    """Told to stop while a new process comes up, it ends both."""
    (old, there_is_old), (new, there_is_new) = hello("old"), hello("new")
    program = f"import os\nif 'EVERYCLICK_READY' in os.environ: {new}\nelse: {old}\n{SLEEPS}"
    stop, again = asyncio.Event(), asyncio.Event()
    kept = Supervisor([child("child", program)], observed.append, grace=20.0)
    running = asyncio.create_task(kept.run(stop, again))
    await there(there_is_old)
    again.set()
    await there(there_is_new)
    stop.set()
    assert 0 == await asyncio.wait_for(running, 20)
    assert not any(alive(int(path.read_text())) for path in (there_is_old, there_is_new))
    assert [] == observed


async def test_a_stop_amid_a_rolling_restart(
    observed: list[Observation],
    hello: Callable[[str], tuple[str, Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Told to stop while a replaced child ends, it starts no process for the next one: what that
    would inherit is closed by then.
    """
    started: list[str] = []
    start = ChildProcess.start

    async def counted(child: Child, lifeline: int, ready: int | None = None) -> ChildProcess:
        started.append(child.name)
        return await start(child, lifeline, ready)

    monkeypatch.setattr(ChildProcess, "start", counted)
    (there_a, a), (there_b, b), (leaves, leaving) = map(hello, ("a", "b", "leaving"))
    may_leave = tmp_path / "may leave"
    lingers = f"""
import os, signal, sys, time
def leave(*_):
    {leaves}
    while not os.path.exists({str(may_leave)!r}): time.sleep(0.01)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
{SERVES}
{there_a}
time.sleep(600)
"""
    kept = [child("a", lingers), child("b", f"{SERVES}; {there_b}; {SLEEPS}")]
    stop, again = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(Supervisor(kept, observed.append, grace=20.0).run(stop, again))
    await there(a, b)
    again.set()
    await there(leaving)
    stop.set()
    may_leave.touch()
    assert 0 == await asyncio.wait_for(running, 20)
    assert ["a", "a", "b"] == sorted(started)


async def test_a_fallen_one_is_replaced_at_once(
    observed: list[Observation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replacement does not wait for the delay of one that had fallen, and is kept running."""
    monkeypatch.setattr(module, "FIRST_DELAY", 600.0)
    program = f"import os, time\nif 'EVERYCLICK_READY' not in os.environ: raise SystemExit(3)\n{SERVES}\n{SLEEPS}"
    stop, again = asyncio.Event(), asyncio.Event()
    kept = Supervisor([child("fallen", program)], observed.append, grace=20.0)
    running = asyncio.create_task(kept.run(stop, again))

    async def told() -> bool:
        if len(observed) == 1:
            again.set()
        return len(observed) == 2

    await until(told)
    assert [WorkerExited, WorkerReplaced] == [type(each) for each in observed]
    stop.set()
    assert 0 == await asyncio.wait_for(running, 20)


SUPERVISOR = """
import asyncio, sys
from service.supervisor import Child, Supervisor
child = Child("child", [sys.executable, "-c", sys.argv[1]])
asyncio.run(Supervisor([child], print, grace=5.0).run(asyncio.Event()))
"""

WORKER = """
import asyncio
from service.contract.process import stopping
async def main():
    async with stopping() as stop:
        {says}
        await stop.wait()
asyncio.run(main())
"""


@pytest.mark.process
def test_children_do_not_outlive_a_killed_supervisor(
    hello: Callable[[str], tuple[str, Path]],
) -> None:
    """kill -9 of the supervisor ends its children too: each watches the lifeline."""
    says, path = hello("child")
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, WORKER.format(says=says)], cwd=REPOSITORY
    ) as supervisor:
        wait_until(path.exists, "the child's start")
        pid = int(path.read_text())
        assert alive(pid)
        supervisor.kill()
    wait_until(lambda: not alive(pid), "the child's end")
