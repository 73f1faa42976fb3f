// Finding one of thousands by typing (WAI-ARIA 1.2, editable combobox with list). Owns the field and its list. Must
// not know what is searched: entries have `id`, `label`, `code`, `hint`, `text`.

import { fill, freshId, h } from "../dom.js";
import { count } from "../words.js";

const MOST_SHOWN = 40;

/** `{node, set(entries, entry), focus()}`; `choose(entry)` when one is taken. */
export function typeAhead(label, choose) {
  const listId = freshId("found");
  const input = h("input", {
    type: "text",
    role: "combobox",
    class: "search",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": label,
    "aria-expanded": "false",
    "aria-controls": listId,
    "aria-autocomplete": "list",
  });
  const list = h("ul", { id: listId, role: "listbox", class: "found", "aria-label": label, hidden: true });
  const node = h("div", { class: "type-ahead" }, input, list);
  let entries = [];
  let shown = [];
  let active = -1;
  let chosen = null;

  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", () => list.hidden && search(""));
  input.addEventListener("input", () => search(input.value));
  input.addEventListener("blur", () => {
    close();
    input.value = chosen ? shownName(chosen) : "";
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) search("");
      else mark((active + (event.key === "ArrowDown" ? 1 : -1) + shown.length) % Math.max(1, shown.length));
    } else if (event.key === "Enter" && !list.hidden) {
      event.preventDefault();
      take(shown[Math.max(0, active)]);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });

  /** Every word must occur; those that begin with the text come first. */
  function search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = words.length ? entries.filter((entry) => words.every((word) => entry.text.includes(word))) : entries;
    if (words.length) {
      const begins = (entry) =>
        entry.text.startsWith(words[0]) || entry.label.toLowerCase().startsWith(words[0]) ? 0 : 1;
      shown =
        hits.length > 2000
          ? hits.slice(0, MOST_SHOWN)
          : [...hits].sort((a, b) => begins(a) - begins(b)).slice(0, MOST_SHOWN);
    } else {
      const at = Math.max(0, entries.indexOf(chosen) - 3);
      shown = entries.slice(at, at + MOST_SHOWN);
    }
    fill(
      list,
      shown.map((entry, n) => option(entry, n)),
      hits.length > shown.length &&
        h(
          "li",
          { class: "rest", role: "presentation" },
          `${count(hits.length - shown.length)} more: type to narrow down`,
        ),
      !shown.length && h("li", { class: "rest", role: "presentation" }, "Nothing found"),
    );
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(words.length ? (shown.length ? 0 : -1) : shown.indexOf(chosen));
  }

  function option(entry, n) {
    return h(
      "li",
      {
        id: `${listId}-${n}`,
        role: "option",
        "aria-selected": "false",
        on: {
          pointerdown: (event) => {
            event.preventDefault();
            take(entry);
          },
        },
      },
      h("span", {}, entry.label),
      h("span", { class: "hint" }, [entry.code, entry.hint].filter(Boolean).join(" · ")),
    );
  }

  function mark(n) {
    active = n;
    [...list.children].forEach(
      (one, index) => one.role === "option" && one.setAttribute("aria-selected", String(index === n)),
    );
    if (n >= 0) {
      input.setAttribute("aria-activedescendant", `${listId}-${n}`);
      list.children[n]?.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function take(entry) {
    if (!entry) return;
    chosen = entry;
    input.value = shownName(entry);
    close();
    choose(entry);
  }

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  return {
    node,
    focus: () => input.focus(),
    set(all, entry) {
      entries = all;
      chosen = entry;
      input.value = entry ? shownName(entry) : "";
      input.placeholder = `Search ${count(all.length)} …`;
    },
  };
}

const shownName = (entry) => (entry.code ? `${entry.label} (${entry.code})` : entry.label);
