// Asking for a timetable: which problem, which options. Owns the two steps and the request. Must not know how a
// problem is uploaded or listed.

import { idempotencyKey, post } from "../api.js";
import { capabilities } from "../capabilities.js";
import { errorBox } from "../dialogs.js";
import { fill, h } from "../dom.js";
import { problemOf } from "../problems.js";
import { go, noteInAddress } from "../router.js";
import { mayPlan } from "../session.js";
import { optionFields } from "./options.js";
import { problemChoice } from "./problem_choice.js";
import { dropZone } from "./upload.js";

export async function showNew(outlet, at) {
  document.title = "New timetable · Horarium";
  if (!mayPlan()) {
    outlet.append(
      h(
        "div",
        { class: "page narrow" },
        h("h1", { tabindex: "-1" }, "New timetable"),
        h("p", {}, "Your role may look at timetables, and a planner of your organisation may ask for new ones."),
      ),
    );
    return;
  }
  const can = await capabilities();
  let chosen = null;
  // The same key until the request has been answered: sent again after a broken connection, it is still one job.
  let key = idempotencyKey();

  const choice = problemChoice(choose, at.signal);
  const zone = dropZone(can, (problem) => choice.add(problem), at.signal);
  const options = optionFields(can.limits);
  const button = h("button", { type: "submit", class: "primary", disabled: true }, "Generate");
  const summary = h("p", { class: "hint", role: "status" }, "Choose a problem first.");
  const said = h("div");
  outlet.append(
    h(
      "div",
      { class: "page" },
      h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, "New timetable")),
      h(
        "form",
        { class: "two-columns", novalidate: true, on: { submit, input: () => (key = idempotencyKey()) } },
        h(
          "section",
          { class: "card", "aria-labelledby": "step-1" },
          h("h2", { id: "step-1" }, "1. The problem"),
          zone,
          choice.node,
        ),
        h(
          "section",
          { class: "card", "aria-labelledby": "step-2" },
          h("h2", { id: "step-2" }, "2. The search"),
          options.node,
          said,
          h("div", { class: "actions end" }, summary, button),
        ),
      ),
    ),
  );

  await choice.load();
  if (at.query.problem) {
    const wanted = await problemOf(at.query.problem, at.signal);
    if (wanted) choice.add(wanted);
  }

  function choose(problem) {
    chosen = problem;
    key = idempotencyKey();
    button.disabled = !problem;
    fill(summary, problem ? ["For ", h("strong", {}, problem.name)] : "Choose a problem first.");
    noteInAddress({ problem: problem?.id });
  }

  async function submit(event) {
    event.preventDefault();
    if (!chosen) return;
    const wanted = options.read();
    if (!wanted) return;
    button.disabled = true;
    fill(said);
    try {
      const accepted = await post("/api/timetables/generate", {
        json: { problem_id: chosen.id, ...wanted },
        headers: { "Idempotency-Key": key },
        signal: at.signal,
      });
      go(`/jobs/${accepted.job_id}`);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!error.passing) key = idempotencyKey();
      if (error.status === 429 && error.retryAfter) error.message += ` Free again in ${error.retryAfter} s.`;
      fill(said, errorBox(error));
    } finally {
      button.disabled = false;
    }
  }
}
