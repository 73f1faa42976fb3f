"""Columns of the arrays that a running search changes.

Owns the layout that the kernels share. Must not know what they do with it.

    time, place [classes]: kept apart from `st`, the two that every inner loop reads
    st [classes, 8]: room, links of the room's list of classes, students, number of mates, last joint move, the time
        that `prospects` and `busy` reckon with, the room that `busy` does
    own [classes, 6]: the class's part in the objective (violations, their weight, cost), the penalties of its
        options, its own extra weight. Kept exact by every move, so that the old side of a delta is always known.
    con [rules, 2]: weight of a hard violation, measure
    rooms [rooms + 1, 4]: place, row of `blocked`, first class, stamp; the last row is "no room"
    mates int32[mates_size, 2]: class with common students, how many; unordered, from classes[i, MATES_AT] on
    mate_at int16[classes, classes]: where i's list has class j, from 1 on; 0 if it has not. Empty if there are too many
        classes for it (`state.MAX_INDEXED`): then lists are searched.
    prospects int32[3, time options]: for every class and time in its list that time, how many classes it would clash
        with and must not, and what those cost that it should not clash with, students among them. A class's columns
        are filled up to whole blocks (`overlaps.BLOCK`) with times of -1.
    lists int32: for each class its first column in `prospects`, how many blocks it has there, and where the rows of its
        list of times begin, one row for each time, in `overlaps` or, if that is empty, behind these: then a row is an
        offset, and up to the next one's are the places in the list of the times that overlap this one. If that takes
        too long (`overlaps.MAX_LOOKS`) there are none, and all times of a list are looked at.
    overlaps int8: rows of a byte for each column of a list, 1 for a time that overlaps this one; or empty
    busy int16[times, rooms]: how many classes are in the room at a time that overlaps this one, one more where the room
        is closed. Empty if there would be too many entries (`state.MAX_BUSY`). More than 32,767 classes at once would
        only mislead proposals.
    slots: class of each student slot or -1; chosen [requests]: configuration or -1
    par: the scalars below
All are int64 but `mates`, `mate_at`, `prospects`, `lists`, `overlaps` and `busy`, the largest: one integer type means
one compiled version of each function. The numbers are constants to numba.
"""

from __future__ import annotations

ROOM, NEXT, PREVIOUS, STUDENTS, MATES_LEN, JOINT, SEEN, SEEN_ROOM = range(8)
OWN_HARD, OWN_WEIGHT, OWN_SOFT, OWN_TIME, OWN_ROOM, OWN_EXTRA = range(6)
CON_WEIGHT, CON_MEASURE = range(2)
PROSPECT_TIME, PROSPECT_HARD, PROSPECT_SOFT = range(3)
LIST_AT, LIST_BLOCKS, LIST_ROWS = range(3)
LIST_COLUMNS = 3
ROOM_PLACE, ROOM_BLOCKED, ROOM_HEAD, ROOM_STAMP = range(4)
(
    PAR_WEEKS,
    PAR_DAYS,
    PAR_NO_ROOM,
    PAR_STUDENT,  # weight of a student conflict
    PAR_DISTRIBUTION,
    PAR_TIME,
    PAR_ROOM,
    PAR_STAMP,
    PAR_BASE,  # weight of a hard violation
    PAR_SOFT_ON,  # 0: soft costs do not count in acceptance
    PAR_HARD,  # violations now
    PAR_SOFT,  # weighted cost now
    PAR_BEST_HARD,
    PAR_BEST_SOFT,
    PAR_MOVES,
    PAR_UNSECTIONED,
    PAR_HOT,  # requests listed in `hot`: unsectioned or in a student conflict when the slice began
    PAR_BAD,  # classes listed in `bad`: in a violation when the slice began
    PAR_CHECK,  # moves between two looks whether the timetable is the best yet
    PAR_KEPT_AT,  # where the pool has the classes that students should go on attending, by slot; -1 if none
    PAR_KEPT,  # weight of one that a student has left
    PAR_JOINT,  # joint moves tried, by which each knows its classes
    PAR_UNDO,  # entries of `undo`; -1: sectionings are not written down
    PAR_PROSPECTS,  # 1: `prospects` and `busy` are kept up to date
    PAR_SETTLED,  # class moves that were accepted and took another time
) = range(25)
PAR_SIZE = 25
