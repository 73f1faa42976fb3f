"""Columns of the arrays that a running search changes.

Owns the layout that the kernels share. Must not know what they do with it.

    time, place [classes]: kept apart from `st`, the two that every inner loop reads
    st [classes, 7]: room, links of the room's list of classes, students, and the options taken by position in the
        class's lists (time, room, place)
    cells [cells, 2]: for every class, time option and place (see `GeneralModel.classes`): what the class would violate
        and cost there, as far as it hangs on pairs of times and places: weight of violations, weighted cost. Kept exact
        by every move of anybody, so that looking at an option is a look into a table.
    load int32[times, rooms + 1]: classes in the room that overlap the time, one more while the room is unavailable
    pair_weight [pairs]: weight of a hard violation of the pair
    con [rules, 2]: weight of a hard violation, measure; of rules on a whole set
    rooms [rooms + 1, 5]: place, row of `blocked`, first class, stamp, weight of a conflict; the last row is "no room"
    mates int32[mates_size]: common students of a class and another one (`GeneralModel.mate_class`)
    slots: class of each student slot or -1; chosen [requests]: configuration or -1
    par: the scalars below
All are int64 but the largest: one integer type means one compiled version of each function. The numbers are constants
to numba.
"""

from __future__ import annotations

ROOM, NEXT, PREVIOUS, STUDENTS, TIME_OPTION, ROOM_OPTION, PLACE_OPTION = range(7)
HARD, SOFT = range(2)
CON_WEIGHT, CON_MEASURE = range(2)
ROOM_PLACE, ROOM_BLOCKED, ROOM_HEAD, ROOM_STAMP, ROOM_WEIGHT = range(5)
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
    PAR_SOFT_ON,  # 0: soft costs do not count in acceptance, and are not kept in `cells`
    PAR_HARD,  # violations now
    PAR_SOFT,  # weighted cost now
    PAR_BEST_HARD,
    PAR_BEST_SOFT,
    PAR_MOVES,
    PAR_UNSECTIONED,
    PAR_HOT,  # requests listed in `hot`: unsectioned or in a student conflict when the slice began
    PAR_BAD,  # classes listed in `bad`: in a violation when the slice began
    PAR_CHECK,  # moves between two looks whether the timetable is the best yet
    PAR_DOMAINS,  # distinct lists of time options
    PAR_TABLED,  # 0: `cells` has room for one class only and is filled for the one that is looked at
) = range(21)
PAR_SIZE = 24
