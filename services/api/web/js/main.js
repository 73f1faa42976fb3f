// The page, put together. Owns which view stands at which address and what happens when nobody is signed in (any
// more). Must not do the work of a view.

import { ApiError } from "./api.js";
import { errorBox, note } from "./dialogs.js";
import { h } from "./dom.js";
import { again, go, link, parse, route, start } from "./router.js";
import { forgetUser, mayPlan, restore, signOut, user } from "./session.js";
import { drawBar, markPlace } from "./shell.js";
import { shortcut, startShortcuts } from "./shortcuts.js";
import { nextTheme } from "./theme.js";
import { showCompare } from "./compare/view.js";
import { showJob } from "./job/view.js";
import { showJobs } from "./jobs/view.js";
import { showNew } from "./new/view.js";
import { showSignIn } from "./sign_in.js";
import { showTimetable } from "./timetable/view.js";
import { showViolations } from "./violations.js";

const SIGN_IN = "/sign-in";
const content = document.getElementById("content");

route(SIGN_IN, (outlet, at) => showSignIn(outlet, at, entered));
route("/jobs", showJobs);
route("/new", showNew);
route("/jobs/:job", showJob);
route("/jobs/:job/compare", showCompare);
route("/jobs/:job/variants/:variant", showTimetable);
route("/jobs/:job/variants/:variant/violations", showViolations);

/** After signing in: to where the user wanted to go. */
function entered(next) {
  drawBar(leave);
  go(next && next.startsWith("/") ? next.split("?")[0] : "/jobs", next?.includes("?") ? parse(next).query : {});
}

async function leave() {
  try {
    await signOut();
  } catch (error) {
    note(error.message, "bad");
  }
  drawBar(leave);
  go(SIGN_IN);
}

function mayShow(path) {
  if (user() || path === SIGN_IN) return true;
  const wanted = location.hash.replace(/^#/, "");
  go(SIGN_IN, wanted && wanted !== "/jobs" ? { next: wanted } : {});
  return false;
}

window.addEventListener("horarium:signed-out", () => {
  if (!user()) return;
  forgetUser();
  drawBar(leave);
  note("Your session has ended. Sign in again.", "warn");
  again();
});

window.addEventListener("horarium:view-failed", ({ detail: { error, outlet } }) => {
  if (error instanceof ApiError && error.status === 401) return;
  if (!(error instanceof ApiError)) console.error(error);
  const said =
    error instanceof ApiError
      ? error
      : new Error("Something went wrong on this page. Reload it; if it stays so, tell us what you did.");
  outlet.replaceChildren(
    h(
      "div",
      { class: "page narrow" },
      h("h1", { tabindex: "-1" }, error.status === 404 ? "Not found" : "This could not be shown"),
      errorBox(said, { retry: again }),
      h("p", {}, h("a", { href: link("/jobs") }, "All timetables")),
    ),
  );
});

window.addEventListener("horarium:view-shown", markPlace);

startShortcuts();
shortcut("g j", "Go to the list of timetables", () => user() && go("/jobs"));
shortcut("n", "New timetable", () => mayPlan() && go("/new"));
shortcut("t", "Light, dark, or as the system", nextTheme);

/** The first question to the server is asked until it answers: a page opened during a restart comes up by itself. */
async function begin() {
  try {
    await restore();
  } catch (error) {
    content.replaceChildren(h("div", { class: "page narrow" }, errorBox(error)));
    setTimeout(begin, 2000);
    return;
  }
  drawBar(leave);
  await start(content, mayShow);
}

begin();
