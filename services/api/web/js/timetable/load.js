// Fetching a timetable and what its ids mean. Owns the small cache, so that comparing variants and coming back cost
// nothing. Must not know how either is indexed or drawn.

import { get } from "../api.js";
import { buildModel } from "./model.js";

const MOST_MODELS = 4;
const models = new Map();
const directories = new Map();

/** The indexed timetable of a finished variant (which never changes). Raises ApiError. */
export async function loadTimetable(jobId, variant, signal) {
  const key = `${jobId}/${variant}`;
  if (!models.has(key)) {
    const [directory, timetable] = await Promise.all([
      loadDirectory(jobId, signal),
      get(`/api/timetables/${jobId}/variants/${variant}`, { query: { format: "json" }, signal }),
    ]);
    const model = buildModel(directory, timetable);
    models.set(key, model);
    if (models.size > MOST_MODELS) models.delete(models.keys().next().value);
  }
  return models.get(key);
}

async function loadDirectory(jobId, signal) {
  if (!directories.has(jobId)) {
    directories.clear(); // one problem at a time: it is the largest thing here
    directories.set(jobId, await get(`/api/timetables/${jobId}/directory`, { signal }));
  }
  return directories.get(jobId);
}
