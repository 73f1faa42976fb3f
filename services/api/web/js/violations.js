// The verdict on a variant: hard violations, classes without a place, requests that were not met. Owns the lists. Must
// not know how they were counted: the referee's words are shown as they are.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { jobHead, variantPicker } from "./job/head.js";
import { problemOf } from "./problems.js";
import { go, link } from "./router.js";
import { loadTimetable } from "./timetable/load.js";
import { count, many, plain } from "./words.js";

const AT_A_TIME = 100;
// What an id may be surrounded by in the referee's sentences.
const WORDS = /[\p{L}\p{N}][\p{L}\p{N}_.:/-]*[\p{L}\p{N}]|[\p{L}\p{N}]/gu;

/** Whether a sentence of the referee names this class. */
export const mentions = (text, id) => text.includes(`'${id}'`) || (text.match(WORDS) ?? []).includes(id);

export async function showViolations(outlet, at) {
  const number = Number(at.variant);
  const job = await get(`/api/timetables/${at.job}`, { signal: at.signal });
  const problem = await problemOf(job.problem_id, at.signal);
  const variant = job.variants.find((one) => one.variant === number);
  const picker = variantPicker(job, number, (next) => go(`/jobs/${job.job_id}/variants/${next}/violations`));
  const head = jobHead(job, problem, "violations", { variant: number, actions: [picker].filter(Boolean) });
  const body = h(
    "div",
    { class: "stack" },
    h("p", { class: "busy" }, icon("spin", "turning"), "Fetching the timetable …"),
  );
  outlet.append(h("div", { class: "page wide" }, head.node, body));
  if (!variant) {
    fill(body, h("p", {}, "There is no such variant."));
    return;
  }
  const model = await loadTimetable(job.job_id, number, at.signal);
  const { hard_violations: hard, hard: byRule } = variant.score;
  const base = `/jobs/${job.job_id}/variants/${number}`;
  const toClass = (id, text = id) =>
    h("a", { href: link(base, { by: "course", of: model.classes.get(id).course, class: id }) }, text);
  const linked = (text) => linkIds(text, model, toClass);
  const { unplaced = [], unsectioned = [] } = model.timetable;
  fill(
    body,
    h(
      "section",
      { class: `card outcome ${hard ? "warn" : "good"}` },
      icon(hard ? "warn" : "check"),
      h(
        "div",
        {},
        h("h2", {}, hard ? many(hard, "hard violation") : "Every hard rule is kept"),
        h(
          "p",
          {},
          hard
            ? Object.entries(byRule)
                .map(([rule, times]) => `${plain(rule)} ${count(times)}`)
                .join(" · ")
            : "Recounted by a referee that shares no code with the search.",
        ),
      ),
    ),
    longList(
      "Hard violations",
      variant.violations,
      (text) => h("li", {}, linked(text)),
      hard > variant.violations.length
        ? `The first ${count(variant.violations.length)} of ${count(hard)} are listed.`
        : "",
    ),
    longList("Classes without a place", unplaced, (one) =>
      h("li", {}, model.classes.has(one.class) ? toClass(one.class) : one.class, `: ${one.reason}`),
    ),
    longList("Course requests that could not be met", unsectioned, (one) =>
      h(
        "li",
        {},
        h("a", { href: link(base, { by: "student", of: one.student }) }, one.student),
        ` without ${one.course}: ${one.reason}`,
      ),
    ),
    costs(variant),
  );
}

/** The sentence with every id that is a class, room or instructor as a link to its place in the timetable. */
function linkIds(text, model, toClass) {
  const parts = [];
  let done = 0;
  for (const { 0: word, index } of text.matchAll(WORDS)) {
    const target = model.classes.has(word) ? toClass(word) : null;
    if (!target) continue;
    parts.push(text.slice(done, index), target);
    done = index + word.length;
  }
  return [...parts, text.slice(done)];
}

/** A card with a list that grows by a button, and a filter where it is long. */
function longList(title, items, row, hint = "") {
  if (!items.length) return null;
  let shown = 0;
  let wanted = items;
  const list = h("ul", { class: "reasons long" });
  const more = h("button", { type: "button", on: { click: grow } }, "Show more");
  const filter =
    items.length > 15 &&
    h("input", {
      type: "search",
      class: "search",
      placeholder: "Filter …",
      "aria-label": `Filter: ${title}`,
      on: {
        input: () => {
          const text = filter.value.toLowerCase();
          wanted = items.filter((item) => JSON.stringify(item).toLowerCase().includes(text));
          shown = 0;
          list.replaceChildren();
          grow();
        },
      },
    });
  function grow() {
    list.append(...wanted.slice(shown, shown + AT_A_TIME).map(row));
    shown += AT_A_TIME;
    more.hidden = shown >= wanted.length;
  }
  grow();
  return h(
    "section",
    { class: "card" },
    h(
      "div",
      { class: "card-head" },
      h("h2", {}, `${title} `, h("span", { class: "hint" }, count(items.length))),
      filter,
    ),
    hint && h("p", { class: "hint" }, hint),
    list,
    more,
  );
}

function costs(variant) {
  const entries = Object.entries(variant.score.cost)
    .filter(([, cost]) => cost)
    .sort((a, b) => b[1] - a[1]);
  const top = Math.max(1, ...entries.map(([, cost]) => cost));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Cost by part ", h("span", { class: "hint" }, count(variant.score.total))),
    entries.length
      ? h(
          "ul",
          { class: "bars" },
          entries.map(([part, cost]) =>
            h(
              "li",
              {},
              h("span", {}, plain(part)),
              h(
                "span",
                { class: "bar-track", "aria-hidden": "true" },
                h("span", { css: { "inline-size": `${(cost / top) * 100}%` } }),
              ),
              h("span", { class: "number" }, count(cost)),
            ),
          ),
        )
      : h("p", {}, "Nothing costs anything: this is as good as it gets."),
  );
}
