// Links to files that the server makes for whoever is signed in. Owns that the session is renewed before the browser
// fetches one: it does so by itself, without this code, and a page that was read for a while has an access cookie no
// more. Must not know which files there are.

import { ApiError, get } from "./api.js";
import { h } from "./dom.js";

/** A link with the attributes `props`; `failed(error)` is told when the server is away or the session has ended. */
export function fileLink(props, failed, ...children) {
  let renewed = false;
  return h("a", { ...props, on: { click: open } }, ...children);

  async function open(event) {
    // Into another tab or window: the browser's own way, which a click made here could not repeat.
    const elsewhere = event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (renewed || elsewhere) {
      renewed = false;
      return;
    }
    event.preventDefault();
    const link = event.currentTarget;
    if (link.hasAttribute("aria-busy")) return;
    link.setAttribute("aria-busy", "true");
    try {
      await get("/api/auth/me");
      renewed = true;
      link.click();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      failed(error);
    } finally {
      link.removeAttribute("aria-busy");
    }
  }
}
