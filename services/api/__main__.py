"""`python -m services.api`: serve until told to stop."""

from services.runtime.starting import no_collection_until_started


def main() -> None:
    no_collection_until_started()
    from services.api.app import create_app
    from services.api.settings import ApiSettings
    from services.runtime.server import serve

    serve("api", ApiSettings, create_app)


if __name__ == "__main__":
    main()
