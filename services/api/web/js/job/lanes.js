// One lane for each variant: stage, share, attempt, worker, score, time. Owns their look. Must not know how reports
// arrive.

import { serverNow } from "../api.js";
import { progressBar } from "../badges.js";
import { fill, h, setText } from "../dom.js";
import { STAGES, count, duration, percent, sentence } from "../words.js";

const LATE_S = 15;

/** `{node, update(picture), tick()}`. */
export function lanes(job) {
  const shown = Array.from({ length: job.options.variants }, (_, n) => lane(n + 1, job.options.variants));
  const node = h(
    "ol",
    { class: "lanes" },
    shown.map((one) => one.node),
  );
  return {
    node,
    tick: () => shown.forEach((one) => one.tick()),
    update(picture) {
      const over = picture.finished_at !== null && picture.finished_at !== undefined;
      for (const variant of picture.variants ?? []) shown[variant.variant - 1]?.update(variant, over);
    },
  };
}

function lane(number, of) {
  const bar = progressBar(`Progress of variant ${number}`);
  const share = h("span", { class: "number share" });
  const stage = h("span", { class: "lane-stage" }, "waiting");
  const steps = h(
    "span",
    { class: "steps", "aria-hidden": "true" },
    STAGES.map((name) => h("i", { title: name })),
  );
  const score = h("div", { class: "lane-score" }, h("span", { class: "hint" }, "no timetable yet"));
  const facts = h("div", { class: "lane-facts hint" });
  let report = null;
  let ended = false;
  const node = h(
    "li",
    { class: `lane v${number}` },
    h(
      "div",
      { class: "lane-head" },
      h("span", { class: "swatch", "aria-hidden": "true" }),
      h("span", { class: "strong" }, of > 1 ? `Variant ${number}` : "The only variant"),
      steps,
      stage,
      share,
    ),
    bar.node,
    score,
    facts,
  );

  function update(variant, over) {
    report = { ...variant, worker: variant.worker ?? report?.worker };
    ended = over || variant.stage === "finished";
    bar.update(over ? 100 : variant.progress);
    setText(share, percent(over ? 100 : variant.progress));
    setText(stage, sentence(variant.stage));
    const reached = STAGES.indexOf(variant.stage);
    [...steps.children].forEach((step, n) => step.classList.toggle("done", n <= reached));
    if (variant.score) fill(score, scoreOf(variant));
    tick();
  }

  function tick() {
    if (!report) return;
    const age = Math.max(0, (serverNow() - Date.parse(report.timestamp)) / 1000);
    const late = !ended && age > LATE_S;
    const parts = [
      `searched ${duration(report.elapsed_s)}`,
      report.attempt > 1 && `attempt ${report.attempt}`,
      report.worker && `on ${report.worker}`,
      !ended && `report ${Math.floor(age)} s ago`,
      !ended && report.message,
    ].filter(Boolean);
    setText(facts, parts.join(" · "));
    facts.classList.toggle("late", late);
  }

  return { node, update, tick };
}

function scoreOf({ score, lower_bound: bound, gap }) {
  const hard = score.hard_violations;
  return [
    h("span", { class: "lane-cost" }, h("span", { class: "hint" }, "cost "), h("strong", {}, count(score.total))),
    h("span", { class: hard ? "bad-text" : "good-text" }, hard ? `${count(hard)} hard` : "no hard violations"),
    bound !== null &&
      bound !== undefined &&
      h("span", { class: "hint" }, `bound ${count(bound)}${gap ? `, gap ${(gap * 100).toFixed(1)} %` : ""}`),
  ];
}
