// Signing in. Owns the form. Must not know what comes after.

import { ApiError } from "./api.js";
import { fill, h } from "./dom.js";
import { go } from "./router.js";
import { signIn, user } from "./session.js";

export function showSignIn(outlet, at, entered) {
  if (user()) {
    go("/jobs");
    return;
  }
  document.title = "Sign in · Horarium";
  const email = h("input", {
    id: "email",
    name: "email",
    type: "email",
    autocomplete: "username",
    required: true,
    maxlength: "320",
  });
  const password = h("input", {
    id: "password",
    name: "password",
    type: "password",
    autocomplete: "current-password",
    required: true,
    maxlength: "1024",
  });
  const button = h("button", { type: "submit", class: "primary wide" }, "Sign in");
  const said = h("div", { class: "form-said", role: "alert" });
  const form = h(
    "form",
    { class: "card sign-in", on: { submit } },
    h("img", { src: "/web/logo.svg", alt: "", width: "44", height: "44" }),
    h("h1", { tabindex: "-1" }, "Sign in to Horarium"),
    h("label", { class: "field", for: "email" }, h("span", {}, "E-mail"), email),
    h("label", { class: "field", for: "password" }, h("span", {}, "Password"), password),
    said,
    button,
  );
  outlet.append(h("div", { class: "centre" }, form));
  email.focus();

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    fill(said);
    try {
      await signIn(email.value.trim(), password.value);
      entered(at.query.next);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const wait = error.retryAfter ? ` Try again in ${error.retryAfter} s.` : "";
      fill(said, error.message + wait);
      password.select();
      password.focus();
    } finally {
      button.disabled = false;
    }
  }
}
