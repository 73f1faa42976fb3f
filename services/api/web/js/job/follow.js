// Following a job: the progress service's event stream, and the api's own answer every two seconds while there is
// none. Owns connecting, resuming (Last-Event-ID) and backing off. Must not know how anything is shown.
//
// The stream is read with fetch, not EventSource: only so can it be told an expired session (401) from a restart, send
// the last id after a reload, and keep to Retry-After.

import { get, renewed } from "../api.js";
import { isTerminal } from "../words.js";
import { sseEvents } from "./sse.js";

const POLL_MS = 2000;
const LONGEST_WAIT_MS = 15000;
// The stream says at least every 15 s that it is alive.
const SILENCE_MS = 40000;
// The terminal frame may arrive before the result is stored.
const RESULT_MS = 500;

/**
 * Follow until `signal` aborts or the job has ended and its result is readable. `tell.snapshot(picture)` with each
 * report, `tell.connection("live" | "polling" | "away")`, `tell.ended(job)` once, with the job as the api has it.
 * `memory.lastEventId` is read and written.
 */
export async function follow(job, memory, tell, signal) {
  let over = false;
  let live = false; // reports are arriving right now
  let failures = 0;
  const polling = poll();
  while (!over && !signal.aborted) {
    let asked = null;
    let heard = false;
    try {
      asked = await stream(() => (heard = true));
    } catch {
      // Broken off, silent for too long, or never there: the next attempt will tell.
    }
    live = false;
    if (over || signal.aborted) break;
    failures = heard ? 0 : failures + 1;
    await pause((asked ?? Math.min(1000 * 2 ** failures, LONGEST_WAIT_MS)) * (0.75 + Math.random() / 2), signal);
  }
  await polling;

  /** One connection; returns how long to wait before the next, if the server said. */
  async function stream(hear) {
    const guard = new AbortController();
    const stopGuard = () => guard.abort();
    signal.addEventListener("abort", stopGuard);
    let alarm = setTimeout(stopGuard, SILENCE_MS);
    try {
      const headers = {
        Accept: "text/event-stream",
        ...(memory.lastEventId ? { "Last-Event-ID": memory.lastEventId } : {}),
      };
      const answer = await fetch(new URL(`${job.progress_url}/events`, location.origin), {
        headers,
        credentials: "include",
        signal: guard.signal,
      });
      if (answer.status === 204) {
        over = true;
        return null;
      }
      if (answer.status === 401 && !(await renewed())) await get(job.status_url, { signal }); // tells the page
      if (!answer.ok) return 1000 * Number(answer.headers.get("retry-after") ?? 0) || null;
      for await (const event of sseEvents(answer.body)) {
        clearTimeout(alarm);
        alarm = setTimeout(stopGuard, SILENCE_MS);
        hear();
        if (!event.data) continue;
        if (event.id) memory.lastEventId = event.id;
        const picture = JSON.parse(event.data);
        // "unknown": the service itself has lost sight of the job; the api may know more.
        live = picture.status !== "unknown";
        tell.connection(live ? "live" : "polling");
        if (live) tell.snapshot(picture);
        if (event.name === "finished") {
          over = true;
          return null;
        }
      }
      return null;
    } finally {
      clearTimeout(alarm);
      signal.removeEventListener("abort", stopGuard);
      guard.abort();
    }
  }

  /** The api's answer while the stream is silent, and until the result can be read. */
  async function poll() {
    while (!signal.aborted) {
      await pause(over ? RESULT_MS : POLL_MS, signal);
      if (signal.aborted) return;
      if (live && !over) continue;
      try {
        const found = await get(job.status_url, { signal });
        if (!over) tell.connection("polling");
        tell.snapshot(pictureOf(found));
        if (isTerminal(found.status)) {
          over = true;
          tell.ended(found);
          return;
        }
      } catch (error) {
        if (signal.aborted || error.status === 401) return;
        tell.connection("away");
      }
    }
  }
}

/** The api's job in the shape of the progress service's reports. */
export function pictureOf(job) {
  return {
    job_id: job.job_id,
    status: job.status,
    progress: job.percent,
    stage: null,
    message: job.error?.message ?? "",
    timestamp:
      job.progress
        ?.map((variant) => variant.reported_at)
        .sort()
        .at(-1) ?? job.updated_at,
    variants_expected: job.options.variants,
    variants: (job.progress ?? []).map((variant) => ({
      ...variant,
      progress: variant.percent,
      timestamp: variant.reported_at,
    })),
    best_score: job.best_score,
    best_variant: job.best_variant,
    control: job.control,
    error: job.error,
    started_at: job.started_at,
    finished_at: job.finished_at,
  };
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
