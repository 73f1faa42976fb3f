// The head of everything about one job: what it is of, how it stands, and the ways to look at it. Owns title and tabs.
// Must not know what the views below it show.

import { statusBadge } from "../badges.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";
import { link } from "../router.js";

/** `active`: "overview", "timetable", "compare" or "violations". `actions` are the view's own buttons. */
export function jobHead(job, problem, active, { variant = null, actions = [] } = {}) {
  const name = problem?.name ?? (job.problem_id ? "Deleted problem" : "Problem sent with the request");
  document.title = `${name} · Horarium`;
  const badge = statusBadge(job.status);
  const numbers = job.variants.map((one) => one.variant);
  const shown = variant ?? job.best_variant ?? numbers[0];
  const base = `/jobs/${job.job_id}`;
  const tabs = [["overview", "Overview", "chart", link(base)]];
  if (numbers.length) {
    tabs.push(["timetable", "Timetable", "grid", link(`${base}/variants/${shown}`)]);
    if (numbers.length > 1) tabs.push(["compare", "Compare", "swap", link(`${base}/compare`)]);
    const broken = job.variants.find((one) => one.variant === shown)?.score.hard_violations;
    tabs.push(["violations", "Verdict", broken ? "warn" : "check", link(`${base}/variants/${shown}/violations`)]);
  }
  const node = h(
    "div",
    { class: "job-head" },
    h(
      "nav",
      { class: "crumbs", "aria-label": "Where you are" },
      h("a", { href: link("/jobs") }, "Timetables"),
      icon("right"),
      h("span", {}, job.job_id.slice(0, 8)),
    ),
    h(
      "div",
      { class: "page-head" },
      h("div", { class: "title" }, h("h1", { tabindex: "-1" }, name), badge.node),
      h("div", { class: "actions" }, actions),
    ),
    h(
      "nav",
      { class: "tabs", "aria-label": "Views of this job" },
      tabs.map(([id, label, sign, href]) =>
        h("a", { href, "aria-current": id === active ? "page" : null }, icon(sign), label),
      ),
    ),
  );
  return { node, badge };
}

/** Choosing a variant, where there is more than one; `choose(number)`. */
export function variantPicker(job, chosen, choose, label = "Variant") {
  if (job.variants.length < 2) return null;
  const select = h(
    "select",
    { "aria-label": label },
    job.variants.map((one) =>
      h(
        "option",
        { value: one.variant, selected: one.variant === chosen },
        `Variant ${one.variant}${one.variant === job.best_variant ? " (best)" : ""}`,
      ),
    ),
  );
  select.addEventListener("change", () => choose(Number(select.value)));
  return select;
}
