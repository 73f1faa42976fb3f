// Asking and telling: confirmations, the help page, short notes. Owns modal dialogs and the notes' corner. Must not
// know what is asked or told.

import { append, h } from "./dom.js";
import { icon } from "./icons.js";

const NOTE_MS = 6000;

/** A modal dialog with a title; returns the element, already open. It leaves the page when it closes. */
export function openDialog(title, content, { className = "" } = {}) {
  const heading = h("h2", {}, title);
  const close = h("button", { type: "button", class: "quiet square", "aria-label": "Close" }, icon("close"));
  const dialog = h(
    "dialog",
    { class: `dialog ${className}`.trim(), "aria-label": title },
    h("div", { class: "dialog-head" }, heading, close),
    h("div", { class: "dialog-body" }, content),
  );
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Ask before something that cannot be undone. Resolves to true or false. */
export function confirmed({ title, text, yes, danger = false }) {
  return new Promise((resolve) => {
    let answer = false;
    const no = h("button", { type: "button" }, "Go back");
    const go = h("button", { type: "button", class: danger ? "danger" : "primary" }, yes);
    const dialog = openDialog(title, [h("p", {}, text), h("div", { class: "actions end" }, no, go)], {
      className: "ask",
    });
    no.addEventListener("click", () => dialog.close());
    go.addEventListener("click", () => {
      answer = true;
      dialog.close();
    });
    dialog.addEventListener("close", () => resolve(answer));
    // What is asked about may be gone with the view.
    window.addEventListener("horarium:view-left", () => dialog.close(), { once: true });
    no.focus();
  });
}

/** A short note in the corner, read out by screen readers; goes by itself. */
export function note(text, tone = "quiet") {
  const corner = document.getElementById("notes");
  const shown = h("div", { class: `note ${tone}` }, text);
  corner.append(shown);
  setTimeout(() => shown.remove(), NOTE_MS);
}

/** An error within a view: what the server said, every place it named, and a number to quote. */
export function errorBox(error, { retry = null } = {}) {
  const box = h("div", { class: "error-box", role: "alert" }, icon("warn"));
  const text = h("div", {}, h("p", { class: "strong" }, error.message));
  if (error.errors?.length) text.append(findings(error.errors));
  if (error.correlationId)
    text.append(h("p", { class: "hint" }, "Quote when asking for help: ", h("code", {}, error.correlationId)));
  if (retry)
    text.append(h("div", { class: "actions" }, h("button", { type: "button", on: { click: retry } }, "Try again")));
  append(box, [text]);
  return box;
}

/** Findings of a problem answer as a list: where, and what would mend it. */
export function findings(errors) {
  const rows = errors.map((found) =>
    h("li", {}, h("code", { class: "place" }, found.pointer || "whole file"), h("span", {}, found.message)),
  );
  return h("ol", { class: "findings" }, rows);
}
