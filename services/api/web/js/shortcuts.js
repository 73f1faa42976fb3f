// The keyboard: single-key shortcuts and the page that lists them ("?"). Owns which keys are taken and when they are
// not (in fields, with modifiers, switched off: WCAG 2.1.4). Must not know what a key does: whoever needs one brings
// it along.

import { openDialog } from "./dialogs.js";
import { h } from "./dom.js";
import { forget, recall, remember } from "./storage.js";

const SWITCHED_OFF = "shortcuts-off";
const taken = new Map();
let prefix = "";
let prefixTimer = 0;

/** Take a key ("n", or two in a row: "g j") until `signal` aborts. `text` goes into the list. */
export function shortcut(keys, text, act, signal) {
  taken.set(keys, { text, act });
  signal?.addEventListener("abort", () => {
    if (taken.get(keys)?.act === act) taken.delete(keys);
  });
}

export function startShortcuts() {
  document.addEventListener("keydown", onKey);
  shortcut("?", "Show this list", showHelp);
}

export function showHelp() {
  const rows = [...taken].map(([keys, { text }]) =>
    h(
      "div",
      { class: "key-row" },
      h(
        "dt",
        {},
        keys.split(" ").map((key) => h("kbd", {}, key)),
      ),
      h("dd", {}, text),
    ),
  );
  const box = h("input", { type: "checkbox", checked: !recall(SWITCHED_OFF) });
  box.addEventListener("change", () => (box.checked ? forget(SWITCHED_OFF) : remember(SWITCHED_OFF, "1")));
  openDialog("Keyboard", [
    h("dl", { class: "keys" }, rows),
    h(
      "dl",
      { class: "keys" },
      [
        ["Tab", "Next control"],
        ["↑ ↓ ← →", "Between classes in the week, entries in a list, points of the curve"],
        ["Enter", "Open"],
        ["Esc", "Close"],
      ].map(([key, text]) => h("div", { class: "key-row" }, h("dt", {}, h("kbd", {}, key)), h("dd", {}, text))),
    ),
    h("label", { class: "check" }, box, "Single-key shortcuts are on"),
  ]);
}

function onKey(event) {
  const inField = event.target.closest?.(
    "input:not([type=checkbox],[type=radio]), textarea, select, [contenteditable]",
  );
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || inField) return;
  if (recall(SWITCHED_OFF) || document.querySelector("dialog[open]")) return;
  const keys = prefix ? `${prefix} ${event.key}` : event.key;
  const found = taken.get(keys);
  prefix = "";
  clearTimeout(prefixTimer);
  if (found) {
    event.preventDefault();
    found.act();
  } else if ([...taken.keys()].some((known) => known.startsWith(`${event.key} `))) {
    prefix = event.key;
    prefixTimer = setTimeout(() => (prefix = ""), 1500);
  }
}
