// One class in a panel beside the week: when, where, who, how full, and ways to go on from it. Owns the panel. Must
// not know the week it stands beside.

import { fill, h } from "../dom.js";
import { icon } from "../icons.js";
import { count, many } from "../words.js";
import { alternativesOf } from "./alternatives.js";
import { hue } from "./grid.js";
import { whenWords } from "./model.js";

/**
 * `{node, open(cls, from), close()}`; `see(kind, id)` goes to another view. The focus returns to where it came from.
 * `variant` is the timetable's address in the API; without one (its problem is gone) nothing can be asked of it.
 */
export function detailsPanel(model, see, violationsOf, variant, signal) {
  const body = h("div", { class: "details-body" });
  const shut = h("button", { type: "button", class: "quiet square", "aria-label": "Close" }, icon("close"));
  const node = h(
    "aside",
    { class: "details", "aria-label": "Class", hidden: true },
    h("div", { class: "details-head" }, h("h2", { tabindex: "-1" }), shut),
    body,
  );
  const title = node.querySelector("h2");
  let cameFrom = null;
  shut.addEventListener("click", close);
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });

  function open(cls, from) {
    cameFrom = from;
    title.textContent = cls.courseName ?? cls.course;
    node.style.setProperty("--hue", hue(cls.course));
    fill(body, rows(cls));
    // On the side where it does not cover what it is about.
    const place = from?.getBoundingClientRect();
    node.classList.toggle("at-start", Boolean(place) && place.left > window.innerWidth / 2);
    node.hidden = false;
    title.focus({ preventScroll: true });
  }

  function close() {
    if (node.hidden) return;
    node.hidden = true;
    if (cameFrom?.isConnected) cameFrom.focus();
  }

  function rows(cls) {
    const room = cls.room ? model.rooms.get(cls.room) : null;
    const violations = violationsOf(cls.id);
    return [
      h("p", { class: "hint" }, cls.subpart === cls.id ? `Class ${cls.id}` : `Class ${cls.id} · ${cls.subpart}`),
      h(
        "dl",
        { class: "pairs" },
        pair(
          "When",
          cls.time
            ? [
                whenWords(cls.time),
                cls.time.weekWords
                  ? h("div", { class: "hint" }, cls.time.weekWords)
                  : h("div", { class: "hint" }, "every week"),
              ]
            : `not placed${cls.unplaced ? `: ${cls.unplaced}` : ""}`,
        ),
        pair(
          "Room",
          cls.room
            ? [
                to("room", cls.room, room?.name ?? cls.room),
                h(
                  "div",
                  { class: "hint" },
                  [room?.building, room && many(room.capacity, "seat"), ...(room?.features ?? [])]
                    .filter(Boolean)
                    .join(" · "),
                ),
              ]
            : cls.time
              ? "needs none"
              : "–",
        ),
        pair("Students", students(cls, room)),
        pair(
          cls.instructors.length > 1 ? "Instructors" : "Instructor",
          cls.instructors.length
            ? cls.instructors.map((id) => h("div", {}, to("instructor", id, model.people.get(id) ?? id)))
            : "none named",
        ),
        pair("Course", to("course", cls.course, cls.courseName ? `${cls.courseName} (${cls.course})` : cls.course)),
      ),
      violations.length > 0 &&
        h(
          "div",
          { class: "error-box" },
          icon("warn"),
          h(
            "ul",
            { class: "reasons" },
            violations.map((text) => h("li", {}, text)),
          ),
        ),
      variant && alternativesOf(model, variant, cls, signal),
    ];
  }

  function students(cls, room) {
    const seats = room ? Math.min(room.capacity, cls.limit || room.capacity) : cls.limit;
    // Problems without students tell the expected number as the class's limit.
    if (!model.by.student.size)
      return [`${count(cls.limit)} expected`, room && fillBar(cls.limit, room.capacity, "of the room's seats")];
    return [
      many(cls.students, "student"),
      h("span", { class: "hint" }, ` of at most ${cls.limit}`),
      seats > 0 && fillBar(cls.students, room?.capacity ?? cls.limit, room ? "of the room's seats" : "of the places"),
    ];
  }

  function to(kind, id, text) {
    return h("button", { type: "button", class: "link", on: { click: () => see(kind, id) } }, text);
  }

  return { node, open, close };
}

const pair = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

function fillBar(part, whole, words) {
  const share = whole ? Math.round((part / whole) * 100) : 0;
  return h(
    "div",
    { class: "fill" },
    h(
      "div",
      { class: `meter${share > 100 ? " over" : ""}`, "aria-hidden": "true" },
      h("div", { class: "meter-in", css: { "inline-size": `${Math.min(100, share)}%` } }),
    ),
    h("span", { class: "hint" }, `${share} % ${words}`),
  );
}
