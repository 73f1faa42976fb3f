// A timetable indexed for reading: who and what meets where and when. Owns the indexes, made once per timetable. Must
// not know the page. Every question a view asks is then one look-up.

import { DAYS } from "../words.js";

export const KINDS = ["room", "instructor", "student", "curriculum", "course"];

/** Put the problem's directory and a timetable together. Entries of the directory are rows; see the server's side. */
export function buildModel(directory, timetable) {
  const calendar = directory.calendar;
  const times = new Map(directory.times.map((row) => [row[0], readTime(row, calendar)]));
  const rooms = new Map(
    directory.rooms.map(([id, name, building, capacity, features]) => [id, { id, name, building, capacity, features }]),
  );
  const people = new Map(directory.instructors.map(([id, name]) => [id, name]));
  const classes = new Map();
  const by = { room: new Map(), instructor: new Map(), student: new Map(), course: new Map() };
  for (const [course, courseName, rows] of directory.courses) {
    const own = rows.map(([id, limit, config, subpart, instructors]) => ({
      id,
      course,
      courseName,
      limit,
      config,
      subpart,
      instructors,
      time: null,
      room: null,
      students: 0,
      unplaced: null,
    }));
    for (const one of own) classes.set(one.id, one);
    by.course.set(course, own);
  }
  for (const { class: id, time, room } of timetable.placements) {
    const one = classes.get(id);
    if (!one) continue;
    one.time = times.get(time) ?? null;
    one.room = room ?? null;
    if (room) push(by.room, room, one);
  }
  for (const one of classes.values()) for (const instructor of one.instructors) push(by.instructor, instructor, one);
  for (const { class: id, reason } of timetable.unplaced ?? []) if (classes.has(id)) classes.get(id).unplaced = reason;
  for (const { student, classes: attended } of timetable.enrolments ?? []) {
    const own = attended.map((id) => classes.get(id)).filter(Boolean);
    by.student.set(student, own);
    for (const one of own) one.students += 1;
  }
  const curricula = new Map(directory.curricula.map(([id, name, ids]) => [id, { id, name, courses: ids }]));
  const model = {
    name: directory.name,
    calendar,
    times,
    rooms,
    classes,
    people,
    curricula,
    by,
    timetable,
    weeksDiffer: [...times.values()].some((time) => !time.everyWeek),
    frame: frameOf(classes.values(), calendar),
    entries: {},
  };
  model.entries = entriesOf(directory, model);
  return model;
}

/** The classes of one room, instructor, student, curriculum or course; for a curriculum those of all of its courses. */
export function classesOf(model, kind, id) {
  if (kind === "curriculum")
    return (model.curricula.get(id)?.courses ?? []).flatMap((course) => model.by.course.get(course) ?? []);
  return model.by[kind]?.get(id) ?? [];
}

export const entryOf = (model, kind, id) => model.entries[kind].find((entry) => entry.id === id) ?? null;

function push(index, key, value) {
  const list = index.get(key);
  if (list) list.push(value);
  else index.set(key, [value]);
}

/** Bit strings and slots as days, weeks and minutes after midnight. */
function readTime([id, weeks, days, start, length], calendar) {
  const [hours, minutes] = calendar.first_slot.split(":").map(Number);
  const from = hours * 60 + minutes + start * calendar.slot_minutes;
  const marked = [...days].flatMap((bit, day) => (bit === "1" ? [day] : []));
  return {
    id,
    weeks,
    days: marked,
    from,
    until: from + length * calendar.slot_minutes,
    everyWeek: !weeks.includes("0"),
    weekWords: weekWords(weeks),
  };
}

/** "weeks 1–7", "odd weeks", "weeks 1, 3, 8–10"; empty for every week. */
export function weekWords(bits) {
  if (!bits.includes("0")) return "";
  const numbers = [...bits].flatMap((bit, week) => (bit === "1" ? [week + 1] : []));
  if (bits.length > 3 && numbers.length > 2) {
    if (numbers.length === Math.ceil(bits.length / 2) && numbers.every((week) => week % 2 === 1)) return "odd weeks";
    if (numbers.length === Math.floor(bits.length / 2) && numbers.every((week) => week % 2 === 0)) return "even weeks";
  }
  const runs = [];
  for (const week of numbers) {
    if (runs.length && runs.at(-1)[1] === week - 1) runs.at(-1)[1] = week;
    else runs.push([week, week]);
  }
  return `${numbers.length === 1 ? "week" : "weeks"} ${runs.map(([a, b]) => (a === b ? a : b === a + 1 ? `${a}, ${b}` : `${a}–${b}`)).join(", ")}`;
}

/** The days and hours that any class uses: one frame for all views, so that nothing jumps between rooms. */
function frameOf(classes, calendar) {
  let from = Infinity;
  let until = -Infinity;
  let lastDay = Math.min(5, calendar.days) - 1;
  for (const { time } of classes) {
    if (!time) continue;
    from = Math.min(from, time.from);
    until = Math.max(until, time.until);
    lastDay = Math.max(lastDay, ...time.days);
  }
  if (from > until) [from, until] = [8 * 60, 18 * 60];
  return { from: Math.floor(from / 60) * 60, until: Math.ceil(until / 60) * 60, days: DAYS.slice(0, lastDay + 1) };
}

/** What can be searched, by kind: id, label, what distinguishes it, and the text that is searched. */
function entriesOf(directory, model) {
  const size = (kind, id) => model.by[kind].get(id)?.length ?? 0;
  const entry = (id, name, hint, classes) => ({
    id,
    label: name ? `${name}` : id,
    code: name ? id : "",
    hint,
    classes,
    text: `${id} ${name ?? ""} ${hint}`.toLowerCase(),
  });
  return {
    room: directory.rooms.map(([id, name, building, capacity]) =>
      entry(id, name, [building, `${capacity} seats`].filter(Boolean).join(" · "), size("room", id)),
    ),
    instructor: directory.instructors.map(([id, name]) => entry(id, name, "", size("instructor", id))),
    student: directory.students.map(([id, name]) => entry(id, name, "", size("student", id))),
    curriculum: directory.curricula.map(([id, name, courses]) =>
      entry(id, name, `${courses.length} courses`, courses.length),
    ),
    course: directory.courses.map(([id, name, rows]) =>
      entry(id, name, rows.length === 1 ? "1 class" : `${rows.length} classes`, rows.length),
    ),
  };
}

/** "09:05" */
export const clock = (minutes) =>
  `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;

/** "Mon, Wed 09:00–09:50" */
export function whenWords(time) {
  if (!time) return "no time";
  return `${time.days.map((day) => DAYS[day].slice(0, 3)).join(", ")} ${clock(time.from)}–${clock(time.until)}`;
}
