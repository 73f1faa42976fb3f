// Where else a class could be: the server's best other places, each with what it would cost, break and mend. Owns the
// asking and the list. Must not know the panel that it stands in, nor how consequences are counted.

import { get } from "../api.js";
import { errorBox } from "../dialogs.js";
import { fill, h } from "../dom.js";
import { icon } from "../icons.js";
import { count, many, plain } from "../words.js";
import { whenWords } from "./model.js";

const SHOWN = 8;
const CONFLICTS_SHOWN = 5;

/** A button that asks, and under it what was answered. `path` is the variant's address in the API. */
export function alternativesOf(model, path, cls, signal) {
  const outlet = h("div", { class: "alternatives", "aria-live": "polite" });
  const ask = h("button", { type: "button", on: { click: look } }, icon("swap"), "Other places");

  async function look() {
    ask.disabled = true;
    fill(outlet, h("p", { class: "busy" }, icon("spin", "turning"), "Counting what each move would change …"));
    try {
      const found = await get(`${path}/alternatives`, { query: { class: cls.id, limit: SHOWN }, signal });
      fill(outlet, found.alternatives.length ? listOf(found) : h("p", { class: "hint" }, "It is allowed nowhere else."));
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(outlet, errorBox(error, { retry: look }));
    } finally {
      ask.disabled = false;
    }
  }

  function listOf(found) {
    return [
      h(
        "p",
        { class: "hint" },
        `The best of ${many(found.considered, "allowed place")}, against where it is now. Nothing is changed.`,
      ),
      h("ol", { class: "places" }, found.alternatives.map(placeOf)),
    ];
  }

  function placeOf(one) {
    const room = one.after.room ? (model.rooms.get(one.after.room)?.name ?? one.after.room) : "no room";
    return h(
      "li",
      {},
      h("div", {}, h("span", { class: "strong" }, whenWords(model.times.get(one.after.time))), ` · ${room}`),
      h("div", { class: "verdicts" }, verdictsOf(one)),
      reasonsOf(one),
    );
  }

  return h("div", {}, h("div", { class: "actions" }, ask), outlet);
}

function verdictsOf(one) {
  const hard = one.hard_violations;
  const badges = [];
  if (hard > 0) badges.push(badge("bad", "cross", many(hard, "more hard violation")));
  if (hard < 0) badges.push(badge("good", "check", many(-hard, "hard violation less", "hard violations less")));
  if (hard === 0 && one.new.length) badges.push(badge("warn", "warn", "breaks as much as it mends"));
  const cost = one.total;
  badges.push(
    cost === 0
      ? badge("quiet", "check", "same cost")
      : badge(cost < 0 ? "good" : "quiet", cost < 0 ? "check" : null, `cost ${signed(cost)}`),
  );
  return badges;
}

/** By part of the cost, and by name what it would break; folded, as eight of them stand below one another. */
function reasonsOf(one) {
  const parts = Object.entries(one.cost ?? {}).map(([part, by]) => h("li", {}, `${plain(part)} ${signed(by)}`));
  const broken = (one.new ?? []).slice(0, CONFLICTS_SHOWN).map((conflict) => h("li", {}, conflict.message));
  const more = (one.new ?? []).length - broken.length;
  if (more > 0) broken.push(h("li", { class: "hint" }, `and ${count(more)} more`));
  if (one.student_conflicts) parts.push(h("li", {}, `students' conflicts ${signed(one.student_conflicts)}`));
  if (!parts.length && !broken.length) return null;
  return h("details", {}, h("summary", {}, "Why"), h("ul", { class: "reasons" }, broken, parts));
}

const signed = (number) => `${number > 0 ? "+" : "−"}${count(Math.abs(number))}`;

const badge = (tone, name, text) => h("span", { class: `badge ${tone}` }, name && icon(name), text);
