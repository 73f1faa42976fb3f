// Who has worked on a job's variants, attempt by attempt. Owns the table. Must not know why an attempt ended: the
// server says.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { duration, many, moment, plain, sentence } from "../words.js";

const WORRYING = new Set(["lease_expired", "error"]);

/** A card that stays hidden where there is nothing to tell. */
export function attemptsCard(jobId, signal) {
  const body = h("div");
  const node = h("section", { class: "card", hidden: true }, h("h2", {}, "Attempts"), body);
  let asking = false;
  return { node, refresh };

  async function refresh() {
    if (asking) return;
    asking = true;
    try {
      const { variants } = await get(`/api/timetables/${jobId}/attempts`, { signal });
      node.hidden = !variants.some((variant) => variant.attempts.length);
      fill(body, table(variants));
    } catch {
      // The page is complete without it.
    } finally {
      asking = false;
    }
  }
}

function table(variants) {
  const several = variants.length > 1;
  return h(
    "div",
    { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Attempts" },
    h(
      "table",
      { class: "plain" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Variant", "Attempt", "Worker", "Began", "Took", "Ended"].map((name) => h("th", { scope: "col" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        variants.flatMap((variant) => variant.attempts.map((attempt, n) => row(variant, attempt, n === 0 || !several))),
      ),
      variants.some((variant) => variant.attempts_left_out) &&
        h(
          "caption",
          {},
          `${many(
            variants.reduce((sum, one) => sum + one.attempts_left_out, 0),
            "earlier attempt",
          )} not shown.`,
        ),
    ),
  );
}

function row(variant, attempt, first) {
  const seconds = attempt.ended_at ? (Date.parse(attempt.ended_at) - Date.parse(attempt.started_at)) / 1000 : null;
  const end = attempt.end ? sentence(plain(attempt.end)) : "Running";
  return h(
    "tr",
    {},
    h("td", {}, first ? variant.variant : ""),
    h("td", { class: "number" }, attempt.attempt),
    h("td", {}, h("code", {}, attempt.worker)),
    h("td", {}, moment(attempt.started_at)),
    h("td", { class: "number" }, seconds === null ? "–" : duration(Math.max(0, seconds))),
    h(
      "td",
      { class: WORRYING.has(attempt.end) ? "bad-text" : "" },
      end,
      attempt.detail ? `: ${attempt.detail}` : "",
      !attempt.ended_at && variant.checkpoint_age_s !== null
        ? h("span", { class: "hint" }, ` · checkpoint ${duration(variant.checkpoint_age_s)} old`)
        : null,
    ),
  );
}
