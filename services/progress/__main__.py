"""`python -m services.progress`: serve until told to stop."""

from services.runtime.starting import no_collection_until_started


def main() -> None:
    no_collection_until_started()
    from services.progress.app import create_app
    from services.progress.settings import ProgressSettings
    from services.runtime.logging import configure_logging
    from services.runtime.server import run
    from services.runtime.settings import load
    from services.runtime.tracing import configure_tracing

    settings = load(ProgressSettings)
    configure_logging("progress", settings)
    configure_tracing("progress", settings)
    run(create_app(settings), settings)


if __name__ == "__main__":
    main()
