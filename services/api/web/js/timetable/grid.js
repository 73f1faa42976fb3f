// The week as a grid and as a list. Owns how meetings look and how the arrow keys go between them. Must not know where
// the classes come from.

import { h } from "../dom.js";
import { many } from "../words.js";
import { meetingsByDay } from "./meetings.js";
import { clock } from "./model.js";

// As --hour in timetable.css.
const HOUR_PX = 56;
// Below these heights a meeting has room for two lines, and for one.
const TWO_LINES_PX = 60;
const ONE_LINE_PX = 34;
// Below this width of a column a name cannot be read: the grid scrolls in its own frame instead.
const NARROWEST_PX = 74;
const DAY_PX = 118;
// Where two meetings at once are a clash, and not alternatives.
const EXCLUSIVE = new Set(["room", "instructor", "student"]);

/** The grid of a week. `open(cls, button)` when a meeting is chosen. */
export function weekGrid(model, kind, classes, week, open) {
  const { frame } = model;
  const byDay = meetingsByDay(classes, frame.days.length, week);
  const hours = [];
  for (let minute = frame.from; minute < frame.until; minute += 60) hours.push(minute);
  const widths = byDay.map((meetings) => Math.max(DAY_PX, ...meetings.map(({ columns }) => columns * NARROWEST_PX)));
  const columns = byDay.map((meetings, day) =>
    h(
      "div",
      {
        class: "day",
        role: "listitem",
        "aria-label": `${frame.days[day]}, ${many(meetings.length, "meeting")}`,
        dataset: { day },
      },
      meetings.map((meeting) => block(model, kind, meeting, frame, open)),
    ),
  );
  const node = h(
    "div",
    {
      class: "week",
      css: {
        "--hours": hours.length,
        "--columns": `3.2rem ${widths.map((px) => `minmax(${px}px, 1fr)`).join(" ")}`,
      },
      on: { keydown: (event) => onKey(event, columns) },
    },
    h(
      "div",
      { class: "week-head", "aria-hidden": "true" },
      h("span"),
      frame.days.map((day) => h("span", {}, day)),
    ),
    h(
      "div",
      { class: "week-body", role: "list" },
      h(
        "div",
        { class: "hours", role: "presentation", "aria-hidden": "true" },
        hours.map((minute) => h("span", {}, clock(minute))),
      ),
      columns,
    ),
  );
  return node;
}

function block(model, kind, { cls, from, until, column, columns, clash }, frame, open) {
  const wrong = clash && EXCLUSIVE.has(kind);
  const height = ((until - from) / 60) * HOUR_PX - 2;
  const { title, lines } = wordsOf(model, kind, cls);
  const short = height < TWO_LINES_PX;
  const signs = [
    wrong && h("span", { class: "m-clash" }, "clash"),
    cls.time.weekWords && h("span", { class: "m-weeks" }, cls.time.weekWords),
  ];
  const button = h(
    "button",
    {
      type: "button",
      class: `meeting${wrong ? " clash" : ""}${height < ONE_LINE_PX ? " low" : short ? " short" : ""}`,
      dataset: { cls: cls.id },
      "aria-label": [
        `${clock(from)} to ${clock(until)}`,
        cls.courseName ?? cls.course,
        ...lines,
        cls.time.weekWords,
        wrong && "clash",
      ]
        .filter(Boolean)
        .join(", "),
      css: {
        "--hue": hue(kind === "course" ? cls.subpart : cls.course),
        // In hours, whose height paper has another idea of than the screen.
        "--from": (from - frame.from) / 60,
        "--span": (until - from) / 60,
        left: `${(column / columns) * 100}%`,
        width: `calc(${100 / columns}% - 3px)`,
      },
      on: { click: () => open(cls, button) },
    },
    h("span", { class: "m-title" }, title),
    h("span", { class: "m-line" }, short && signs, lines.join(" · ")),
    !short && h("span", { class: "m-time" }, clock(from), signs),
  );
  return button;
}

/** What a reader of this kind of view wants to know beside the class itself. */
function wordsOf(model, kind, cls) {
  const room = cls.room ? (model.rooms.get(cls.room)?.name ?? cls.room) : null;
  const people = cls.instructors.map((id) => model.people.get(id) ?? id);
  const course = cls.courseName ?? cls.course;
  // All classes of a course have its name: there the class comes first.
  if (kind === "course") return { title: cls.id, lines: [room, ...people].filter(Boolean) };
  if (kind === "room") return { title: course, lines: [cls.id, ...people] };
  if (kind === "instructor") return { title: course, lines: [cls.id, room].filter(Boolean) };
  return { title: course, lines: [cls.id, room, ...people].filter(Boolean) };
}

/** Up and down within a day, left and right to the nearest meeting of the next day that has one. */
function onKey(event, columns) {
  const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
  const button = event.target.closest(".meeting");
  if (!step || !button) return;
  event.preventDefault();
  const day = columns.findIndex((column) => column.contains(button));
  if (step[1]) {
    const all = [...columns[day].children];
    all[all.indexOf(button) + step[1]]?.focus();
    return;
  }
  for (let next = day + step[0]; columns[next]; next += step[0]) {
    const near = [...columns[next].children].sort(
      (a, b) => Math.abs(a.offsetTop - button.offsetTop) - Math.abs(b.offsetTop - button.offsetTop),
    )[0];
    if (near) {
      near.focus();
      return;
    }
  }
}

/** The same week as a list by day: for narrow screens, screen readers and print. */
export function weekList(model, kind, classes, week, open) {
  const byDay = meetingsByDay(classes, model.frame.days.length, week);
  const days = byDay.map(
    (meetings, day) =>
      meetings.length > 0 &&
      h(
        "section",
        { class: "agenda-day" },
        h("h3", {}, model.frame.days[day]),
        h(
          "ul",
          {},
          meetings.map((meeting) => agendaRow(model, kind, meeting, open)),
        ),
      ),
  );
  return h("div", { class: "agenda" }, days);
}

function agendaRow(model, kind, { cls, from, until, clash }, open) {
  const wrong = clash && EXCLUSIVE.has(kind);
  const { title, lines } = wordsOf(model, kind, cls);
  const button = h(
    "button",
    {
      type: "button",
      class: `agenda-row${wrong ? " clash" : ""}`,
      dataset: { cls: cls.id },
      css: { "--hue": hue(cls.course) },
      on: { click: () => open(cls, button) },
    },
    h("span", { class: "a-time" }, `${clock(from)}–${clock(until)}`),
    h(
      "span",
      { class: "a-what" },
      h("span", { class: "strong" }, title),
      h("span", { class: "hint" }, lines.join(" · ")),
    ),
    h("span", { class: "a-weeks" }, [cls.time.weekWords, wrong && "clash"].filter(Boolean).join(" · ")),
  );
  return h("li", {}, button);
}

/** A colour for a course: the same one in every view and every variant. */
export function hue(text) {
  let hash = 2166136261;
  for (let n = 0; n < text.length; n += 1) hash = Math.imul(hash ^ text.charCodeAt(n), 16777619);
  return String(((hash >>> 0) % 24) * 15);
}
