// Taking a timetable along: one link for each format the server lists, whole or as seen now. Owns the menu. Must not
// know how a format is written.

import { ApiError } from "../api.js";
import { capabilities } from "../capabilities.js";
import { errorBox, openDialog } from "../dialogs.js";
import { fill, h } from "../dom.js";
import { fileLink } from "../files.js";
import { icon } from "../icons.js";

/** A button that opens the choice; `selection()` gives `{kind, id, label}` of what is shown, or null; `lacks(format)` a
 * reason why this problem has no such file, or null. */
export function exportButton(jobId, variant, selection, lacks) {
  return h("button", { type: "button", on: { click: open } }, icon("download"), "Export");

  async function open() {
    const body = h("div", {}, h("p", { class: "hint" }, "Asking what this server writes …"));
    const dialog = openDialog("Export", body, { className: "export" });
    // Where the session has ended, the page asks to sign in.
    window.addEventListener("horarium:view-left", () => dialog.close(), { once: true });
    const said = h("div");
    const failed = (error) => fill(said, errorBox(error));
    try {
      const can = await capabilities();
      const seen = selection();
      fill(
        body,
        said,
        seen &&
          can.views.includes(seen.kind) &&
          section(
            `${seen.label} only`,
            can.exports.filter((format) => !format.wholeOnly),
            { [seen.kind]: seen.id },
            failed,
          ),
        section("The whole timetable", can.exports, {}, failed),
      );
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fill(body, errorBox(error));
    }
  }

  function section(title, formats, view, failed) {
    return h(
      "section",
      {},
      h("h3", { class: "label" }, title),
      h(
        "ul",
        { class: "export-list" },
        formats.map((format) => {
          const reason = lacks(format.name);
          if (reason)
            return h(
              "li",
              { class: "export-link absent" },
              icon("file"),
              h("span", { class: "strong" }, format.label),
              h("span", { class: "hint" }, reason),
            );
          const query = new URLSearchParams({ format: format.name, ...view });
          // A page to read opens beside this one; everything else is a file to keep.
          const how =
            format.name === "html" ? { target: "_blank", rel: "noopener" } : { download: fileName(format.name, view) };
          return h(
            "li",
            {},
            fileLink(
              {
                class: "export-link",
                href: `/api/timetables/${jobId}/variants/${variant}?${query}`,
                ...how,
                dataset: { format: format.name },
              },
              failed,
              icon("file"),
              h("span", { class: "strong" }, format.label),
              h("span", { class: "hint" }, format.use),
            ),
          );
        }),
      ),
    );
  }

  function fileName(format, view) {
    const seen = Object.values(view)
      .map((id) => `-${id.replace(/[^\w.-]+/g, "_")}`)
      .join("");
    return `timetable-${jobId.slice(0, 8)}-${variant}${seen}.${format === "solution" ? "sol" : format}`;
  }
}
