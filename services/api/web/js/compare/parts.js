// Cost by part, a column for each variant. Owns the table. Must not know how variants are fetched.

import { h } from "../dom.js";
import { count, plain } from "../words.js";

/** A row for each part, a column for each variant; the smallest of a row stands out. */
export function partsTable(variants, best) {
  // By the problem's own weights: costs of different weights cannot stand side by side.
  const own = (one) => one.own_score ?? one.score;
  const parts = [...new Set(variants.flatMap((one) => Object.keys(own(one).cost)))].sort();
  const row = (name, values, strong = false) => {
    const least = Math.min(...values);
    const most = Math.max(1, ...values);
    return h(
      "tr",
      { class: strong ? "total" : "" },
      h("th", { scope: "row" }, name),
      values.map((value) =>
        h(
          "td",
          { class: value === least && values.some((other) => other !== least) ? "least" : "" },
          h(
            "div",
            { class: "cell-bar" },
            h("span", { class: "number" }, count(value)),
            h(
              "span",
              { class: "bar-track", "aria-hidden": "true" },
              h("span", { css: { "inline-size": `${(value / most) * 100}%` } }),
            ),
          ),
        ),
      ),
    );
  };
  return h(
    "div",
    { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Cost by part" },
    h(
      "table",
      { class: "plain parts-table" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("td"),
          variants.map((one) =>
            h(
              "th",
              { scope: "col" },
              h("span", { class: `swatch v${one.variant}`, "aria-hidden": "true" }),
              ` Variant ${one.variant}`,
              one.variant === best && h("span", { class: "badge good" }, "best"),
              one.provenance.profile && h("span", { class: "badge quiet" }, plain(one.provenance.profile)),
            ),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        row(
          "hard violations",
          variants.map((one) => own(one).hard_violations),
        ),
        parts.map((part) =>
          row(
            plain(part),
            variants.map((one) => own(one).cost[part] ?? 0),
          ),
        ),
        row(
          "total cost",
          variants.map((one) => own(one).total),
          true,
        ),
      ),
    ),
  );
}
