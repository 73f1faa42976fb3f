"""`python -m services.solver`: serve until told to stop."""

from services.runtime.starting import no_collection_until_started


def main() -> None:
    no_collection_until_started()
    from services.runtime.server import serve
    from services.solver.app import create_app
    from services.solver.settings import SolverSettings

    serve("solver", SolverSettings, create_app, grace_s=1)


if __name__ == "__main__":
    main()
