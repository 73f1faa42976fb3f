// The organisation's problems as the page knows them: names for job lists, and pages of the list. Owns the cache of
// names. Must not know how anything is shown.

import { get } from "./api.js";

const known = new Map();

/** One page of problems, newest first. */
export async function problemPage(cursor, signal, limit = 20) {
  const page = await get("/api/problems", { query: { cursor, limit }, signal });
  for (const problem of page.items) known.set(problem.id, problem);
  return page;
}

export const remember = (problem) => known.set(problem.id, problem);

/** The problem, or null if it has been deleted since (or was never stored: jobs from elsewhere may bring their own). */
export async function problemOf(id, signal) {
  if (!id) return null;
  if (!known.has(id)) {
    try {
      known.set(id, await get(`/api/problems/${id}`, { signal }));
    } catch (error) {
      if (error.status !== 404) throw error;
      known.set(id, null);
    }
  }
  return known.get(id);
}

/** Names for many ids: the newest page tells most of them at once. */
export async function problemsOf(ids, signal) {
  const missing = () => [...new Set(ids)].filter((id) => id && !known.has(id));
  if (missing().length > 3) await problemPage(null, signal, 200);
  await Promise.all(missing().map((id) => problemOf(id, signal)));
  return new Map(ids.map((id) => [id, known.get(id) ?? null]));
}

// What of a problem's summary is shown, in which order.
const SHOWN = [
  "courses",
  "classes",
  "rooms",
  "instructors",
  "students",
  "course_requests",
  "curricula",
  "distributions",
  "weeks",
];

/** The counts worth telling, as [what, how many]. */
export function counts(problem) {
  const given = problem.summary ?? {};
  return SHOWN.filter((name) => given[name]).map((name) => [name.replaceAll("_", " "), given[name]]);
}
