// Talking to the api service. Owns requests, the renewal of the session, the reading of problem answers (RFC 9457) and
// the server's clock. Must not know any view.

/** The server said no, or could not be reached (`status` 0). `message` is for the user; `errors` names places. */
export class ApiError extends Error {
  constructor(status, body, retryAfter = null) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.name = "ApiError";
    this.status = status;
    this.code = body.code || "";
    this.errors = Array.isArray(body.errors) ? body.errors : [];
    this.correlationId = body.correlation_id || "";
    this.retryAfter = retryAfter;
  }

  /** Worth trying again without changing anything. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 502;
  }
}

const UNREACHABLE = { detail: "The server cannot be reached. Check the connection; this page keeps trying." };
// Here a 401 is the answer itself, not the end of a session.
const SIGNING_IN = ["/api/auth/login", "/api/auth/refresh"];
let clockAhead = 0;
let renewing = null;

/** The server's time in milliseconds, as far as its answers tell (to the second). */
export const serverNow = () => Date.now() + clockAhead;

/**
 * One request. `options`: `json` (a body), `body` and `type` (bytes as they are), `headers`, `query`, `signal`,
 * `as` ("json" by default, "text", "response"). Raises ApiError; AbortError passes through.
 */
export async function request(method, path, options = {}) {
  let answer = await send(method, path, options);
  if (answer.status === 401 && !SIGNING_IN.includes(path) && (await renewed())) {
    answer = await send(method, path, options);
  }
  if (answer.status === 401 && !SIGNING_IN.includes(path)) {
    window.dispatchEvent(new CustomEvent("horarium:signed-out"));
  }
  if (!answer.ok) throw await refusal(answer);
  if (options.as === "response") return answer;
  if (answer.status === 204) return null;
  return options.as === "text" ? answer.text() : answer.json();
}

export const get = (path, options) => request("GET", path, options);
export const post = (path, options) => request("POST", path, options);

/** A new session from the refresh cookie, where the server has such; one attempt at a time for the whole page. */
export function renewed() {
  renewing ??= send("POST", "/api/auth/refresh", {})
    .then(
      (answer) => answer.ok,
      () => false,
    )
    .finally(() => {
      renewing = null;
    });
  return renewing;
}

/** The problem answer of a refused request as an ApiError. */
export async function refusal(answer) {
  let body = {};
  try {
    body = await answer.json();
  } catch {
    // A proxy's own page: the status has to do.
  }
  const retryAfter = Number.parseInt(answer.headers.get("retry-after") ?? "", 10);
  return new ApiError(answer.status, body, Number.isNaN(retryAfter) ? null : retryAfter);
}

// X-Requested-With: what no form or link of another site can send, which proves to the server that it was this page.
async function send(method, path, { json, body, type, headers = {}, query, signal }) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of [value].flat())
      if (one !== null && one !== undefined && one !== "") url.searchParams.append(name, one);
  }
  const sent = { Accept: "application/json, application/problem+json", "X-Requested-With": "horarium", ...headers };
  if (json !== undefined) sent["Content-Type"] = "application/json";
  else if (type) sent["Content-Type"] = type;
  try {
    const answer = await fetch(url, {
      method,
      headers: sent,
      body: json === undefined ? body : JSON.stringify(json),
      credentials: "same-origin",
      signal,
    });
    const date = Date.parse(answer.headers.get("date") ?? "");
    // Half a second: the header has whole seconds, cut off.
    if (!Number.isNaN(date)) clockAhead = date + 500 - Date.now();
    return answer;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, UNREACHABLE);
  }
}

/**
 * A key that makes a request safe to send again. `randomUUID` is missing on plain-http hosts other than this machine.
 */
export function idempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
