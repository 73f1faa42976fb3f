// Which week is shown, where weeks differ. Owns the choice. Must not know what a week looks like.

import { h } from "../dom.js";
import { icon } from "../icons.js";

const DAY_MS = 24 * 3600 * 1000;
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

/** `{node, show(week), next()}`, or null where every week is the same; `choose(week)`, null for all weeks. */
export function weekChoice(model, choose) {
  const { weeks, first_day: firstDay } = model.calendar;
  if (weeks < 2 || !model.weeksDiffer) return null;
  let shown = null;
  const label = (week) => {
    if (!firstDay) return `Week ${week + 1}`;
    return `Week ${week + 1}, ${DATE.format(new Date(Date.parse(`${firstDay}T00:00:00Z`) + week * 7 * DAY_MS))}`;
  };
  const select = h(
    "select",
    { "aria-label": "Week" },
    h("option", { value: "" }, "All weeks"),
    Array.from({ length: weeks }, (_, week) => h("option", { value: week }, label(week))),
  );
  select.addEventListener("change", () => choose(select.value === "" ? null : Number(select.value)));
  const step = (by) =>
    choose(shown === null ? (by > 0 ? 0 : weeks - 1) : shown + by < 0 || shown + by >= weeks ? null : shown + by);
  const button = (by, sign, words) =>
    h(
      "button",
      { type: "button", class: "square", on: { click: () => step(by) } },
      icon(sign),
      h("span", { class: "sr" }, words),
    );
  const node = h(
    "div",
    { class: "weeks" },
    button(-1, "left", "Previous week"),
    select,
    button(1, "right", "Next week"),
  );
  return {
    node,
    next: () => step(1),
    show(week) {
      shown = week;
      select.value = week === null ? "" : String(week);
    },
  };
}
