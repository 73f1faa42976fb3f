// Variants side by side: cost by part, and which classes two of them place differently. Owns the page. Must not know
// how differences are found.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { icon } from "../icons.js";
import { jobHead } from "../job/head.js";
import { problemOf } from "../problems.js";
import { link, noteInAddress } from "../router.js";
import { loadTimetable } from "../timetable/load.js";
import { whenWords } from "../timetable/model.js";
import { count, many } from "../words.js";
import { differences } from "./diff.js";
import { partsTable } from "./parts.js";

const AT_A_TIME = 200;

export async function showCompare(outlet, at) {
  const job = await get(`/api/timetables/${at.job}`, { signal: at.signal });
  const problem = await problemOf(job.problem_id, at.signal);
  const head = jobHead(job, problem, "compare");
  const variants = [...job.variants].sort((a, b) => a.variant - b.variant);
  if (variants.length < 2) {
    outlet.append(
      h(
        "div",
        { class: "page wide" },
        head.node,
        h("p", {}, "There is only one variant. Ask for two or more to compare them."),
      ),
    );
    return;
  }
  const best = job.best_variant ?? variants[0].variant;
  const given = (name, otherwise) =>
    variants.some((one) => one.variant === Number(at.query[name])) ? Number(at.query[name]) : otherwise;
  const a = given("a", best);
  const chosen = { a, b: given("b", variants.find((one) => one.variant !== a).variant) };
  const result = h("div", { class: "stack" });
  const diversity = h("p", { class: "hint" });
  const select = (name, label) => {
    const element = h(
      "select",
      {
        "aria-label": label,
        on: {
          change: () => {
            chosen[name] = Number(element.value);
            compare();
          },
        },
      },
      variants.map((one) =>
        h("option", { value: one.variant, selected: one.variant === chosen[name] }, `Variant ${one.variant}`),
      ),
    );
    return element;
  };
  outlet.append(
    h(
      "div",
      { class: "page wide" },
      head.node,
      h(
        "section",
        { class: "card", "aria-labelledby": "parts-title" },
        h("h2", { id: "parts-title" }, "Cost by part"),
        partsTable(variants, best),
        diversity,
      ),
      h(
        "section",
        { class: "card", "aria-labelledby": "diff-title" },
        h(
          "div",
          { class: "card-head" },
          h("h2", { id: "diff-title" }, "What is placed differently"),
          h("div", { class: "actions" }, select("a", "First variant"), icon("swap"), select("b", "Second variant")),
        ),
        result,
      ),
    ),
  );
  await Promise.all([compare(), tellDiversity()]);

  /** How different all of them are, as the server counts it; nothing if it cannot be told. */
  async function tellDiversity() {
    try {
      const found = await get(`/api/timetables/${job.job_id}/comparison`, { signal: at.signal });
      const share = (value) => `${Math.round(value * 100)} %`;
      fill(
        diversity,
        `On average two variants place ${share(found.diversity.classes)} of ${many(found.classes, "class", "classes")} `,
        `differently: ${share(found.diversity.times)} in time, ${share(found.diversity.rooms)} in room.`,
      );
    } catch (error) {
      if (error.name === "AbortError") throw error;
      diversity.remove();
    }
  }

  async function compare() {
    noteInAddress(chosen);
    fill(result, h("p", { class: "busy" }, icon("spin", "turning"), "Fetching both timetables …"));
    const left = await loadTimetable(job.job_id, chosen.a, at.signal);
    const right = await loadTimetable(job.job_id, chosen.b, at.signal);
    fill(result, shown(differences(left, right), chosen, left, right, job.job_id));
  }
}

function shown({ changed, counts, students }, chosen, left, right, jobId) {
  const total = counts.same + counts.time + counts.room + counts.both;
  const figure = (number, words) =>
    h(
      "div",
      { class: "figure" },
      h("span", { class: "big number" }, count(number)),
      h("span", { class: "hint" }, words),
    );
  const figures = h(
    "div",
    { class: "figures" },
    figure(counts.same, `of ${many(total, "class", "classes")} the same`),
    figure(counts.time, "other time"),
    figure(counts.room, "other room"),
    figure(counts.both, "other time and room"),
    left.by.student.size > 0 && figure(students, `of ${many(left.by.student.size, "student")} in other classes`),
  );
  if (!changed.length) return [figures, h("p", { class: "empty-line" }, "Both place every class alike.")];
  const body = h("tbody");
  const more = h("button", { type: "button", on: { click: grow } }, "Show more");
  const which = h(
    "select",
    { "aria-label": "Which differences", on: { change: restart } },
    [
      ["", "All differences"],
      ["time", "Other time"],
      ["room", "Other room"],
    ].map(([value, label]) => h("option", { value }, label)),
  );
  const search = h("input", {
    type: "search",
    class: "search",
    placeholder: "Filter by class or course …",
    "aria-label": "Filter by class or course",
    on: { input: restart },
  });
  let wanted = [];
  let at = 0;
  restart();
  return [
    figures,
    h("div", { class: "toolbar" }, search, which),
    h(
      "div",
      { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Differences" },
      h(
        "table",
        { class: "plain diff-table" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Class", `Variant ${chosen.a}`, `Variant ${chosen.b}`].map((name) => h("th", { scope: "col" }, name)),
          ),
        ),
        body,
      ),
    ),
    h("div", { class: "more" }, more),
  ];

  function restart() {
    const text = search.value.toLowerCase();
    wanted = changed.filter(
      (one) =>
        (!which.value || one[which.value]) && `${one.cls.id} ${one.cls.courseName ?? ""}`.toLowerCase().includes(text),
    );
    at = 0;
    body.replaceChildren();
    grow();
  }

  function grow() {
    body.append(
      ...wanted.slice(at, at + AT_A_TIME).map((one) =>
        h(
          "tr",
          {},
          h(
            "th",
            { scope: "row" },
            h(
              "a",
              {
                href: link(`/jobs/${jobId}/variants/${chosen.a}`, {
                  by: "course",
                  of: one.cls.course,
                  class: one.cls.id,
                }),
              },
              one.cls.id,
            ),
            one.cls.courseName && h("div", { class: "hint" }, one.cls.courseName),
          ),
          place(one.cls, one, left),
          place(one.other, one, right),
        ),
      ),
    );
    at += AT_A_TIME;
    more.hidden = at >= wanted.length;
  }
}

/** Where and when, with what differs standing out. */
function place(cls, { time, room }, model) {
  if (!cls?.time) return h("td", { class: "bad-text" }, "without a place");
  return h(
    "td",
    {},
    h(
      "div",
      { class: time ? "differs" : "alike" },
      whenWords(cls.time),
      cls.time.weekWords && ` (${cls.time.weekWords})`,
    ),
    h(
      "div",
      { class: room ? "differs" : "alike" },
      cls.room ? (model.rooms.get(cls.room)?.name ?? cls.room) : "no room",
    ),
  );
}
