// How numbers, times and states read. Owns wording and formats. Must not know where anything is shown.

const INTEGER = new Intl.NumberFormat("en-GB");
const DATE_TIME = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const TIME_TODAY = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

export const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

// The job's states in the API's words; `tone` chooses a colour, `icon` says the same without one.
export const STATUSES = {
  queued: { label: "Queued", tone: "quiet", icon: "clock" },
  running: { label: "Running", tone: "live", icon: "spin" },
  completed: { label: "Completed", tone: "good", icon: "check" },
  stopped: { label: "Stopped", tone: "good", icon: "stop" },
  infeasible: { label: "Infeasible", tone: "warn", icon: "warn" },
  timed_out: { label: "Timed out", tone: "warn", icon: "clock" },
  failed: { label: "Failed", tone: "bad", icon: "cross" },
  cancelled: { label: "Cancelled", tone: "quiet", icon: "cross" },
};
const TERMINAL = new Set(["completed", "stopped", "infeasible", "timed_out", "failed", "cancelled"]);

export const STAGES = ["preparing", "compiling", "constructing", "improving", "proving", "verifying", "finished"];

export const isTerminal = (status) => TERMINAL.has(status);
export const count = (value) => INTEGER.format(value);
export const percent = (value) => `${Math.round(value)} %`;

/** "1 class", "12 classes". */
export function many(number, one, several = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : several}`;
}

/** Seconds as people say them: "0.4 s", "12 s", "3 min 05 s", "1 h 12 min". */
export function duration(seconds) {
  if (seconds < 10) return `${(Math.floor(seconds * 10) / 10).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
}

/** A moment: the time if it is today, else date and time. */
export function moment(iso) {
  const then = new Date(iso);
  const today = new Date().toDateString() === then.toDateString();
  return today ? `today, ${TIME_TODAY.format(then)}` : DATE_TIME.format(then);
}

/** How long a job took or has been taking, in seconds; null before it began. */
export function taken(job, now) {
  if (!job.started_at) return null;
  return Math.max(0, ((job.finished_at ? Date.parse(job.finished_at) : now) - Date.parse(job.started_at)) / 1000);
}

/** "no violations, cost 1,234" */
export function scoreWords(score) {
  if (!score) return "no timetable yet";
  const hard = score.hard_violations ? many(score.hard_violations, "hard violation") : "no hard violations";
  return `${hard}, cost ${count(score.total)}`;
}

/** "12.3 MB" */
export function bytes(number) {
  if (number < 1000) return `${number} B`;
  if (number < 1e6) return `${(number / 1e3).toFixed(number < 1e4 ? 1 : 0)} kB`;
  return `${(number / 1e6).toFixed(number < 1e7 ? 1 : 0)} MB`;
}

/**
 * The API's snake_case and CamelCase words, readable: "room_conflict" and "SameRoom" become "room conflict", "same
 * room".
 */
export function plain(word) {
  return word
    .replaceAll("_", " ")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
}

/** First letter large. */
export const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) : text);
