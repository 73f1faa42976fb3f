"""Apache Kafka itself, without Docker: one KRaft node run by the machine's Java from Maven Central's jars.

The jars are fetched once by Maven into a cache folder named after the committed pom, so a changed version is fetched
afresh. Knows nothing of our topics; they are created by an admin step, never by a client's mistake.
"""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from deploy.local.kafka_protocol import check_broker
from deploy.local.ports import free_port
from deploy.local.process import ChildProcess, ProcessFailedError
from deploy.local.server import MissingServerError, Server, server_environment

POM = Path(__file__).with_name("kafka-pom.xml")
DEFAULT_JARS_FOLDER = Path(".horarium") / "kafka-jars"
OLDEST_JAVA = 17
LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
MAVEN_TIMEOUT = timedelta(minutes=10)
FORMAT_TIMEOUT = timedelta(minutes=2)


class KafkaBroker(Server):
    """A single-node Kafka (broker and controller in one process) that keeps its log across restarts and kills."""

    name: ClassVar[str] = "kafka"
    ready_within: ClassVar[timedelta] = timedelta(seconds=90)

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        stays: bool = False,
        jars_folder: Path | None = None,
        properties: Mapping[str, str | int] | None = None,
    ) -> None:
        """`jars_folder` is the cache shared by every broker on the machine. `properties` are further ones; those of
        listeners (`listeners`, `advertised.listeners`, `listener.security.protocol.map`) are appended to ours.
        """
        super().__init__(folder, port=port, stays=stays)
        self._jars_folder = (jars_folder or DEFAULT_JARS_FOLDER).resolve()
        self._controller_port: int | None = None
        self._further = dict(properties or {})

    @property
    def bootstrap_servers(self) -> str:
        """The address in the form Kafka clients take."""
        return f"{self.host}:{self.port}"

    def prepare(self) -> None:
        java = find_java()
        jars = fetch_jars(self._jars_folder)
        if self._controller_port is None:
            self._controller_port = free_port()
        properties = self._properties()
        for name, value in self._further.items():
            properties[name] = f"{properties[name]},{value}" if name in properties and "listener" in name else value
        self._properties_file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        if (self.folder / "log" / "meta.properties").exists():
            return
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        formatted = subprocess.run(  # noqa: S603  # the command is ours, no shell is involved
            [
                *(java, *JVM_OPTIONS, "-cp", f"{jars}/*", "kafka.tools.StorageTool", "format"),
                # "=": an id may begin with a dash
                *("--config", str(self._properties_file), f"--cluster-id={cluster}"),
            ],
            check=False,
            capture_output=True,
            text=True,
            env=server_environment(),
            timeout=FORMAT_TIMEOUT.total_seconds(),
        )
        if formatted.returncode != 0:
            shutil.rmtree(self.folder / "log", ignore_errors=True)
            raise ProcessFailedError(
                f"kafka's storage could not be formatted (exit code {formatted.returncode}):\n"
                f"{formatted.stdout}{formatted.stderr}"
            )

    def child_process(self) -> ChildProcess:
        jars = fetch_jars(self._jars_folder)
        return ChildProcess(
            name=self.name,
            command=[find_java(), *JVM_OPTIONS, "-cp", f"{jars}/*", "kafka.Kafka", str(self._properties_file)],
            log_file=self.log_file,
            environment=server_environment(),
            folder=self.folder,
            stop_signal=signal.SIGTERM,
            stop_within=timedelta(seconds=30),
            stays=self.stays,
        )

    def check_ready(self) -> None:
        check_broker(self.bootstrap_servers)

    @property
    def _properties_file(self) -> Path:
        return self.folder / "server.properties"

    def _properties(self) -> dict[str, str | int]:
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{self.host}:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{self.host}:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.folder / "log"),
            "auto.create.topics.enable": "false",
            "message.max.bytes": LARGEST_MESSAGE_BYTES,
            "replica.fetch.max.bytes": LARGEST_MESSAGE_BYTES,
            "group.initial.rebalance.delay.ms": 0,
            # After a kill -9 the node may register again only when its old registration has run out.
            "broker.session.timeout.ms": 4000,
            "broker.heartbeat.interval.ms": 1000,
            # One node cannot replicate, and few partitions start fast.
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 4,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        }


JVM_OPTIONS = (
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dorg.apache.logging.log4j.level=WARN",
)


def find_java() -> str:
    """The Java of JAVA_HOME, else of the PATH; raises `MissingServerError` when there is none or it is too old."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None or not Path(java).exists():
        raise MissingServerError(
            f"Apache Kafka needs Java {OLDEST_JAVA} or later and none was found: install one (Debian: "
            "`apt-get install default-jre-headless`), set JAVA_HOME, or set KAFKA_BOOTSTRAP_SERVERS to your own Kafka."
        )
    answer = subprocess.run([java, "-version"], check=True, capture_output=True, text=True, timeout=60)  # noqa: S603  # our own command
    found = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    if found is None or int(found.group(1)) < OLDEST_JAVA:
        raise MissingServerError(f"Apache Kafka needs Java {OLDEST_JAVA} or later, but {java} is:\n{answer.stderr}")
    return java


def fetch_jars(cache: Path) -> Path:
    """The folder with the broker's jars, fetched by Maven the first time.

    Raises `MissingServerError` without Maven and `ProcessFailedError` with Maven's own words when it fails.
    """
    jars = cache / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    if jars.is_dir():
        return jars
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if jars.is_dir():  # another process was faster
            return jars
        maven = shutil.which("mvn")
        if maven is None:
            raise MissingServerError(
                "Apache Kafka's jars are fetched with Maven and there is no `mvn` on the PATH: install it (Debian: "
                "`apt-get install maven`), or set KAFKA_BOOTSTRAP_SERVERS to a Kafka of yours."
            )
        partial = jars.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        fetched = subprocess.run(  # noqa: S603  # the command is ours, no shell is involved
            [
                *(maven, "--batch-mode", "--quiet", "--no-transfer-progress", "--file", str(POM)),
                *("dependency:copy-dependencies", f"-DoutputDirectory={partial}"),
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=MAVEN_TIMEOUT.total_seconds(),
        )
        if fetched.returncode != 0 or not partial.is_dir():
            raise ProcessFailedError(f"Maven could not fetch Apache Kafka:\n{fetched.stdout}{fetched.stderr}")
        partial.rename(jars)
        return jars
