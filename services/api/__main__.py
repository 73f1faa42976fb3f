"""`python -m services.api`: serve until told to stop."""

from services.runtime.starting import no_collection_until_started


def main() -> None:
    no_collection_until_started()
    from services.api.app import create_app
    from services.api.settings import ApiSettings
    from services.runtime.logging import configure_logging
    from services.runtime.server import run
    from services.runtime.settings import load
    from services.runtime.tracing import configure_tracing

    settings = load(ApiSettings)
    configure_logging("api", settings)
    configure_tracing("api", settings)
    run(create_app(settings), settings)


if __name__ == "__main__":
    main()
