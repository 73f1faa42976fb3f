// How a job ended: in words, with reasons, and as finished variants. Owns the wording of ends. Must not know anything
// live.

import { h } from "../dom.js";
import { icon } from "../icons.js";
import { link } from "../router.js";
import { count, duration, many, moment, plain, scoreWords, taken } from "../words.js";

/** What ended a search before its time; nothing where it had all of it. */
const SEARCH_ENDS = {
  target: "met the target cost",
  gap: "met the target gap",
  patience: "ended as nothing better came",
  infeasible: "cut short by the proof",
  stopped: "stopped",
};

/** A headed list, or nothing if there is nothing to say. */
function sentences(heading, list, lines) {
  return (
    lines.length > 0 && [
      h("h3", { class: "label" }, heading),
      h(
        list,
        { class: "reasons" },
        lines.map((line) => h("li", {}, line)),
      ),
    ]
  );
}

/** What the end means, and what may be done now. */
export function outcomeCard(job) {
  const [tone, sign, title, text] = ending(job);
  const reasons = job.infeasibility?.reasons ?? [];
  const relaxations = job.infeasibility?.relaxations ?? [];
  const details = job.error?.details ?? [];
  return h(
    "section",
    { class: `card outcome ${tone}`, "aria-label": "Outcome" },
    icon(sign),
    h(
      "div",
      {},
      h("h2", {}, title),
      h("p", {}, text),
      sentences(job.infeasibility?.proven ? "Proven reasons" : "What stood in the way", "ul", reasons),
      sentences("What would help", "ol", relaxations),
      details.length > 0 &&
        h(
          "ul",
          { class: "reasons" },
          details.map((detail) =>
            h(
              "li",
              {},
              Object.entries(detail).map(([name, value]) => [name === "pointer" ? h("code", {}, value) : value, " "]),
            ),
          ),
        ),
      job.error?.code &&
        h(
          "p",
          { class: "hint" },
          "Error code ",
          h("code", {}, job.error.code),
          " · quote ",
          h("code", {}, job.correlation_id),
        ),
    ),
  );
}

function ending(job) {
  const seconds = taken(job, Date.now());
  const after = seconds === null ? "" : ` after ${duration(seconds)}`;
  const best = job.best_score ? `Best: ${scoreWords(job.best_score)}.` : "";
  switch (job.status) {
    case "completed":
      return ["good", "check", `Completed${after}`, `${best} Recounted by an independent referee.`];
    case "stopped":
      return job.variants.length
        ? ["good", "stop", `Stopped on request${after}`, `${best} The best timetable found until then is kept.`]
        : ["quiet", "stop", "Stopped before anything was found", "There is no timetable. Ask again with more time."];
    case "timed_out":
      return [
        "warn",
        "clock",
        `The time limit ended the job${after}`,
        job.variants.length
          ? `${best} The best timetable found until then is kept.`
          : "Nothing was found in that time. Ask again with more time, or look at the problem's rules.",
      ];
    case "infeasible":
      return [
        "warn",
        "warn",
        job.infeasibility?.proven
          ? "No timetable can keep every hard rule"
          : "No timetable was found that keeps every hard rule",
        `${best} ${job.variants.length ? "The best one found is kept, and the verdict lists what it breaks." : ""}`,
      ];
    case "cancelled":
      return ["quiet", "cross", "Cancelled", "What had been found was discarded."];
    default:
      return ["bad", "cross", "Failed", job.error?.message ?? "The job failed; no reason was given."];
  }
}

/** The finished variants, best first. */
export function resultsCard(job) {
  if (!job.variants.length) return null;
  // By the problem's own weights, whatever each was searched with.
  const own = (variant) => variant.own_score ?? variant.score;
  const ranked = [...job.variants].sort(
    (a, b) => own(a).hard_violations - own(b).hard_violations || own(a).total - own(b).total,
  );
  const base = `/jobs/${job.job_id}`;
  return h(
    "section",
    { class: "card", "aria-labelledby": "results-title" },
    h(
      "div",
      { class: "card-head" },
      h("h2", { id: "results-title" }, job.variants.length > 1 ? "Timetables" : "The timetable"),
      job.variants.length > 1 && h("a", { class: "button", href: link(`${base}/compare`) }, icon("swap"), "Compare"),
    ),
    h(
      "ul",
      { class: "results" },
      ranked.map((variant) =>
        h(
          "li",
          {},
          h(
            "div",
            { class: "result-open" },
            h("span", { class: `swatch v${variant.variant}`, "aria-hidden": "true" }),
            h(
              "a",
              { class: "strong", href: link(`${base}/variants/${variant.variant}`) },
              `Variant ${variant.variant}`,
            ),
            variant.variant === job.best_variant && h("span", { class: "badge good" }, "best"),
            variant.optimal && h("span", { class: "badge good" }, "proven optimal"),
            variant.provenance.profile && h("span", { class: "badge quiet" }, plain(variant.provenance.profile)),
          ),
          h(
            "span",
            { class: "result-cost" },
            h("span", { class: "hint" }, "cost "),
            h("strong", {}, count(own(variant).total)),
            variant.lower_bound !== null && !variant.own_score && h("span", { class: "hint" }, ` · bound ${count(variant.lower_bound)}`),
          ),
          h(
            "a",
            {
              class: variant.score.hard_violations ? "bad-text" : "good-text",
              href: link(`${base}/variants/${variant.variant}/violations`),
            },
            variant.score.hard_violations
              ? many(variant.score.hard_violations, "hard violation")
              : "no hard violations",
          ),
          h("span", { class: "hint parts" }, parts(own(variant).cost)),
          variant.changes && h("span", { class: "hint" }, changed(variant.changes)),
          h(
            "span",
            { class: "hint" },
            [
              variant.provenance.method,
              `seed ${variant.provenance.seed}`,
              duration(variant.elapsed_s),
              SEARCH_ENDS[variant.provenance.search_end],
            ]
              .filter(Boolean)
              .join(" · "),
          ),
        ),
      ),
    ),
  );
}

/** How much of the base timetable was left. */
function changed(changes) {
  const budget = changes.over_budget
    ? `${changes.over_budget} more than allowed${changes.budget_impossible ? ", as must be (proven)" : ""}`
    : "";
  return [
    `${count(changes.classes)} of ${many(changes.compared, "class", "classes")} changed`,
    changes.forced ? `${count(changes.forced)} had to` : "",
    budget,
    changes.students ? `${many(changes.students, "student")} in other sections` : "",
  ]
    .filter(Boolean)
    .join(" · ");
}

const parts = (cost) =>
  Object.entries(cost)
    .filter(([, value]) => value)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 4)
    .map(([name, value]) => `${plain(name)} ${count(value)}`)
    .join(" · ");

const given = (value) => value !== null && value !== undefined;

/** What was asked for, folded away. */
export function optionsCard(job) {
  const { options } = job;
  const weights = Object.entries(options.weights ?? {}).filter(([, value]) => value !== null);
  const rows = [
    ["Asked for", `${moment(job.created_at)} by ${job.requested_by || "an outside producer"}`],
    ["Time limit", `${duration(options.time_limit_s)} for each of ${many(options.variants, "variant")}`],
    given(options.target_cost) && ["Stops at", `a cost of ${count(options.target_cost)}`],
    given(options.target_gap) && ["Stops at", `a gap of ${Math.round(options.target_gap * 1000) / 10} %`],
    given(options.no_improvement_s) && ["Stops after", `${duration(options.no_improvement_s)} without improvement`],
    ["Cores", `${options.workers} for each variant`],
    ["Seed", options.seed],
    options.profiles?.length && ["Whom first", options.profiles.map(plain).join(", ")],
    weights.length && ["Weights", weights.map(([name, value]) => `${name} ${value}`).join(", ")],
    options.base_job_id && [
      "Close to",
      `variant ${options.base_variant ?? "(best)"} of job ${options.base_job_id}${
        options.max_changes === null ? "" : `, at most ${many(options.max_changes, "class", "classes")} changed`
      }`,
    ],
    options.pins?.length && ["Pinned", many(options.pins.length, "class", "classes")],
    ["Job", job.job_id],
    ["Correlation", job.correlation_id],
  ].filter(Boolean);
  return h(
    "details",
    { class: "card fold" },
    h("summary", {}, "What was asked for"),
    h(
      "dl",
      { class: "pairs" },
      rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
    job.problem_id &&
      h("p", {}, h("a", { href: link("/new", { problem: job.problem_id }) }, "Ask again for this problem")),
  );
}
