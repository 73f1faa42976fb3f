"""Where the three servers answer; knows nothing of how they were started."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Addresses:
    """What a service needs to reach its broker, its database and Redis. Holds passwords: never log it."""

    kafka_bootstrap_servers: str
    database_url: str
    redis_url: str
    kafka_idempotent_producer: bool = True
    """False for the embedded broker, which has no idempotent producer."""

    def as_environment(self) -> dict[str, str]:
        """The variables the services read."""
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "KAFKA_IDEMPOTENT_PRODUCER": "true" if self.kafka_idempotent_producer else "false",
        }
        if not self.kafka_idempotent_producer:
            # The embedded broker lets a group wait for half its session time-out before the first message.
            environment["KAFKA_SESSION_TIMEOUT_S"] = "4"
            # A leader that leaves while its group forms remains its leader for ever, and nobody gets in any more.
            environment["KAFKA_LEAVES_SHARED_GROUPS"] = "false"
            # Its groups lose a member more often than Kafka's do; whoever stands still finds out sooner.
            environment["CONSUMER_STUCK_AFTER_S"] = "30"
        return environment

    def __repr__(self) -> str:
        return f"Addresses(kafka_bootstrap_servers={self.kafka_bootstrap_servers!r}, database_url=…, redis_url=…)"
