// Choosing among the stored problems. Owns the list, its pages and the summary of the chosen one. Must not know how a
// problem came to be stored or what is done with it.

import { errorBox } from "../dialogs.js";
import { fill, h } from "../dom.js";
import { counts, problemPage } from "../problems.js";
import { bytes, count, moment } from "../words.js";

// Spreadsheets are stored as native problems; a format without a name here is shown by its own.
const FORMAT_NAMES = { native: "native", ctt: "ITC-2007 .ctt", tim: "ITC-2007 .tim", itc2019: "ITC-2019" };

export function problemChoice(choose, signal) {
  const shown = new Map();
  let cursor = null;
  const list = h("div", { class: "choices", role: "radiogroup", "aria-label": "Stored problems" });
  const more = h("button", { type: "button", hidden: true, on: { click: load } }, "Show more");
  const said = h("div");
  const node = h("div", { class: "problem-choice" }, h("h3", { class: "label" }, "Stored problems"), list, said, more);
  return { node, load, add };

  async function load() {
    more.disabled = true;
    fill(said);
    try {
      const page = await problemPage(cursor, signal, 8);
      for (const problem of page.items) if (!shown.has(problem.id)) list.append(place(problem).node);
      cursor = page.next_cursor;
      more.hidden = !cursor;
      if (!shown.size) fill(said, h("p", { class: "hint" }, "None yet: bring the first one in above."));
    } catch (error) {
      if (error.name !== "AbortError") fill(said, errorBox(error, { retry: load }));
    } finally {
      more.disabled = false;
    }
  }

  /** Put a problem on top and choose it. */
  function add(problem) {
    const entry = shown.get(problem.id) ?? place(problem);
    list.prepend(entry.node);
    fill(said);
    entry.choose();
  }

  function place(problem) {
    const radio = h("input", { type: "radio", name: "problem", value: problem.id });
    const facts = h(
      "dl",
      { class: "facts", hidden: true },
      counts(problem).map(([what, number]) => h("div", {}, h("dt", {}, what), h("dd", {}, count(number)))),
    );
    const node = h(
      "label",
      { class: "choice" },
      radio,
      h(
        "span",
        { class: "choice-text" },
        h("span", { class: "strong" }, problem.name),
        h(
          "span",
          { class: "hint" },
          `${FORMAT_NAMES[problem.format] ?? problem.format} · ${bytes(problem.size_bytes)} · ${moment(problem.created_at)}`,
        ),
        facts,
      ),
    );
    const entry = {
      node,
      facts,
      choose: () => {
        radio.checked = true;
        for (const other of shown.values()) other.facts.hidden = other !== entry;
        choose(problem);
      },
    };
    radio.addEventListener("change", entry.choose);
    shown.set(problem.id, entry);
    return entry;
  }
}
