"""`python -m services.solver`: settings from the environment, logs, then serve until SIGTERM."""

from services.runtime.starting import no_collection_until_started


def main() -> None:
    no_collection_until_started()
    from services.runtime.logging import configure_logging
    from services.runtime.server import run
    from services.runtime.settings import load
    from services.runtime.tracing import configure_tracing
    from services.solver.app import create_app
    from services.solver.settings import SolverSettings

    settings = load(SolverSettings)
    configure_logging("solver", settings)
    configure_tracing("solver", settings)
    run(create_app(settings), settings, grace_s=1)


if __name__ == "__main__":
    main()
