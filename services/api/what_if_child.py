"""The child process that answers what-if questions: it keeps the timetables asked about last ready.

Owns what is kept. Only `services.api.what_if` starts it
and talks to it. It knows no database and no network, and ends when its standard input does.
"""

from __future__ import annotations

import gc
import os
import pickle
import resource
import sys
from collections import OrderedDict
from typing import BinaryIO

from schemas.problem.findings import InvalidInputError
from schemas.problem.read import parse_problem
from schemas.timetable import Timetable
from schemas.whatif.alternatives import alternatives
from schemas.whatif.board import Board
from schemas.whatif.evaluate import evaluate
from services.api.rendering import decompressed
from services.api.what_if_messages import LENGTH, Question, Reply

# Timetables that are kept: 45 MB each for a university of 19,000 students.
MAX_BOARDS = 4


class Boards:
    """The timetables that are ready."""

    def __init__(self) -> None:
        self._boards: OrderedDict[str, Board] = OrderedDict()

    def reply(self, question: Question) -> Reply:
        try:
            board = self._board(question)
            return Reply() if board is None else Reply(_answer(board, question))
        except InvalidInputError as error:
            return Reply(invalid=error)
        except MemoryError:
            # Whatever else is kept goes first; the next question makes it ready again.
            alone = not self._boards
            self._boards.clear()
            return Reply(too_large=True) if alone else self.reply(question)

    def _board(self, question: Question) -> Board | None:
        board = self._boards.get(question.key)
        if board is None and question.content is not None:
            content = question.content
            problem = parse_problem(decompressed(content.problem_zstd), content.problem_format)
            board = Board(problem, Timetable.model_validate_json(decompressed(content.timetable_zstd)))
            self._boards[question.key] = board
            while len(self._boards) > MAX_BOARDS:
                self._boards.popitem(last=False)
            # Millions of objects that live on: the collector need not look at them during every question.
            gc.freeze()
        if board is not None:
            self._boards.move_to_end(question.key)
        return board


def _answer(board: Board, question: Question) -> bytes:
    if question.move is not None:
        return evaluate(board, question.move).model_dump_json(by_alias=True).encode()
    return alternatives(board, question.class_id, question.limit).model_dump_json(by_alias=True).encode()


def main() -> None:
    """Answer until the parent closes the pipe. The argument is the most memory to use, in MiB."""
    limit = int(sys.argv[1]) * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not look like an answer
    boards = Boards()
    while (question := _read(sys.stdin.buffer)) is not None:
        reply = pickle.dumps(boards.reply(question))
        output.write(LENGTH.pack(len(reply)) + reply)
        output.flush()


def _read(stream: BinaryIO) -> Question | None:
    prefix = stream.read(LENGTH.size)
    if len(prefix) < LENGTH.size:
        return None
    question = pickle.loads(stream.read(*LENGTH.unpack(prefix)))  # noqa: S301  # our own parent's
    return question if isinstance(question, Question) else None


if __name__ == "__main__":
    main()
