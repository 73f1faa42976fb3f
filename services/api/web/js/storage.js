// What the browser keeps for this page: choices for ever, a job's curve for the tab's life. Owns key names and what to
// do where storage is full or switched off: go on without. Must not know what is kept, and is never given anything
// secret.

const PREFIX = "horarium.";

function attempt(work, otherwise = null) {
  try {
    return work();
  } catch {
    return otherwise;
  }
}

export const remember = (name, value) => attempt(() => localStorage.setItem(PREFIX + name, value));
export const recall = (name) => attempt(() => localStorage.getItem(PREFIX + name));
export const forget = (name) => attempt(() => localStorage.removeItem(PREFIX + name));

/** For the life of the tab, as JSON. */
export const keep = (name, value) => attempt(() => sessionStorage.setItem(PREFIX + name, JSON.stringify(value)));
export const kept = (name) => attempt(() => JSON.parse(sessionStorage.getItem(PREFIX + name)));
