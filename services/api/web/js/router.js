// Addresses within the page, after the `#`: which view, of what, seen how. Owns their form, the life of a view and
// where the focus goes. Must not know what views show. Every state worth a link or a reload is in the address.

const views = [];
let outlet = null;
let current = null;
let guard = () => true;

/**
 * `pattern`: "/jobs/:job/variants/:variant". A view is `show(outlet, route)`; `route.signal` is aborted when it is
 * left.
 */
export function route(pattern, show) {
  const names = [];
  const source = pattern.replace(/:([a-z]+)/g, (_, name) => (names.push(name), "([\\w-]+)"));
  views.push({ expression: new RegExp(`^${source}$`), names, show });
}

/** Begin. `mayShow(path)` is asked before each view; false shows nothing (it has gone elsewhere itself). */
export function start(element, mayShow) {
  outlet = element;
  guard = mayShow;
  window.addEventListener("hashchange", () => render(true));
  return render(false);
}

export function parse(hash = location.hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?", 2);
  return { path: path || "/jobs", query: Object.fromEntries(new URLSearchParams(query)) };
}

/** The address of a view as a link's target. */
export function link(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return `#${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

export function go(path, query) {
  const target = link(path, query);
  if (target === location.hash) render(true);
  else location.hash = target;
}

/** Tell in the address how the present view is seen now, without leaving it and without a step back in the history. */
export function noteInAddress(query) {
  const { path } = parse();
  history.replaceState(null, "", link(path, query));
}

/** Show the present address again, from the start. */
export const again = () => render(true);

async function render(moveFocus) {
  const { path, query } = parse();
  current?.abort();
  window.dispatchEvent(new CustomEvent("horarium:view-left"));
  const controller = new AbortController();
  current = controller;
  if (!guard(path)) return;
  const found = views.map((view) => ({ view, match: view.expression.exec(path) })).find(({ match }) => match);
  if (!found) {
    go("/jobs");
    return;
  }
  const parameters = Object.fromEntries(found.view.names.map((name, n) => [name, found.match[n + 1]]));
  outlet.replaceChildren();
  window.scrollTo(0, 0);
  document.documentElement.dataset.view = path.split("/")[1];
  try {
    await found.view.show(outlet, { path, ...parameters, query, signal: controller.signal });
  } catch (error) {
    if (controller.signal.aborted || error.name === "AbortError") return;
    window.dispatchEvent(new CustomEvent("horarium:view-failed", { detail: { error, outlet } }));
  }
  if (controller.signal.aborted) return;
  window.dispatchEvent(new CustomEvent("horarium:view-shown", { detail: { path } }));
  if (moveFocus && !outlet.contains(document.activeElement)) outlet.querySelector("h1")?.focus({ preventScroll: true });
}
