// The frame around every view: brand, places to go, who is signed in. Owns the bar. Must not know what a view shows.

import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { link, parse } from "./router.js";
import { mayPlan, user } from "./session.js";
import { showHelp } from "./shortcuts.js";
import { themeSwitch } from "./theme.js";

const bar = () => document.getElementById("bar");

/** Draw the bar for whoever is signed in now; `onSignOut` is the button's. */
export function drawBar(onSignOut) {
  const me = user();
  const brand = h(
    "a",
    { class: "brand", href: link("/jobs"), "aria-label": "Horarium, home" },
    h("img", { src: "/web/logo.svg", alt: "", width: "24", height: "24" }),
    h("span", {}, "Horarium"),
  );
  const help = h(
    "button",
    { type: "button", class: "quiet square", title: "Keyboard (?)", on: { click: showHelp } },
    icon("help"),
    h("span", { class: "sr" }, "Keyboard shortcuts"),
  );
  const tools = h("div", { class: "tools" });
  if (!me) {
    tools.append(themeSwitch(), help);
    fill(bar(), brand, tools);
    return;
  }
  const places = h(
    "nav",
    { "aria-label": "Main" },
    h("a", { href: link("/jobs"), dataset: { place: "/jobs" } }, "Timetables"),
    mayPlan() && h("a", { href: link("/new"), dataset: { place: "/new" } }, icon("plus"), "New"),
  );
  const out = h(
    "button",
    { type: "button", class: "quiet square", title: "Sign out", on: { click: onSignOut } },
    icon("out"),
    h("span", { class: "sr" }, "Sign out"),
  );
  const who = h(
    "div",
    { class: "who", title: `${me.email}, ${me.role}` },
    h("span", { class: "who-name" }, me.email),
    h("span", { class: "who-where" }, `${me.organization} · ${me.role}`),
  );
  tools.append(who, themeSwitch(), help, out);
  fill(bar(), brand, places, tools);
  markPlace();
}

/** Which of the places we are at. */
export function markPlace() {
  const { path } = parse();
  for (const a of bar().querySelectorAll("[data-place]")) {
    if (path.startsWith(a.dataset.place)) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
}
