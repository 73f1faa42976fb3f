// The list of jobs. Owns its filter, its pages and its refresh. Must not know a job's details.

import { get } from "../api.js";
import { progressBar, statusBadge } from "../badges.js";
import { errorBox } from "../dialogs.js";
import { fill, h, setText } from "../dom.js";
import { icon } from "../icons.js";
import { problemsOf } from "../problems.js";
import { link, noteInAddress } from "../router.js";
import { mayPlan } from "../session.js";
import { serverNow } from "../api.js";
import { STATUSES, count, duration, isTerminal, moment, percent, taken } from "../words.js";

const PAGE = 25;
const REFRESH_MS = 3000;

export async function showJobs(outlet, at) {
  document.title = "Timetables · Horarium";
  const rows = new Map();
  let cursor = null;
  let wanted = at.query.status ?? "";

  const filter = h(
    "select",
    { id: "status-filter", value: "" },
    h("option", { value: "" }, "All states"),
    Object.entries(STATUSES).map(([value, { label }]) => h("option", { value }, label)),
  );
  filter.value = wanted;
  const body = h("tbody");
  const table = h(
    "table",
    { class: "jobs", "aria-label": "Timetables" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["Problem", "State", "Best result", "Variants", "Asked for", "Took"].map((name) =>
          h("th", { scope: "col" }, name),
        ),
      ),
    ),
    body,
  );
  const more = h("button", { type: "button", hidden: true, on: { click: () => load(cursor) } }, "Show more");
  const said = h("div", { class: "said", role: "status" });
  outlet.append(
    h(
      "div",
      { class: "page" },
      h(
        "div",
        { class: "page-head" },
        h("h1", { tabindex: "-1" }, "Timetables"),
        h(
          "div",
          { class: "actions" },
          h("label", { class: "inline-field", for: "status-filter" }, h("span", { class: "sr" }, "State"), filter),
          mayPlan() && h("a", { class: "button primary", href: link("/new") }, icon("plus"), "New timetable"),
        ),
      ),
      said,
      h("div", { class: "card flush" }, table),
      h("div", { class: "more" }, more),
    ),
  );

  filter.addEventListener("change", async () => {
    wanted = filter.value;
    noteInAddress({ status: wanted });
    rows.clear();
    body.replaceChildren();
    await load(null);
  });

  await load(null);
  const timer = setInterval(refresh, REFRESH_MS);
  at.signal.addEventListener("abort", () => clearInterval(timer));

  async function load(from) {
    fill(said);
    more.disabled = true;
    try {
      const page = await get("/api/timetables", {
        query: { status: wanted, cursor: from, limit: PAGE },
        signal: at.signal,
      });
      const problems = await problemsOf(
        page.items.map((job) => job.problem_id),
        at.signal,
      );
      for (const job of page.items) place(job, problems.get(job.problem_id), false);
      cursor = page.next_cursor;
      more.hidden = !cursor;
      if (!rows.size) fill(said, empty(wanted));
      table.parentElement.hidden = !rows.size;
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(said, errorBox(error, { retry: () => load(from) }));
    } finally {
      more.disabled = false;
    }
  }

  /** The newest page again while something moves; silent when the server is away, as the next time may do. */
  async function refresh() {
    const moving = [...rows.values()].some((row) => !isTerminal(row.status()));
    if (document.hidden || !moving) return;
    try {
      const page = await get("/api/timetables", { query: { status: wanted, limit: PAGE }, signal: at.signal });
      const problems = await problemsOf(
        page.items.map((job) => job.problem_id),
        at.signal,
      );
      for (const job of [...page.items].reverse()) place(job, problems.get(job.problem_id), true);
    } catch {
      // Asked again in a moment.
    }
  }

  function place(job, problem, first) {
    const row = rows.get(job.job_id);
    if (row) {
      row.update(job);
      return;
    }
    const made = jobRow(job, problem);
    rows.set(job.job_id, made);
    if (first) body.prepend(made.node);
    else body.append(made.node);
  }
}

function jobRow(job, problem) {
  const badge = statusBadge(job.status);
  const bar = progressBar("Progress");
  const share = h("span", { class: "share" });
  const score = h("td", { dataset: { label: "Best result" } });
  const took = h("td", { class: "number", dataset: { label: "Took" } });
  const name = problem?.name ?? (job.problem_id ? "Deleted problem" : "Problem sent with the request");
  const node = h(
    "tr",
    {},
    h(
      "th",
      { scope: "row", dataset: { label: "Problem" } },
      h("a", { href: link(`/jobs/${job.job_id}`) }, name),
      h("span", { class: "hint" }, ` ${job.job_id.slice(0, 8)}`),
    ),
    h("td", { dataset: { label: "State" } }, h("div", { class: "state" }, badge.node, bar.node, share)),
    score,
    h("td", { class: "number", dataset: { label: "Variants" } }, job.options.variants),
    h(
      "td",
      { dataset: { label: "Asked for" } },
      h("time", { datetime: job.created_at, title: job.requested_by }, moment(job.created_at)),
    ),
    took,
  );
  let status = job.status;
  function update(next) {
    status = next.status;
    badge.update(status);
    const running = status === "running";
    bar.node.hidden = !running;
    share.hidden = !running;
    bar.update(next.percent);
    setText(share, percent(next.percent));
    const best = next.best_score;
    fill(
      score,
      !best
        ? h("span", { class: "hint" }, "–")
        : best.hard_violations
          ? h(
              "span",
              { class: "bad-text" },
              `${count(best.hard_violations)} hard`,
              h("span", { class: "hint" }, ` · cost ${count(best.total)}`),
            )
          : h("span", {}, `cost ${count(best.total)}`),
    );
    const seconds = taken(next, serverNow());
    setText(took, seconds === null ? "–" : duration(seconds));
  }
  update(job);
  return { node, update, status: () => status };
}

function empty(filtered) {
  return h(
    "div",
    { class: "card empty" },
    icon("grid"),
    h("h2", {}, filtered ? "No timetable in this state" : "No timetables yet"),
    h(
      "p",
      {},
      filtered
        ? "Choose another state, or all."
        : mayPlan()
          ? "Drag in a problem, say how long to search, and watch."
          : "A planner of your organisation has to ask for one.",
    ),
    !filtered && mayPlan() && h("a", { class: "button primary", href: link("/new") }, "New timetable"),
  );
}
