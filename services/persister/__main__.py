"""`python -m services.persister`: serve until told to stop."""

from services.runtime.starting import no_collection_until_started


def main() -> None:
    no_collection_until_started()
    from services.persister.app import create_app
    from services.persister.settings import PersisterSettings
    from services.runtime.logging import configure_logging
    from services.runtime.server import run
    from services.runtime.settings import load
    from services.runtime.tracing import configure_tracing

    settings = load(PersisterSettings)
    configure_logging("persister", settings)
    configure_tracing("persister", settings)
    run(create_app(settings), settings)


if __name__ == "__main__":
    main()
