// Reading a timetable: by room, instructor, student, curriculum or course; one week or all. Owns what is shown and its
// address. Must not know how the week is drawn or how anything is found.

import { get } from "../api.js";
import { fill, h, setText } from "../dom.js";
import { icon } from "../icons.js";
import { jobHead, variantPicker } from "../job/head.js";
import { problemOf } from "../problems.js";
import { go, noteInAddress } from "../router.js";
import { shortcut } from "../shortcuts.js";
import { count, many, sentence } from "../words.js";
import { mentions } from "../violations.js";
import { detailsPanel } from "./details.js";
import { exportButton } from "./exports.js";
import { weekGrid, weekList } from "./grid.js";
import { loadTimetable } from "./load.js";
import { weeklyHours } from "./meetings.js";
import { KINDS, classesOf, entryOf, whenWords } from "./model.js";
import { typeAhead } from "./search.js";
import { weekChoice } from "./weeks.js";

const NARROW = "(max-width: 720px)";

export async function showTimetable(outlet, at) {
  const number = Number(at.variant);
  const job = await get(`/api/timetables/${at.job}`, { signal: at.signal });
  const problem = await problemOf(job.problem_id, at.signal);
  let state = null;
  const exporting = exportButton(
    job.job_id,
    number,
    () => state && state.entry && { kind: state.kind, id: state.entry.id, label: state.entry.label },
    lacks,
  );
  const picker = variantPicker(job, number, (next) => go(`/jobs/${job.job_id}/variants/${next}`, at.query));
  const printing = h(
    "button",
    { type: "button", class: "no-phone", on: { click: () => window.print() } },
    icon("print"),
    "Print",
  );
  const head = jobHead(job, problem, "timetable", {
    variant: number,
    actions: [picker, printing, exporting].filter(Boolean),
  });
  const stage = h(
    "div",
    { class: "tt" },
    h("p", { class: "busy" }, icon("spin", "turning"), "Fetching the timetable …"),
  );
  outlet.append(h("div", { class: "page wide" }, head.node, stage));

  const model = await loadTimetable(job.job_id, number, at.signal);
  const verdict = job.variants.find((variant) => variant.variant === number)?.violations ?? [];
  const kinds = KINDS.filter((kind) => model.entries[kind].length);
  const narrow = window.matchMedia(NARROW);
  state = {
    kind: null,
    entry: null,
    week: at.query.week ? Number(at.query.week) - 1 : null,
    mode: at.query.as ?? null,
  };

  const tabs = h(
    "div",
    { class: "segments", role: "group", "aria-label": "Show by" },
    kinds.map((kind) =>
      h("button", { type: "button", dataset: { kind }, on: { click: () => see(kind, firstOf(kind)) } }, sentence(kind)),
    ),
  );
  const search = typeAhead("Find", (entry) => see(state.kind, entry.id));
  const back = h(
    "button",
    { type: "button", class: "square", on: { click: () => step(-1) } },
    icon("left"),
    h("span", { class: "sr" }, "Previous"),
  );
  const forth = h(
    "button",
    { type: "button", class: "square", on: { click: () => step(1) } },
    icon("right"),
    h("span", { class: "sr" }, "Next"),
  );
  const weeks = weekChoice(model, (week) => {
    state.week = week;
    draw();
  });
  const modes = h(
    "div",
    { class: "segments", role: "group", "aria-label": "Show as" },
    [
      ["grid", "Week"],
      ["list", "List"],
    ].map(([mode, label]) =>
      h(
        "button",
        {
          type: "button",
          title: label,
          dataset: { mode },
          on: {
            click: () => {
              state.mode = mode;
              draw();
            },
          },
        },
        icon(mode),
        h("span", { class: "sr" }, label),
      ),
    ),
  );
  const facts = h("p", { class: "tt-facts", role: "status" });
  const sheet = h("div", { class: "sheet" });
  const details = detailsPanel(
    model,
    see,
    (id) => verdict.filter((text) => mentions(text, id)),
    problem && `/api/timetables/${job.job_id}/variants/${number}`,
    at.signal,
  );
  fill(
    stage,
    h("div", { class: "toolbar" }, tabs, h("div", { class: "finder" }, back, search.node, forth), weeks?.node, modes),
    facts,
    h("div", { class: "sheet-and-details" }, sheet, details.node),
  );

  shortcut("/", "Search in the timetable", search.focus, at.signal);
  shortcut("[", "Previous room, instructor, …", () => step(-1), at.signal);
  shortcut("]", "Next room, instructor, …", () => step(1), at.signal);
  kinds.forEach((kind, n) => shortcut(String(n + 1), `By ${kind}`, () => see(kind, firstOf(kind)), at.signal));
  if (weeks) shortcut("w", "Next week", weeks.next, at.signal);
  document.addEventListener("keydown", (event) => event.key === "Escape" && details.close(), { signal: at.signal });
  narrow.addEventListener("change", draw, { signal: at.signal });

  const wantedKind = kinds.includes(at.query.by) ? at.query.by : kinds[0];
  see(wantedKind, at.query.of && entryOf(model, wantedKind, at.query.of) ? at.query.of : firstOf(wantedKind));
  if (at.query.class && model.classes.has(at.query.class)) details.open(model.classes.get(at.query.class), null);

  function lacks(format) {
    if (format === "ics" && state && !model.calendar.first_day) return "needs 'first_day' in the problem's calendar";
    if (format === "solution" && !["ctt", "tim"].includes(problem?.format)) return "only for problems sent as .ctt or .tim";
    return null;
  }

  function see(kind, id) {
    state.kind = kind;
    state.entry = entryOf(model, kind, id);
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.kind === kind));
    search.set(model.entries[kind], state.entry);
    draw();
  }

  /** The one with the most to show is the best first impression; the last one looked at is better still. */
  function firstOf(kind) {
    if (state.kind === kind && state.entry) return state.entry.id;
    const first = model.entries[kind].reduce(
      (best, entry) => (entry.classes > best.classes && entry.classes <= 30 ? entry : best),
      model.entries[kind][0],
    );
    return first.id;
  }

  function step(by) {
    const all = model.entries[state.kind];
    const next = all[(all.indexOf(state.entry) + by + all.length) % all.length];
    see(state.kind, next.id);
  }

  function draw() {
    const classes = classesOf(model, state.kind, state.entry.id);
    const mode = state.mode ?? (narrow.matches ? "list" : "grid");
    for (const button of modes.children) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    weeks?.show(state.week);
    details.close();
    setText(facts, factsOf(model, state, classes));
    const placed = classes.filter((cls) => cls.time);
    const shown = (mode === "list" ? weekList : weekGrid)(model, state.kind, placed, state.week, details.open);
    fill(
      sheet,
      h("h2", { class: "print-title" }, `${sentence(state.kind)} ${state.entry.label}`),
      placed.length || mode === "grid" ? shown : h("p", { class: "empty-line" }, "No classes."),
      unplacedOf(classes),
    );
    noteInAddress({
      by: state.kind,
      of: state.entry.id,
      week: state.week === null ? null : state.week + 1,
      as: state.mode,
    });
  }

  function unplacedOf(classes) {
    const missing = classes.filter((cls) => !cls.time);
    if (!missing.length) return null;
    return h(
      "section",
      { class: "card unplaced" },
      h("h3", {}, many(missing.length, "class without a place", "classes without a place")),
      h(
        "ul",
        { class: "reasons" },
        missing.map((cls) => h("li", {}, h("strong", {}, cls.id), cls.unplaced ? `: ${cls.unplaced}` : "")),
      ),
    );
  }
}

/** "12 classes · 18.5 h a week · 40 seats, 81 % full on average" */
function factsOf(model, { kind, entry }, classes) {
  const hours = weeklyHours(classes, model.calendar.weeks);
  const parts = [`${sentence(kind)} ${entry.label}`, many(classes.length, "class", "classes")];
  if (hours)
    parts.push(
      `${count(Math.round(hours * 10) / 10)} h a week${kind === "course" || kind === "curriculum" ? " over all alternatives" : ""}`,
    );
  if (kind === "room") {
    const { capacity } = model.rooms.get(entry.id);
    parts.push(many(capacity, "seat"));
    const fills = classes
      .filter((cls) => cls.time && capacity)
      .map((cls) => (model.by.student.size ? cls.students : cls.limit) / capacity);
    if (fills.length)
      parts.push(`${Math.round((fills.reduce((sum, fill) => sum + fill, 0) / fills.length) * 100)} % full on average`);
  }
  if (kind === "student" && model.timetable.unsectioned) {
    const missing = model.timetable.unsectioned.filter((one) => one.student === entry.id);
    if (missing.length) parts.push(`without ${missing.map((one) => one.course).join(", ")}`);
  }
  const first = classes.find((cls) => cls.time);
  if (classes.length === 1 && first) parts.push(whenWords(first.time));
  return parts.join(" · ");
}
