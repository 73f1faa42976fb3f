// What this server can do, in its own words: read from its OpenAPI document, once. Owns how the document is read, and
// the two tables that give formats their names. Must not know how anything is shown. A format that the server does not
// list is not offered; one that this page has no name for is offered by its own.

import { get } from "./api.js";

// Files that can be uploaded: by the end of the name (a `.gz` after it aside), with the media type that says so.
const UPLOADS = [
  { ends: [".json"], type: "application/json", name: "native JSON" },
  { ends: [".ctt", ".ectt"], type: "text/plain", name: "ITC-2007 .ctt" },
  { ends: [".tim"], type: "application/x-tim", name: "ITC-2007 .tim" },
  {
    ends: [".xlsx"],
    type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    name: "Excel workbook",
  },
  { ends: [".zip"], type: "application/zip", name: "CSV files in a .zip" },
  { ends: [".xml"], type: "application/xml", name: "ITC-2019 XML" },
];

// For files whose name tells nothing: the server looks at how they begin.
const UNNAMED = "application/octet-stream";

// Ways to take a timetable along: label, and what the file is good for.
const EXPORTS = {
  xlsx: ["Excel", "workbook"],
  csv: ["CSV", "spreadsheets"],
  ics: ["iCalendar", "calendar programs"],
  html: ["Printable page", "one file, to print or send"],
  json: ["JSON", "programs"],
  solution: ["Solution file", "benchmark validators"],
  xml: ["ITC-2019 XML", "benchmark validators"],
};
const WHOLE_ONLY = new Set(["solution", "xml"]);

let asked = null;

/** `{uploads, exports, views, limits}`. Raises ApiError when the server is away; the next call asks again. */
export function capabilities() {
  asked ??= get("/openapi.json").then(read, (error) => {
    asked = null;
    throw error;
  });
  return asked;
}

function read(document) {
  const schemas = document.components?.schemas ?? {};
  const types = Object.keys(document.paths?.["/api/problems"]?.post?.requestBody?.content ?? {});
  const variant = document.paths?.["/api/timetables/{job_id}/variants/{number}"]?.get;
  const parameters = (variant?.parameters ?? []).filter((parameter) => parameter.in === "query");
  const formats = schemas.VariantFormat?.enum ?? ["json"];
  const generate = schemas.GenerateRequest?.properties ?? {};
  const bound = (name, otherwise) => ({
    min: generate[name]?.minimum ?? otherwise[0],
    max: generate[name]?.maximum ?? otherwise[1],
    default: generate[name]?.default ?? otherwise[2],
  });
  return {
    uploads: UPLOADS.filter(({ type }) => types.includes(type)),
    anyType: types.includes(UNNAMED) ? UNNAMED : null,
    templates: Object.keys(document.paths ?? {}).some((path) => path.startsWith("/api/problems/templates")),
    exports: Object.keys(EXPORTS)
      .filter((name) => formats.includes(name))
      .concat(formats.filter((name) => !EXPORTS[name]))
      .map((name) => ({
        name,
        label: EXPORTS[name]?.[0] ?? name.toUpperCase(),
        use: EXPORTS[name]?.[1] ?? "",
        wholeOnly: WHOLE_ONLY.has(name),
      })),
    views: parameters.map((parameter) => parameter.name).filter((name) => name !== "format"),
    limits: {
      variants: bound("variants", [1, 8, 1]),
      time_limit_s: bound("time_limit_s", [1, 1800, 60]),
      seed: bound("seed", [0, 2147483647, 0]),
      workers: bound("workers", [1, 64, 1]),
      weight: { min: 0, max: 100000 },
      weights: Object.keys(schemas.Weights?.properties ?? {}),
      profiles: schemas.Profile?.enum ?? [],
    },
  };
}

/** The media type of a file by its name, or null for one that the server does not take. */
export function uploadType({ uploads, anyType }, filename) {
  const name = filename.toLowerCase().replace(/\.gz$/, "");
  return uploads.find(({ ends }) => ends.some((end) => name.endsWith(end)))?.type ?? anyType;
}

/** For a file picker's `accept`. */
export const acceptList = (uploads) => [...uploads.flatMap(({ ends }) => ends), ".gz"].join(",");

/** "native JSON, ITC-2007 .ctt or …" */
export function uploadNames(uploads) {
  const names = uploads.map(({ name }) => name);
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}
