// The cost over time of each variant, as reports came in. Owns the points and keeps them for the tab's life, so that a
// reload does not lose the curve. Must not know how it is drawn.

import { keep, kept } from "../storage.js";

const MOST_POINTS = 600;
const SAVE_EVERY_MS = 1000;

/** `{variants: Map(n -> [[seconds, total, hard], …]), bounds: Map(n -> bound), memory, add(picture)}` for one job. */
export function costHistory(jobId) {
  const name = `curve.${jobId}`;
  const saved = kept(name) ?? {};
  const variants = new Map(saved.variants ?? []);
  const bounds = new Map(saved.bounds ?? []);
  const memory = { lastEventId: saved.lastEventId ?? "" };
  let savedAt = 0;
  const worthDrawing = () => [...variants.values()].some((points) => points.length > 2);
  return { variants, bounds, memory, add, save, worthDrawing };

  /** Take in a report; true if it brought a point. */
  function add(picture) {
    const began = Date.parse(picture.started_at ?? "");
    if (Number.isNaN(began)) return false;
    let news = false;
    for (const variant of picture.variants ?? []) {
      if (!variant.score) continue;
      const seconds = Math.max(0, (Date.parse(variant.timestamp) - began) / 1000);
      const points = variants.get(variant.variant) ?? [];
      const last = points.at(-1);
      if (last && seconds <= last[0]) continue;
      points.push([seconds, variant.score.total, variant.score.hard_violations]);
      if (points.length > MOST_POINTS) variants.set(variant.variant, thinned(points));
      else variants.set(variant.variant, points);
      if (variant.lower_bound !== null && variant.lower_bound !== undefined)
        bounds.set(variant.variant, variant.lower_bound);
      news = true;
    }
    if (Date.now() - savedAt > SAVE_EVERY_MS) save();
    return news;
  }

  function save() {
    savedAt = Date.now();
    keep(name, { variants: [...variants], bounds: [...bounds], lastEventId: memory.lastEventId });
  }
}

/** Half of the points: every other one of the first three quarters, and the newest as they are. */
function thinned(points) {
  const newest = Math.floor(points.length * 0.75);
  return points.filter((_, n) => n >= newest || n % 2 === 0);
}
