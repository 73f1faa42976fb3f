"""The child process: an order in on standard input, frames out on what was standard output.

Owns the process: its pipes, its limits, its end. What an order means is `carry_out`'s. Must not know the database, the
broker, or which job this is.

It ends with its parent: the kernel kills it when the parent dies, and its reader ends it when the pipe closes. Anything
that a library prints goes to standard error, so it cannot break a frame.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import queue
import signal
import sys
import threading
import traceback
from importlib import import_module
from typing import Any, BinaryIO

from services.solver.frames import BrokenFrameError, Frame, encode_frame, read_frame
from services.solver.order import STOP, Contents, Order, read_order

_PR_SET_PDEATHSIG = 1
_OOM_SCORE = 500  # under memory pressure the kernel shall take the search and leave the service


class Service:
    """The other end of the pipe. Frames may be sent from any thread."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._lock = threading.Lock()

    def send(self, kind: str, body: bytes = b"", **header: Any) -> None:
        frame = encode_frame(kind, body, **header)
        with self._lock:
            self._output.write(frame)
            self._output.flush()

    def progress(self, stage: str, share: float = 0.0, **header: Any) -> None:
        self.send("progress", stage=stage, share=share, **header)


class Orders:
    """Reads frames from the service in a thread of its own: the order, and later perhaps `stop`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._received: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        self.stop = threading.Event()
        threading.Thread(target=self._read, daemon=True, name="orders").start()

    def order(self) -> tuple[Order, Contents]:
        """Wait for the order and what travels with it."""
        return read_order(self._received.get())

    def _read(self) -> None:
        try:
            while (frame := read_frame(self._stream)) is not None:
                if frame.kind == STOP:
                    self.stop.set()
                else:
                    self._received.put(frame)
        except (BrokenFrameError, OSError) as error:
            sys.stderr.write(f"orders end: {error}\n")
        # The service is gone. Nobody waits for a result, and nothing here needs closing.
        os._exit(0)


def main() -> None:
    """Set the process up, then do what the order says. Every end is told in a frame, but for a crash."""
    arguments = _arguments()
    service = Service(_private_output())
    _die_with_parent(arguments.parent)
    _restrict(arguments.nice, arguments.memory_mb)
    if arguments.warm_up:
        _warm_up()
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the service, which hands over
    orders = Orders(sys.stdin.buffer)
    if not arguments.judge_only:
        _preheat()
    order, contents = orders.order()
    from services.solver.carry_out import carry_out  # brings the search with it
    from services.solver.loading import BadInputError

    try:
        carry_out(service, orders.stop, order, contents)
    except BadInputError as error:
        service.send("error", code=error.code, message=str(error), retryable=False, details=error.details)
    except MemoryError:
        service.send(
            "error",
            code="out_of_memory",
            message="The problem needs more memory than a solver may use. Give the solver more, or split the problem.",
            retryable=True,
            details=[],
        )
    except Exception as error:  # noqa: BLE001  # the process's edge: our own defect, told with its traceback
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}"[:500]
        service.send("error", code="search_failed", message=text, retryable=True, details=[])
    # Neither wait for threads of native libraries nor trip over our reader: the service has all it needs.
    sys.stderr.flush()
    os._exit(0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.solver.child", description=__doc__)
    parser.add_argument("--parent", type=int, required=True, help="process id of the service")
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--memory-mb", type=int, default=None)
    parser.add_argument("--warm-up", action="store_true", help="compile the search kernels, then leave")
    parser.add_argument("--judge-only", action="store_true", help="no search will be ordered: start without it")
    return parser.parse_args()


def _private_output() -> BinaryIO:
    """Standard output for frames alone; whoever writes to descriptor 1 from now on writes to standard error."""
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "wb", buffering=1024 * 1024)


def _die_with_parent(parent: int) -> None:
    """Ask the kernel to kill us when the parent dies (Linux; elsewhere the closing pipe ends us, see `Orders`)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(0)


def _restrict(nice: int, memory_mb: int | None) -> None:
    if nice:
        os.nice(nice)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123  # not everywhere
        file.write(str(_OOM_SCORE))
    if memory_mb is not None:
        import resource

        limit = memory_mb * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _preheat() -> None:
    """Import what takes long while the service still fetches the problem."""
    from services.solver.jit_cache import use_jit_cache

    use_jit_cache()
    for module in ("numba", "services.solver.carry_out"):
        import_module(module)


def _warm_up() -> None:
    """Compile the kernels into the cache, where every later child finds them. Quick if they are there."""
    from services.solver.kernels import KERNELS, warm_up

    for kernel in KERNELS:
        warm_up(kernel)


if __name__ == "__main__":
    main()
