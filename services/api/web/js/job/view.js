// One job: live while it is worked on, its results when it has ended. Owns the order of things on the page and its
// buttons. Must not know how progress arrives or how any part is drawn.

import { get, post } from "../api.js";
import { progressBar } from "../badges.js";
import { confirmed, note } from "../dialogs.js";
import { h, setText } from "../dom.js";
import { icon } from "../icons.js";
import { problemOf } from "../problems.js";
import { again } from "../router.js";
import { mayPlan } from "../session.js";
import { STAGES, duration, isTerminal, many, percent, scoreWords, sentence } from "../words.js";
import { serverNow } from "../api.js";
import { attemptsCard } from "./attempts.js";
import { costChart } from "./chart.js";
import { follow, pictureOf } from "./follow.js";
import { jobHead } from "./head.js";
import { costHistory } from "./history.js";
import { lanes } from "./lanes.js";
import { outcomeCard, resultsCard, optionsCard } from "./outcome.js";

const CONNECTIONS = {
  live: "",
  polling: "Live stream unavailable, asking every 2 s",
  away: "Reconnecting …",
};
const TICK_MS = 500;

export async function showJob(outlet, at) {
  const job = await get(`/api/timetables/${at.job}`, { signal: at.signal });
  const problem = await problemOf(job.problem_id, at.signal);
  const history = costHistory(job.job_id);
  let picture = pictureOf(job);
  let ended = isTerminal(job.status);

  const buttons = controls(job);
  const head = jobHead(job, problem, "overview", { actions: ended || !mayPlan() ? [] : buttons.nodes });
  const chart = costChart(history);
  const lane = lanes(job);
  const summary = headline();
  const attempts = attemptsCard(job.job_id, at.signal);
  const parts = [head.node];
  if (ended) parts.push(outcomeCard(job), resultsCard(job));
  else parts.push(summary.node);
  // After the end: how it went only where this browser saw it, and how far it came only where nothing came of it.
  const lanesCard =
    (!ended || (!job.variants.length && job.progress.length)) &&
    h(
      "section",
      { class: "card", "aria-labelledby": "lanes-title" },
      h("h2", { id: "lanes-title" }, "Variants"),
      lane.node,
    );
  const curveCard =
    (!ended || history.worthDrawing()) &&
    h(
      "section",
      { class: "card", "aria-labelledby": "curve-title" },
      h("div", { class: "card-head" }, h("h2", { id: "curve-title" }, "Cost over time"), chart.scale),
      chart.node,
    );
  parts.push(
    h("div", { class: lanesCard && curveCard ? "live-grid" : "stack" }, lanesCard, curveCard),
    attempts.node,
    optionsCard(job),
  );
  outlet.append(h("div", { class: "page wide" }, parts));
  chart.measure(at.signal);

  history.add(picture);
  show();
  attempts.refresh();
  if (ended) return;

  const timer = setInterval(tick, TICK_MS);
  at.signal.addEventListener("abort", () => {
    clearInterval(timer);
    history.save();
  });
  window.addEventListener("pagehide", history.save, { signal: at.signal });
  follow(
    job,
    history.memory,
    {
      snapshot(next) {
        if (ended) return;
        const attempted =
          next.variants?.map((variant) => variant.attempt).join() !==
          picture.variants?.map((variant) => variant.attempt).join();
        // Both sources may speak; neither may take the picture back.
        const older = isTerminal(picture.status) || Date.parse(next.timestamp) < Date.parse(picture.timestamp);
        if (older && !isTerminal(next.status)) return;
        picture = { ...next, stage: next.stage ?? picture.stage, message: next.message || picture.message };
        history.add(picture);
        show();
        if (attempted) attempts.refresh();
      },
      connection: (state) => summary.connection(CONNECTIONS[state]),
      ended() {
        ended = true;
        history.save();
        again();
        note(`The job has ended: ${picture.message || picture.status}`);
      },
    },
    at.signal,
  ).catch((error) => summary.connection(error.message));

  function tick() {
    summary.tick();
    lane.tick();
  }

  function show() {
    head.badge.update(picture.status);
    buttons.update(picture);
    summary.update(picture);
    lane.update(picture);
    chart.draw();
  }
}

/** The one line that answers "how is it going?": stage, share, best so far, when we last heard. */
function headline() {
  const bar = progressBar("Progress of the whole job");
  const share = h("span", { class: "big number" }, "0 %");
  const stage = h("span", { class: "strong" });
  const message = h("span", { class: "hint" });
  const best = h("span", { class: "best" });
  const elapsed = h("span", { class: "number" });
  const heard = h("span", { class: "heard" });
  const connection = h("span", { class: "connection", role: "status" });
  let picture = null;
  const node = h(
    "section",
    { class: "card headline", "aria-label": "Progress" },
    h("div", { class: "headline-top" }, share, h("div", { class: "headline-words" }, stage, message), connection),
    bar.node,
    h(
      "div",
      { class: "headline-foot" },
      h("span", {}, h("span", { class: "hint" }, "Best so far "), best),
      h("span", {}, h("span", { class: "hint" }, "Running for "), elapsed),
      heard,
    ),
  );

  function update(next) {
    picture = next;
    bar.update(next.progress);
    setText(share, percent(next.progress));
    const known = STAGES.includes(next.stage)
      ? next.stage
      : next.variants?.map((variant) => variant.stage).sort((a, b) => STAGES.indexOf(a) - STAGES.indexOf(b))[0];
    setText(
      stage,
      next.control && !isTerminal(next.status)
        ? next.control === "stop"
          ? "Stopping"
          : "Cancelling"
        : sentence(known ?? next.status),
    );
    setText(message, next.message || (next.status === "queued" ? "waiting for a free solver" : ""));
    setText(best, scoreWords(next.best_score));
    tick();
  }

  function tick() {
    if (!picture) return;
    const began = Date.parse(picture.started_at ?? "");
    setText(elapsed, Number.isNaN(began) ? "not started" : seconds((serverNow() - began) / 1000));
    const reports = (picture.variants ?? []).map((variant) => Date.parse(variant.timestamp));
    const age = reports.length ? Math.max(0, (serverNow() - Math.max(...reports)) / 1000) : null;
    setText(heard, age === null ? "no report yet" : `last report ${seconds(age)} ago`);
    heard.classList.toggle("late", age !== null && age > 15);
  }

  return { node, update, tick, connection: (text) => setText(connection, text) };
}

/** Counted in whole seconds: tenths would only flicker. */
const seconds = (value) => duration(Math.max(0, Math.floor(value))).replace(".0 s", " s");

/** Stop and cancel, each after a confirmation; disabled once asked for. */
function controls(job) {
  const stop = h("button", { type: "button", on: { click: () => ask("stop") } }, icon("stop"), "Stop, keep best");
  const cancel = h(
    "button",
    { type: "button", class: "danger-quiet", on: { click: () => ask("cancel") } },
    icon("close"),
    "Cancel",
  );
  let best = null;
  return {
    nodes: [stop, cancel],
    update(picture) {
      best = picture.best_score;
      const over = isTerminal(picture.status);
      stop.disabled = over || Boolean(picture.control);
      cancel.disabled = over || picture.control === "cancel";
    },
  };

  async function ask(action) {
    const sure = await confirmed(
      action === "stop"
        ? {
            title: "Stop the search?",
            text: best
              ? `The best timetable so far is kept: ${scoreWords(best)}.`
              : "Nothing has been found yet, so there will be no timetable.",
            yes: "Stop and keep the best",
          }
        : {
            title: "Cancel the job?",
            text: `What ${many(job.options.variants, "variant")} found so far is discarded. This cannot be undone.`,
            yes: "Cancel and discard",
            danger: true,
          },
    );
    if (!sure) return;
    try {
      await post(`/api/timetables/${job.job_id}/${action}`);
      stop.disabled = true;
      cancel.disabled = action === "cancel";
      note(action === "stop" ? "Stopping: the best timetable is kept." : "Cancelling.");
    } catch (error) {
      note(error.message, "bad");
    }
  }
}
