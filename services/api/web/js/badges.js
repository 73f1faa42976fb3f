// A job's state as a badge. Owns its look: colour, icon and word always together. Must not know where it stands.

import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { STATUSES } from "./words.js";

/** A badge, with `update(status)` for one that changes. */
export function statusBadge(status) {
  const node = h("span", { class: "badge" });
  let shown = null;
  const update = (next) => {
    if (next === shown) return;
    shown = next;
    const known = STATUSES[next] ?? { label: next, tone: "quiet", icon: "clock" };
    node.className = `badge ${known.tone}`;
    fill(node, icon(known.icon, next === "running" ? "turning" : ""), known.label);
  };
  update(status);
  return { node, update };
}

/** A thin bar with a percentage, for people and for screen readers. */
export function progressBar(label) {
  const inner = h("div", { class: "meter-in" });
  const node = h(
    "div",
    { class: "meter", role: "progressbar", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100" },
    inner,
  );
  return {
    node,
    update(value) {
      const bounded = Math.max(0, Math.min(100, value ?? 0));
      inner.style.setProperty("inline-size", `${bounded}%`);
      node.setAttribute("aria-valuenow", String(Math.round(bounded)));
    },
  };
}
