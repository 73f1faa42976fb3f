// What differs between two timetables of one problem. Owns the comparison. Must not know how it is shown.

/** `{changed: [{cls, other, time, room}], counts: {same, time, room, both}, students}` of two models. */
export function differences(left, right) {
  const changed = [];
  const counts = { same: 0, time: 0, room: 0, both: 0 };
  for (const cls of left.classes.values()) {
    const other = right.classes.get(cls.id);
    const time = (cls.time?.id ?? null) !== (other?.time?.id ?? null);
    const room = cls.room !== (other?.room ?? null);
    counts[time && room ? "both" : time ? "time" : room ? "room" : "same"] += 1;
    if (time || room) changed.push({ cls, other, time, room });
  }
  return { changed, counts, students: movedStudents(left, right) };
}

/** How many students attend other classes. */
function movedStudents(left, right) {
  let moved = 0;
  for (const [student, classes] of left.by.student) {
    const others = new Set((right.by.student.get(student) ?? []).map((cls) => cls.id));
    if (others.size !== classes.length || classes.some((cls) => !others.has(cls.id))) moved += 1;
  }
  return moved;
}
