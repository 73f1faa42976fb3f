// The options of a search. Owns the fields and their bounds as the server tells them. Must not know what is done with
// them.

import { fill, freshId, h } from "../dom.js";
import { duration, plain, sentence } from "../words.js";

const MINUTE = 60;
const MOST_COST = 1_000_000_000;
const LIMITS_OFFERED = [10, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE];
const WEIGHT_WORDS = {
  time: "Unloved times",
  room: "Unloved rooms",
  distribution: "Rules among classes, curricula",
  student: "Students' conflicts",
};

const PROFILE_HINTS = {
  balanced: "as the weights are",
  students_first: "conflicts, clashes and idle hours count four times",
  instructors_first: "wished-for times and the shape of days count four times",
  rooms_first: "wished-for rooms, seats and one room for a course count four times",
};

/** `{node, read}`; `read()` gives the options for the request, or null after pointing at the field that is wrong. */
export function optionFields(limits) {
  const time = numberField("Time limit", "seconds for each variant", limits.time_limit_s);
  const variants = numberField("Variants", "different timetables to choose from", limits.variants);
  const workers = numberField("Cores", "for each variant", limits.workers);
  const seed = numberField("Seed", "the same one searches the same way", limits.seed);
  const weights = limits.weights.map((name) => [
    name,
    numberField(WEIGHT_WORDS[name] ?? sentence(name), "the problem's own", limits.weight, true),
  ]);
  const profiles = (limits.profiles ?? []).map((name) => [name, profileBox(name)]);
  const longest = limits.time_limit_s.max;
  // Each with how many of the field's units make one of the server's.
  const ends = [
    ["target_cost", numberField("Cost", "once one is this good", { min: 0, max: MOST_COST }, true), 1],
    ["target_gap", numberField("Gap", "% of the cost above what is proven", { min: 0, max: 99 }, true), 100],
    ["no_improvement_s", numberField("Patience", "seconds without a better one", { min: 1, max: longest }, true), 1],
  ];
  const quick = h(
    "div",
    { class: "chips", role: "group", "aria-label": "Usual time limits" },
    LIMITS_OFFERED.filter((value) => value <= limits.time_limit_s.max).map((value) =>
      h(
        "button",
        { type: "button", class: "chip", on: { click: () => time.set(value) } },
        duration(value).replace(" 00 s", ""),
      ),
    ),
  );
  const node = h(
    "div",
    { class: "options" },
    time.node,
    quick,
    h("div", { class: "row-3" }, variants.node, workers.node, seed.node),
    h(
      "details",
      {},
      h("summary", {}, "When to stop early"),
      h(
        "p",
        { class: "hint" },
        "Whatever comes first, as soon as a timetable breaks no hard rule. Empty: at the time limit.",
      ),
      h(
        "div",
        { class: "row-3" },
        ends.map(([, field]) => field.node),
      ),
    ),
    profiles.length > 0 &&
      h(
        "details",
        {},
        h("summary", {}, "Whom first"),
        h("p", { class: "hint" }, "A variant for each that is ticked; they are compared by the problem's own weights."),
        h(
          "div",
          { role: "group", "aria-label": "Weight profiles" },
          profiles.map(([, box]) => box.node),
        ),
      ),
    weights.length > 0 &&
      h(
        "details",
        {},
        h("summary", {}, "Weights"),
        h(
          "p",
          { class: "hint" },
          "What counts how much, instead of the problem's own weights. Empty: as in the problem.",
        ),
        h(
          "div",
          { class: "row-2" },
          weights.map(([, field]) => field.node),
        ),
      ),
  );
  return { node, read };

  function read() {
    const fields = [
      ["time_limit_s", time],
      ["variants", variants],
      ["workers", workers],
      ["seed", seed],
    ];
    const all = [...fields, ...ends, ...weights].map(([, field]) => field);
    const wrong = all.filter((field) => !field.check());
    if (wrong.length) {
      wrong[0].focus();
      return null;
    }
    const given = weights.map(([name, field]) => [name, field.value()]).filter(([, value]) => value !== null);
    const early = ends.filter(([, field]) => field.value() !== null);
    const ticked = profiles.filter(([, box]) => box.ticked()).map(([name]) => name);
    return {
      ...Object.fromEntries(fields.map(([name, field]) => [name, field.value()])),
      variants: Math.max(variants.value(), ticked.length),
      ...Object.fromEntries(early.map(([name, field, units]) => [name, field.value() / units])),
      weights: Object.fromEntries(given),
      ...(ticked.length > 0 && { profiles: ticked }),
    };
  }
}

function profileBox(name) {
  const input = h("input", { type: "checkbox", value: name });
  const hint = PROFILE_HINTS[name] && h("span", { class: "hint" }, ` ${PROFILE_HINTS[name]}`);
  const node = h("label", { class: "check" }, input, ` ${sentence(plain(name))}`, hint);
  return { node, ticked: () => input.checked };
}

function numberField(label, hint, { min, max, default: initial }, optional = false) {
  const id = freshId("option");
  const input = h("input", {
    id,
    type: "number",
    min,
    max,
    step: "1",
    inputmode: "numeric",
    "aria-describedby": `${id}-hint`,
    value: initial === undefined ? "" : String(initial),
    placeholder: optional ? "–" : null,
  });
  const under = h("span", { id: `${id}-hint`, class: "hint" }, hint);
  const node = h("div", { class: "field" }, h("label", { for: id }, label), input, under);
  const value = () => (input.value.trim() === "" ? null : Number(input.value));
  return {
    node,
    value,
    focus: () => {
      const details = node.closest("details");
      if (details) details.open = true;
      input.focus();
    },
    set: (next) => {
      input.value = String(next);
      input.dispatchEvent(new Event("input", { bubbles: true }));
    },
    check: () => {
      const given = value();
      const right =
        given === null ? optional && !input.validity.badInput : Number.isInteger(given) && given >= min && given <= max;
      input.setAttribute("aria-invalid", String(!right));
      fill(under, right ? hint : `A whole number from ${min} to ${max}.`);
      under.classList.toggle("bad-text", !right);
      return right;
    },
  };
}
