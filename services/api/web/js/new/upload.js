// Bringing a problem in: dragged or picked, sent as it is, checked by the server. Owns the drop zone and what it says
// of a refusal. Must not know what a problem is: the server reads it and says what is wrong, and where.

import { request } from "../api.js";
import { acceptList, uploadNames, uploadType } from "../capabilities.js";
import { errorBox, findings } from "../dialogs.js";
import { append, fill, h } from "../dom.js";
import { fileLink } from "../files.js";
import { icon } from "../icons.js";
import { remember } from "../problems.js";
import { bytes, many } from "../words.js";

/** The drop zone; `done(problem)` is called with each problem that was stored. */
export function dropZone(can, done, signal) {
  const picker = h("input", { id: "problem-file", type: "file", class: "sr", accept: acceptList(can.uploads) });
  const said = h("div", { class: "upload-said", "aria-live": "polite" });
  const zone = h(
    "label",
    { class: "drop", for: "problem-file" },
    picker,
    icon("upload"),
    h("span", { class: "strong" }, "Drag a problem in, or choose a file"),
    h("span", { class: "hint" }, `${uploadNames(can.uploads)}; also .gz`),
  );
  picker.addEventListener("change", () => {
    if (picker.files[0]) send(picker.files[0]);
    picker.value = "";
  });
  // Anywhere on the page: a file that misses the zone would otherwise replace the page.
  document.addEventListener("dragover", onDrag, { signal });
  document.addEventListener("dragleave", (event) => !event.relatedTarget && zone.classList.remove("over"), { signal });
  document.addEventListener("drop", onDrop, { signal });
  const templates =
    can.templates &&
    h(
      "p",
      { class: "hint" },
      "Starting from spreadsheets? ",
      fileLink({ href: "/api/problems/templates/problem.xlsx", download: true }, untaken, "Excel template"),
      " · ",
      fileLink({ href: "/api/problems/templates/problem.zip", download: true }, untaken, "CSV templates"),
    );
  return h("div", { class: "upload" }, zone, templates, said);

  function untaken(error) {
    fill(said, errorBox(error));
  }

  function onDrag(event) {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    zone.classList.add("over");
  }

  function onDrop(event) {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    zone.classList.remove("over");
    send(event.dataTransfer.files[0]);
  }

  async function send(file) {
    const type = uploadType(can, file.name);
    if (!type) {
      fill(
        said,
        errorBox({ message: `"${file.name}" is of no kind that is read here. Bring ${uploadNames(can.uploads)}.` }),
      );
      return;
    }
    zone.setAttribute("aria-busy", "true");
    fill(
      said,
      h("p", { class: "busy" }, icon("spin", "turning"), `Sending and checking ${file.name} (${bytes(file.size)}) …`),
    );
    try {
      const problem = await request("POST", "/api/problems", { body: file, type, signal });
      remember(problem);
      fill(said, h("p", { class: "good-text" }, icon("check"), `"${problem.name}" has been checked and stored.`));
      done(problem);
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(said, refused(file, error));
    } finally {
      zone.removeAttribute("aria-busy");
    }
  }
}

function refused(file, error) {
  if (!error.errors.length) return errorBox(error);
  const box = h("div", { class: "error-box", role: "alert" }, icon("warn"));
  append(box, [
    h(
      "div",
      {},
      h(
        "p",
        { class: "strong" },
        `${file.name} cannot be timetabled yet: ${many(error.errors.length, "finding")}. Nothing was stored.`,
      ),
      findings(error.errors),
    ),
  ]);
  return box;
}
