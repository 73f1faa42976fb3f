"""PostgreSQL, Redis and a Kafka-protocol broker as child processes, for the demo, the tests and a look around.

Owns the processes and their data folder. Knows nothing of the services that use them.
Start reading at `stack.LocalStack`.
"""

from deploy.local.addresses import Addresses
from deploy.local.process import ChildProcess, ProcessFailedError
from deploy.local.server import MissingServerError, PortTakenError
from deploy.local.stack import LocalStack, Ports, StackRunningError
from deploy.local.state import StackState, read_state, record, stop_recorded

__all__ = [
    "Addresses",
    "ChildProcess",
    "LocalStack",
    "MissingServerError",
    "PortTakenError",
    "Ports",
    "ProcessFailedError",
    "StackRunningError",
    "StackState",
    "read_state",
    "record",
    "stop_recorded",
]
