// Light or dark: the system's choice until somebody makes one. Owns the choice and its switch. Must not know any view.

import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { forget, recall, remember } from "./storage.js";

const ORDER = ["system", "light", "dark"];
const SHOWN = { system: ["screen", "as the system"], light: ["sun", "light"], dark: ["moon", "dark"] };

const chosen = () => (ORDER.includes(recall("theme")) ? recall("theme") : "system");
let button = null;

/** The switch: system, light, dark, and round again. */
export function themeSwitch() {
  button = h("button", { type: "button", class: "quiet square", on: { click: nextTheme } });
  show();
  return button;
}

export function nextTheme() {
  const next = ORDER[(ORDER.indexOf(chosen()) + 1) % ORDER.length];
  if (next === "system") {
    forget("theme");
    delete document.documentElement.dataset.theme;
  } else {
    remember("theme", next);
    document.documentElement.dataset.theme = next;
  }
  show();
}

function show() {
  const [name, words] = SHOWN[chosen()];
  if (!button) return;
  fill(button, icon(name), h("span", { class: "sr" }, `Colours: ${words}. Change`));
  button.title = `Colours: ${words} (t)`;
}
