"""`python -m services.progress`: serve until told to stop."""

from services.runtime.starting import no_collection_until_started


def main() -> None:
    no_collection_until_started()
    from services.progress.app import create_app
    from services.progress.settings import ProgressSettings
    from services.runtime.server import serve

    serve("progress", ProgressSettings, create_app)


if __name__ == "__main__":
    main()
