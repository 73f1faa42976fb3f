"""A bad setting stops the process with a sentence that names the variable, and never shows a secret."""

import pytest

from services.runtime.settings import RuntimeSettings, load


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "REDIS_URL", "HTTP_PORT", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)


def test_missing_settings_are_named_all_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        load(RuntimeSettings)
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert "KAFKA_BOOTSTRAP_SERVERS" in message
    assert "DATABASE_URL" in message


def test_a_bad_value_is_named_without_showing_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://u:hunter2@127.0.0.1/x")
    monkeypatch.setenv("HTTP_PORT", "eighty")
    with pytest.raises(SystemExit):
        load(RuntimeSettings)
    message = capsys.readouterr().err
    assert "HTTP_PORT" in message
    assert "hunter2" not in message


def test_secrets_do_not_show_in_a_printed_settings_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://u:hunter2@127.0.0.1/x")
    assert "hunter2" not in repr(load(RuntimeSettings))
