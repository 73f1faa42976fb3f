// Taking a timetable along: one link for each format the server lists, whole or as seen now. Owns the menu. Must not know
// how a format is written.

import { ApiError } from "../api.js";
import { capabilities } from "../capabilities.js";
import { errorBox, openDialog } from "../dialogs.js";
import { fill, h } from "../dom.js";
import { icon } from "../icons.js";

/** A button that opens the choice; `selection()` gives `{kind, id, label}` of what is shown, or null. */
export function exportButton(jobId, variant, selection) {
  return h("button", { type: "button", on: { click: open } }, icon("download"), "Export");

  async function open() {
    const body = h("div", {}, h("p", { class: "hint" }, "Asking what this server writes …"));
    openDialog("Export", body, { className: "export" });
    try {
      const can = await capabilities();
      const seen = selection();
      fill(body,
        seen && can.views.includes(seen.kind) && section(`${seen.label} only`, can.exports.filter((format) => !format.wholeOnly), { [seen.kind]: seen.id }),
        section("The whole timetable", can.exports, {}),
        h("p", { class: "hint" }, "A calendar needs the date of the first day in the problem; a format that this problem has not says so."));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fill(body, errorBox(error));
    }
  }

  function section(title, formats, view) {
    return h("section", {}, h("h3", { class: "label" }, title), h("ul", { class: "export-list" }, formats.map((format) => {
      const query = new URLSearchParams({ format: format.name, ...view });
      return h("li", {}, h("a", { class: "export-link", href: `/api/timetables/${jobId}/variants/${variant}?${query}`, download: fileName(format.name, view), dataset: { format: format.name } },
        icon("file"), h("span", { class: "strong" }, format.label), h("span", { class: "hint" }, format.use)));
    })));
  }

  function fileName(format, view) {
    const seen = Object.values(view).map((id) => `-${id.replace(/[^\w.-]+/g, "_")}`).join("");
    return `timetable-${jobId.slice(0, 8)}-${variant}${seen}.${format === "solution" ? "sol" : format}`;
  }
}
