"""`python -m services.persister`: serve until told to stop."""

from services.runtime.starting import no_collection_until_started


def main() -> None:
    no_collection_until_started()
    from services.persister.app import create_app
    from services.persister.settings import PersisterSettings
    from services.runtime.server import serve

    serve("persister", PersisterSettings, create_app)


if __name__ == "__main__":
    main()
