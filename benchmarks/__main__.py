"""`python -m benchmarks [NAME ...]`: measure and print a table in Markdown.

Owns the choice of measurements. Figures of a shared machine are noisy: quote medians, with machine and command.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import curriculum, dispatch, itc2019, load, responsiveness, service, university

_ALL = ["curriculum", "itc2019", "university", "service", "dispatch", "responsiveness", "load"]


def main() -> int:
    """Parse the command line and run one measurement, or all in turn."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="*", choices=_ALL, default=[])
    parser.add_argument("--seconds", type=float, default=60.0, help="search time per run (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="runs per instance; the median is shown")
    parser.add_argument("--broker", choices=["embedded", "kafka"], default="embedded", help="of `dispatch`")
    parser.add_argument("--instances", nargs="+", metavar="NAME", help="of `itc2019`; all of them if not given")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    for name in options.what or _ALL:
        if name == "curriculum":
            curriculum.measure(options.seconds, options.seeds, options.workers)
        elif name == "itc2019":
            itc2019.measure(options.seconds, options.seeds, options.workers, options.instances)
        elif name == "university":
            university.measure(options.seconds, options.workers)
        elif name == "service":
            service.measure()
        elif name == "responsiveness":
            responsiveness.measure()
        elif name == "load":
            load.measure()
        else:
            dispatch.measure(options.broker)
    return 0


if __name__ == "__main__":
    sys.exit(main())
