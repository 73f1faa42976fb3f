"""TLS and SASL by settings: what does not fit together is refused at the start, by name; secrets stay hidden."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.runtime.connection import Connection
from services.runtime.security import KafkaSecuritySettings, client_security
from services.runtime.settings import RuntimeSettings, load
from tests.certificates import Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def settings(**given: object) -> RuntimeSettings:
    needed = {"kafka_bootstrap_servers": "127.0.0.1:1", "database_url": "postgresql://"}
    return RuntimeSettings.model_validate({**needed, **given})


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"kafka_security_protocol": "TLS"}, "kafka_security_protocol"),
        ({"kafka_security_protocol": "SASL_SSL"}, "KAFKA_SASL_USERNAME is missing"),
        ({"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "u"}, "KAFKA_SASL_PASSWORD is missing"),
        ({"kafka_sasl_username": "u"}, "KAFKA_SASL_USERNAME is set, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"kafka_sasl_password": "hunter2"}, "KAFKA_SASL_PASSWORD is set, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"kafka_ssl_ca_file": "/etc/hosts"}, "KAFKA_SSL_CA_FILE is set, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"kafka_security_protocol": "SSL", "kafka_ssl_ca_file": "/no/such"}, "KAFKA_SSL_CA_FILE: there is no file"),
        ({"kafka_security_protocol": "SSL", "kafka_ssl_ca_file": "/etc/hosts"}, "KAFKA_SSL_CA_FILE: /etc/hosts has no"),
        ({"kafka_security_protocol": "SSL", "kafka_ssl_key_file": "/etc/hosts"}, "without KAFKA_SSL_CERT_FILE"),
        ({"kafka_security_protocol": "SSL", "kafka_ssl_cert_file": "/etc/hosts"}, "KAFKA_SSL_CERT_FILE: /etc/hosts"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(given: dict[str, str], named: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**given)
    assert named in str(refused.value)


def test_the_message_at_the_start_names_the_variable_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hunter2")
    with pytest.raises(SystemExit) as end:
        load(KafkaSecuritySettings)
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert "KAFKA_SASL_USERNAME is missing" in message
    assert "hunter2" not in message


def test_empty_variables_are_as_good_as_none() -> None:
    assert client_security(settings(kafka_ssl_ca_file="", kafka_sasl_username="")) == {"security_protocol": "PLAINTEXT"}


def test_every_client_gets_the_same_arguments(certificates: Certificates) -> None:
    given = settings(
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_username="horarium",
        kafka_sasl_password="hunter2",
        kafka_ssl_ca_file=certificates.authority,
        kafka_ssl_cert_file=certificates.certificate,
        kafka_ssl_key_file=certificates.key,
    )
    arguments = client_security(given)
    context = arguments.pop("ssl_context")
    assert arguments == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "horarium",
        "sasl_plain_password": "hunter2",
    }
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    kept = Connection(given, "test")._connection_kwargs
    assert kept.items() >= arguments.items(), "the broker's producer and admin client"
    assert "hunter2" not in repr(given)


def test_an_encrypted_key_is_refused_instead_of_asked_for(certificates: Certificates, tmp_path: Path) -> None:
    locked = tmp_path / "locked.pem"
    command = [
        "openssl",
        "rsa",
        "-aes256",
        "-passout",
        "pass:secret",
        "-in",
        str(certificates.key),
        "-out",
        str(locked),
    ]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(ValidationError, match="the key is encrypted"):
        settings(kafka_security_protocol="SSL", kafka_ssl_cert_file=certificates.certificate, kafka_ssl_key_file=locked)
