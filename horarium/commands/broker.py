"""How commands get to the broker: with the TLS and SASL settings of the services.

Owns reading them from the environment. Must not know what a command does there.
"""

from __future__ import annotations

from typing import Any


def security_arguments() -> dict[str, Any]:
    """The client's arguments by the `KAFKA_*` variables; bad ones end the command, naming the variable."""
    # They bring settings and TLS with them, which `horarium --help` need not wait for.
    from services.runtime.security import KafkaSecuritySettings, client_security
    from services.runtime.settings import load

    return client_security(load(KafkaSecuritySettings))
