// Who is signed in. Owns the present user and what the role allows on this page (the server decides; the page only
// hides what would be refused). Must not know how anything is shown. No token is ever in reach of this code: the
// server puts them into cookies only when a page asks.

import { get, post } from "./api.js";
import { forget, recall, remember } from "./storage.js";

const RANK = { viewer: 0, planner: 1, admin: 2 };
// Whether to ask who is signed in: the cookie cannot be seen, and a first visit need not begin with a refusal.
const HINT = "signed-in";

let me = null;

export const user = () => me;
export const mayPlan = () => (RANK[me?.role] ?? -1) >= RANK.planner;

/** The signed-in user, or null. Raises ApiError while the server is away. */
export async function restore() {
  if (!recall(HINT)) return null;
  try {
    me = await get("/api/auth/me");
  } catch (error) {
    if (error.status !== 401) throw error;
    forgetUser();
  }
  return me;
}

/** Sign in. Raises ApiError with the server's words. */
export async function signIn(email, password) {
  await post("/api/auth/login", { json: { email, password } });
  remember(HINT, "1");
  me = await get("/api/auth/me");
  return me;
}

/** Sign out; also when the server is away the page forgets. */
export async function signOut() {
  try {
    await post("/api/auth/logout");
  } finally {
    forgetUser();
  }
}

export function forgetUser() {
  me = null;
  forget(HINT);
}
