// The cost curve: cost over time, one stepped line for each variant. Owns scales, axes and reading off values. Must
// not know where the points come from.

import { fill, freshId, h, s, setText } from "../dom.js";
import { count, duration } from "../words.js";
import { logTicks, ticks } from "./ticks.js";

const HEIGHT = 260;
const EDGE = { top: 12, right: 14, bottom: 30, left: 58 };
// From this ratio of highest to lowest cost on, a linear scale hides the end of the search.
const LOG_FROM = 8;

/** `{node, scale, draw(), measure(signal)}`; `scale` is the switch between logarithmic and linear. */
export function costChart(history) {
  const described = freshId("curve");
  const svg = s("svg", { class: "curve", role: "img", "aria-labelledby": described, height: HEIGHT });
  const words = h("p", { id: described, class: "sr" });
  const reading = h("div", { class: "reading hint" });
  const scale = h("button", { type: "button", class: "quiet small", on: { click: switchScale } });
  const node = h(
    "div",
    { class: "chart", tabindex: "0", role: "group", "aria-label": "Cost over time; left and right read off values" },
    svg,
    reading,
    words,
  );
  let width = 560;
  let chosen = null;
  let pointer = null;
  svg.addEventListener("pointermove", (event) => readAt(event.clientX - svg.getBoundingClientRect().left));
  svg.addEventListener("pointerleave", () => readAt(null));
  node.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    readAt((pointer ?? EDGE.left) + step * 12);
  });
  node.addEventListener("blur", () => readAt(null));
  return { node, scale, draw, measure };

  /** Follow the width of the page. */
  function measure(signal) {
    const observer = new ResizeObserver(([entry]) => {
      const next = Math.round(entry.contentRect.width);
      if (next > 0 && next !== width) {
        width = next;
        draw();
      }
    });
    observer.observe(node);
    signal.addEventListener("abort", () => observer.disconnect());
  }

  function switchScale() {
    chosen = axes().log ? "linear" : "log";
    draw();
  }

  function readAt(x) {
    pointer = x === null ? null : Math.max(EDGE.left, Math.min(width - EDGE.right, x));
    draw();
  }

  function axes() {
    const points = [...history.variants.values()].flat();
    const bounds = [...history.bounds.values()];
    const last = Math.max(1, ...points.map(([seconds]) => seconds));
    const costs = points.map(([, total]) => total);
    const top = Math.max(1, ...costs);
    const bottom = Math.min(top, ...costs, ...bounds);
    const log = chosen ? chosen === "log" : top / Math.max(1, bottom) > LOG_FROM;
    const low = log ? Math.log10(Math.max(1, bottom)) : Math.max(0, bottom - (top - bottom) * 0.08);
    const high = Math.max(log ? Math.log10(top) : top, low + (log ? 0.05 : 1));
    const x = (seconds) => EDGE.left + (seconds / last) * (width - EDGE.left - EDGE.right);
    const y = (cost) => {
      const value = log ? Math.log10(Math.max(1, cost)) : cost;
      return HEIGHT - EDGE.bottom - ((value - low) / (high - low)) * (HEIGHT - EDGE.top - EDGE.bottom);
    };
    return {
      x,
      y,
      log,
      last,
      marks: log ? logTicks(low, high) : ticks(low, high, 5),
      seconds: ticks(0, last, width < 420 ? 4 : 7),
    };
  }

  function draw() {
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute("width", String(width));
    if (![...history.variants.values()].flat().length) {
      fill(
        svg,
        s(
          "text",
          { class: "axis-text", x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" },
          "The curve begins with the first timetable.",
        ),
      );
      setText(words, "No timetable has been found yet.");
      scale.hidden = true;
      setText(reading, " ");
      return;
    }
    const axis = axes();
    scale.hidden = false;
    setText(scale, axis.log ? "Scale: logarithmic" : "Scale: linear");
    scale.title = "Change the scale of the costs";
    fill(
      svg,
      grid(axis, width),
      [...history.bounds].map(([number, bound]) => boundLine(number, bound, axis, width)),
      [...history.variants].map(([number, points]) => line(number, points, axis)),
      marker(axis),
    );
    setText(
      words,
      [...history.variants]
        .map(
          ([number, points]) =>
            `Variant ${number}: from cost ${count(points[0][1])} to ${count(points.at(-1)[1])} in ${duration(points.at(-1)[0])}.`,
        )
        .join(" "),
    );
  }

  function marker(axis) {
    if (pointer === null) {
      setText(
        reading,
        [...history.variants.values()].flat().some(([, , hard]) => hard) ? "Faint parts still broke hard rules." : " ",
      );
      return null;
    }
    const seconds = ((pointer - EDGE.left) / (width - EDGE.left - EDGE.right)) * axis.last;
    const values = [...history.variants]
      .map(([number, points]) => [number, points.findLast((point) => point[0] <= seconds)])
      .filter(([, point]) => point);
    setText(
      reading,
      `${duration(seconds)}: ${values.map(([number, point]) => `variant ${number} cost ${count(point[1])}${point[2] ? `, ${point[2]} hard` : ""}`).join(" · ") || "nothing yet"}`,
    );
    return s(
      "g",
      {},
      s("line", { class: "marker", x1: pointer, x2: pointer, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
      values.map(([number, point]) =>
        s("circle", { class: `dot v${number}`, cx: pointer, cy: axis.y(point[1]), r: 4 }),
      ),
    );
  }
}

function grid(axis, width) {
  return s(
    "g",
    {},
    axis.marks.map((cost) => [
      s("line", { class: "grid-line", x1: EDGE.left, x2: width - EDGE.right, y1: axis.y(cost), y2: axis.y(cost) }),
      s("text", { class: "axis-text", x: EDGE.left - 8, y: axis.y(cost) + 4, "text-anchor": "end" }, count(cost)),
    ]),
    axis.seconds.map((second) =>
      s(
        "text",
        { class: "axis-text", x: axis.x(second), y: HEIGHT - 9, "text-anchor": "middle" },
        `${count(second)} s`,
      ),
    ),
  );
}

function boundLine(number, bound, axis, width) {
  return s("line", {
    class: `bound-line v${number}`,
    x1: EDGE.left,
    x2: width - EDGE.right,
    y1: axis.y(bound),
    y2: axis.y(bound),
  });
}

/** Two paths: while hard rules are broken (faint), and after. */
function line(number, points, axis) {
  const firm = points.findIndex(([, , hard]) => hard === 0);
  const split = firm < 0 ? points.length : firm;
  const path = (part) =>
    part
      .map(([seconds, cost], n) =>
        n === 0 ? `M${axis.x(seconds)} ${axis.y(cost)}` : `H${axis.x(seconds)}V${axis.y(cost)}`,
      )
      .join("");
  const last = points.at(-1);
  return s(
    "g",
    { class: `v${number}` },
    split > 0 && s("path", { class: "curve-line faint", d: path(points.slice(0, split + 1)) }),
    split < points.length && s("path", { class: "curve-line", d: `${path(points.slice(split))}` }),
    s("circle", { class: `dot v${number}`, cx: axis.x(last[0]), cy: axis.y(last[1]), r: 3.5 }),
  );
}
