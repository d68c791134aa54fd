"""The embedded Postgres: real servers in temporary directories, each stopped by its test."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from service.contract.embedded import EmbeddedPostgres, EmbeddedPostgresError, binaries, server
from service.contract.embedded.account import Account, account_for
from service.contract.embedded.processes import Processes

REPOSITORY = Path(__file__).parents[3]

# A process that uses the server until its standard input ends; says where on its standard output.
USER = """
import sys
from pathlib import Path
from service.contract.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as embedded:
    print(embedded.conninfo, flush=True)
    sys.stdin.read()
"""

# A server's whole life under an ordinary account. It is taken on only after the imports, because
# this Python and this repository may lie where that account cannot go.
PLAIN_USER = """
import json, os, sys
from pathlib import Path
import psycopg
from service.contract.embedded import EmbeddedPostgres
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.path.insert(0, sys.argv[1])
data_dir = Path(sys.argv[2])
with EmbeddedPostgres(data_dir) as embedded:
    with psycopg.connect(embedded.conninfo) as connection:
        one = connection.execute("SELECT 1").fetchone()[0]
    runtime = Path((data_dir / "socket").read_text().strip())
    owner = (data_dir / "postgres").stat().st_uid
print(json.dumps({"one": one, "owner": owner, "left": runtime.exists()}))
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another account")


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A DATA_DIR not yet made, below a private directory; nothing may run there after the test."""
    (tmp_path / "private").mkdir(mode=0o700)
    path = tmp_path / "private" / "data"
    yield path
    running = Processes(path / "postgres")
    left = running.pids() if path.exists() else []
    running.signal(signal.SIGQUIT)
    assert left == []
    assert not (path / "socket").exists()


@pytest.fixture
def said() -> list[str]:
    """What the server's progress reports said."""
    return []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DATA_DIR after a first start and stop, to copy from: initdb costs most of a second."""
    path = tmp_path_factory.mktemp("made") / "data"
    with EmbeddedPostgres(path):
        pass
    return path


@pytest.fixture
def embedded(made: Path, data_dir: Path, said: list[str]) -> Iterator[EmbeddedPostgres]:
    """A server started on a copy of `made`, without a keeper."""
    subprocess.run(["cp", "-a", made, data_dir], check=True)
    one = EmbeddedPostgres(data_dir, say=said.append)
    one.start()
    yield one
    one.stop()


def query(conninfo: str, statement: str) -> object:
    """The first value of the statement's first row."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def keep_something(conninfo: str) -> None:
    """Commit a table `kept` with a 7 in it."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")


def until(done: Callable[[], object], within: float = 10) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + within
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def answers(conninfo: str) -> bool:
    """Whether the server takes a session."""
    try:
        return query(conninfo, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def postmaster(data_dir: Path) -> int:
    """The pid of the running server."""
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def runtime_dir(data_dir: Path) -> Path:
    """The directory the socket is in."""
    return Path((data_dir / "socket").read_text().strip())


def occupy(connection: psycopg.Connection, conninfo: str) -> None:
    """Make the connection's backend compute for ever."""
    connection.pgconn.send_query(
        b"SELECT count(*) FROM (SELECT generate_series(1, 1e12::bigint)) a"
    )
    connection.pgconn.flush()
    active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
    until(lambda: query(conninfo, active) == 2)


def user_process(data_dir: Path) -> subprocess.Popen[str]:
    """Another process that uses the server; it has started when its first line can be read."""
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(data_dir)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def started(process: subprocess.Popen[str]) -> str:
    """Wait until a user process uses the server; return its conninfo."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def copied_wheel(target: Path) -> None:
    """Copy the package with the Postgres programs, without importing it."""
    spec = find_spec(binaries.PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    for part in (package, package.with_name(package.name + ".libs")):
        if part.exists():
            ignore = shutil.ignore_patterns("pginstall", "include", "*.a")
            shutil.copytree(part, target / part.name, ignore=ignore)


def test_first_start_serves_and_leaves_nothing(data_dir: Path, said: list[str]) -> None:
    """From nothing to a UTF-8, checksummed, durable database; nothing runs or lies about after."""
    embedded = EmbeddedPostgres(data_dir, say=said.append)
    embedded.start()
    embedded.start()
    assert query(embedded.conninfo, "SELECT current_database()") == "everyclick"
    wanted = {
        "server_encoding": "UTF8",
        "data_checksums": "on",
        "fsync": "on",
        "synchronous_commit": "on",
        "TimeZone": "UTC",
    }
    for name, value in wanted.items():
        assert query(embedded.conninfo, f"SHOW {name}") == value
    runtime = runtime_dir(data_dir)
    pid = postmaster(data_dir)
    embedded.stop()
    embedded.stop()
    assert not runtime.exists()
    assert not Path(f"/proc/{pid}").exists(), "not even a zombie"
    assert sorted(path.name for path in data_dir.iterdir()) == [
        "lock",
        "postgres",
        "postgres.log",
        "server",
        "users",
    ]
    assert len(said) == 1


def test_second_start_keeps_data(embedded: EmbeddedPostgres) -> None:
    """What was committed before a stop is there after the next start."""
    keep_something(embedded.conninfo)
    embedded.stop()
    with pytest.raises(psycopg.OperationalError):
        query(embedded.conninfo, "SELECT 1")
    embedded.start()
    assert query(embedded.conninfo, "SELECT n FROM kept") == 7


def test_no_tcp_and_private_socket(embedded: EmbeddedPostgres, data_dir: Path) -> None:
    """There is no TCP listener, and the socket's directory admits only the server's account."""
    assert query(embedded.conninfo, "SHOW listen_addresses") == ""
    inodes = set()
    for entry in Path(f"/proc/{postmaster(data_dir)}/fd").iterdir():
        inodes.add(entry.readlink().name.removeprefix("socket:[").removesuffix("]"))
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        rows = path.read_text().splitlines()[1:] if path.exists() else []
        assert not inodes & {row.split()[9] for row in rows}
    socket = (runtime_dir(data_dir) / "socket").stat()
    assert stat.S_IMODE(socket.st_mode) == 0o700
    assert socket.st_uid == (data_dir / "postgres").stat().st_uid


def test_tools_work(embedded: EmbeddedPostgres) -> None:
    """`bin_dir` holds a psql and a pg_dump that take `conninfo` as it is."""
    for tool in ("psql", "pg_dump"):
        options = ["-c", "SELECT 1"] if tool == "psql" else []
        argv = [str(embedded.bin_dir / tool), "-d", embedded.conninfo, *options]
        subprocess.run(argv, check=True, capture_output=True)


def test_processes_share_one_server(data_dir: Path) -> None:
    """Two processes that start at once make one cluster and one server; the last one stops it."""
    users = [user_process(data_dir) for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(started, users)
    assert first == second != ""
    _, told_first = users[0].communicate()
    assert answers(second)
    _, told_second = users[1].communicate()
    assert (told_first + told_second).count("making a Postgres cluster") == 1
    assert [user.returncode for user in users] == [0, 0]
    assert not answers(second)


def test_server_survives_its_starter(data_dir: Path) -> None:
    """SIGKILL of the starter leaves the server running; the next user takes over and stops it."""
    starter = user_process(data_dir)
    conninfo = started(starter)
    pid = postmaster(data_dir)
    starter.kill()
    starter.communicate()
    assert answers(conninfo)
    with EmbeddedPostgres(data_dir) as embedded:
        assert embedded.conninfo == conninfo
        assert postmaster(data_dir) == pid
    assert not answers(conninfo)


def test_keeper_restarts_killed_server(embedded: EmbeddedPostgres, data_dir: Path) -> None:
    """After kill -9 of the postmaster the keeper has it back, data and address unchanged."""
    embedded.keeper()
    conninfo = embedded.conninfo
    keep_something(conninfo)
    pid = postmaster(data_dir)
    os.kill(pid, signal.SIGKILL)
    until(lambda: answers(conninfo) and postmaster(data_dir) != pid)
    assert query(conninfo, "SELECT n FROM kept") == 7
    assert not Path(f"/proc/{pid}").exists()
    assert embedded.ensure_running() is False


def test_busy_orphans_do_not_block(
    embedded: EmbeddedPostgres, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend that outlives its killed postmaster in a long query is ended, not waited for."""
    monkeypatch.setattr(server, "ORPHANS_QUIT_AFTER", 0.5)
    with psycopg.connect(embedded.conninfo) as connection:
        occupy(connection, embedded.conninfo)
        os.kill(postmaster(data_dir), signal.SIGKILL)
        until(embedded.ensure_running)  # the kernel takes a moment to kill
        connection.close()
    assert answers(embedded.conninfo)


def test_stop_ends_orphans(embedded: EmbeddedPostgres, data_dir: Path) -> None:
    """The last user ends a busy backend whose postmaster was killed, within seconds."""
    with psycopg.connect(embedded.conninfo) as connection:
        occupy(connection, embedded.conninfo)
        os.kill(postmaster(data_dir), signal.SIGKILL)
        until(lambda: not embedded._server.is_listening())
        began = time.monotonic()
        embedded.stop()
        assert time.monotonic() - began < 5
        connection.close()


def test_swept_runtime_directory(
    embedded: EmbeddedPostgres, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its socket directory deleted the server is replaced by one at the same path."""
    monkeypatch.setattr(server, "ORPHANS_QUIT_AFTER", 0.2)
    conninfo = embedded.conninfo
    shutil.rmtree(runtime_dir(data_dir))
    assert embedded.ensure_running() is True
    assert embedded.conninfo == conninfo
    assert answers(conninfo)


def test_reused_pid_is_seen_through(embedded: EmbeddedPostgres, data_dir: Path) -> None:
    """A stale postmaster.pid that names a live stranger's process does not prevent the start."""
    account = account_for(data_dir / "postgres")
    dropped = account.uid if account.dropped else None
    stranger = subprocess.Popen(["sleep", "60"], user=dropped, cwd="/")
    try:
        dead = postmaster(data_dir)
        pidfile = data_dir / "postgres" / "postmaster.pid"
        stale = pidfile.read_text().replace(str(dead), str(stranger.pid), 1)
        os.kill(dead, signal.SIGKILL)
        until(embedded._server.is_gone)
        pidfile.write_text(stale)
        lock = runtime_dir(data_dir) / "socket" / ".s.PGSQL.5432.lock"
        lock.write_text(stale)
        assert embedded.ensure_running() is True
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_long_recovery_is_waited_for(
    embedded: EmbeddedPostgres, data_dir: Path, said: list[str]
) -> None:
    """A start that meets a recovery of seconds says so, and returns when it is over."""
    embedded.stop()
    said.clear()
    with (data_dir / "postgres" / "postgresql.auto.conf").open("a") as settings:
        settings.write("restore_command = 'sleep 0.7; false'\n")
    (data_dir / "postgres" / "recovery.signal").touch()
    embedded.start()
    assert answers(embedded.conninfo)
    assert any("recovering" in line for line in said)


def test_interrupted_initdb_is_redone(data_dir: Path) -> None:
    """A kill -9 amid the making of the cluster leaves nothing that the next start trips over."""
    starter = user_process(data_dir)
    until(lambda: any(data_dir.glob("postgres.init-*/base")))
    starter.kill()
    starter.communicate()
    assert not (data_dir / "postgres").exists()
    with EmbeddedPostgres(data_dir) as embedded:
        assert query(embedded.conninfo, "SELECT current_database()") == "everyclick"
    assert not any(data_dir.glob("postgres.init-*"))


def test_other_major_version_is_refused(tmp_path: Path) -> None:
    """A cluster of another major version is left alone, and the message names both versions."""
    data_dir = tmp_path / "data"
    cluster = data_dir / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("16\n")
    if os.geteuid() == 0:
        os.chown(cluster, 65534, 65534)
    with pytest.raises(EmbeddedPostgresError, match=r"Postgres 16.*18.*DATABASE_URL"):
        EmbeddedPostgres(data_dir).start()
    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


def test_failed_start_shows_log(embedded: EmbeddedPostgres, data_dir: Path) -> None:
    """When postgres refuses to start, the error carries its reason."""
    embedded.stop()
    settings = data_dir / "postgres" / "postgresql.auto.conf"
    before = settings.read_text()
    settings.write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        embedded.start()
    settings.write_text(before)
    embedded.start()
    assert answers(embedded.conninfo)


def test_missing_programs_name_the_way_out(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without programs for this platform the message says to set DATABASE_URL."""
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")
    with pytest.raises(EmbeddedPostgresError, match="DATABASE_URL"):
        EmbeddedPostgres(data_dir).start()
    shutil.rmtree(data_dir)


def test_no_place_for_the_socket(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server's account can enter no temporary directory, the message names TMPDIR."""
    monkeypatch.setattr(Account, "can_enter", lambda *_: False)
    with pytest.raises(EmbeddedPostgresError, match="TMPDIR"):
        EmbeddedPostgres(data_dir).start()


def test_interrupt_amid_first_start(data_dir: Path) -> None:
    """Ctrl-C while the cluster is made ends the start and leaves no process and no half cluster."""
    starter = user_process(data_dir)
    until(lambda: any(data_dir.glob("postgres.init-*/base")))
    starter.send_signal(signal.SIGINT)
    starter.communicate()
    assert not any(data_dir.glob("postgres*"))


def test_leaving_together(data_dir: Path) -> None:
    """Of users that leave at the same moment one is the last: the server is stopped."""
    for _ in range(5):
        users = [EmbeddedPostgres(data_dir) for _ in range(4)]
        for user in users:
            user.start()
        assert Processes(data_dir / "postgres").pids()
        with ThreadPoolExecutor(len(users)) as pool:
            list(pool.map(lambda user: user.stop(), users))
        assert not Processes(data_dir / "postgres").pids()


def test_directories_of_others_keep_their_modes(data_dir: Path) -> None:
    """Nothing above the cluster changes owner or permissions, DATA_DIR included if it was there."""
    data_dir.mkdir(mode=0o750)
    spec = find_spec(binaries.PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations
    leaves = (data_dir, Path(spec.submodule_search_locations[0]))
    watched = {folder for leaf in leaves for folder in (leaf, *leaf.parents)}

    def look() -> dict[Path, tuple[int, int, int]]:
        stats = {folder: folder.stat() for folder in watched}
        return {path: (seen.st_mode, seen.st_uid, seen.st_gid) for path, seen in stats.items()}

    before = look()
    with EmbeddedPostgres(data_dir) as embedded:
        assert answers(embedded.conninfo)
        assert look() == before
    assert look() == before


STARTED = "SELECT backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'"


def restarted(conninfo: str, before: object) -> bool:
    """Whether the server answers and has started its helpers anew; it may die between two looks."""
    try:
        return query(conninfo, STARTED) not in {None, before}
    except psycopg.OperationalError:
        return False


@as_root
def test_root_below_private_directories(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's data and programs may lie where the server's account cannot go, crashes included."""
    private = tmp_path / "programs"
    private.mkdir(mode=0o700)
    copied_wheel(private)
    monkeypatch.syspath_prepend(str(private))
    assert binaries.bin_dir().is_relative_to(private)
    with EmbeddedPostgres(data_dir) as embedded:
        keep_something(embedded.conninfo)
        install = runtime_dir(data_dir) / "install"
        pid = postmaster(data_dir)
        assert install.is_dir()
        with psycopg.connect(embedded.conninfo) as connection:
            before = query(embedded.conninfo, STARTED)
            os.kill(connection.info.backend_pid, signal.SIGKILL)
            until(lambda: restarted(embedded.conninfo, before))
            connection.close()
        assert query(embedded.conninfo, "SELECT n FROM kept") == 7
        assert postmaster(data_dir) == pid, "Postgres recovered by itself"
        argv = [str(embedded.bin_dir / "pg_dump"), "-d", embedded.conninfo]
        subprocess.run(argv, check=True, capture_output=True)
        assert (data_dir / "postgres").stat().st_uid != 0
    assert not install.exists()


@as_root
def test_plain_user() -> None:
    """Started by an ordinary account the server runs as that account, from the wheel itself."""
    home = Path(tempfile.mkdtemp())
    try:
        home.chmod(0o755)
        copied_wheel(home)
        mine = home / "mine"
        mine.mkdir()
        os.chown(mine, 65534, 65534)
        argv = [sys.executable, "-c", PLAIN_USER, str(home), str(mine / "data")]
        done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"one": 1, "owner": 65534, "left": False}
    finally:
        shutil.rmtree(home)
