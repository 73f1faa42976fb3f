// From classes to what stands on each day: the meetings of a week, overlapping ones side by side. Owns the packing.
// Must not know how a meeting looks.

/**
 * The meetings of each day: `{cls, from, until, column, columns, clash}`, in order of time. `week` from 0, or null:
 * all.
 */
export function meetingsByDay(classes, days, week) {
  const byDay = Array.from({ length: days }, () => []);
  for (const cls of classes) {
    if (!cls.time || (week !== null && cls.time.weeks[week] !== "1")) continue;
    for (const day of cls.time.days)
      byDay[day]?.push({ cls, from: cls.time.from, until: cls.time.until, column: 0, columns: 1, clash: false });
  }
  for (const meetings of byDay) pack(meetings);
  return byDay;
}

/** Columns within each group of meetings that overlap one another, directly or through others. */
function pack(meetings) {
  meetings.sort((a, b) => a.from - b.from || b.until - a.until || (a.cls.id < b.cls.id ? -1 : 1));
  let group = [];
  let ends = [];
  let groupEnd = -1;
  const close = () => {
    for (const meeting of group) meeting.columns = ends.length;
    group = [];
    ends = [];
  };
  for (const meeting of meetings) {
    if (meeting.from >= groupEnd) close();
    const free = ends.findIndex((end) => end <= meeting.from);
    meeting.column = free < 0 ? ends.length : free;
    ends[meeting.column] = meeting.until;
    for (const other of group) {
      if (other.until > meeting.from && shareWeek(other.cls.time.weeks, meeting.cls.time.weeks))
        other.clash = meeting.clash = true;
    }
    group.push(meeting);
    groupEnd = Math.max(groupEnd, meeting.until);
  }
  close();
}

function shareWeek(a, b) {
  for (let week = 0; week < a.length; week += 1) if (a[week] === "1" && b[week] === "1") return true;
  return false;
}

/** Hours a week on average, over the weeks of the term. */
export function weeklyHours(classes, weeks) {
  let minutes = 0;
  for (const { time } of classes) {
    if (time)
      minutes +=
        (time.until - time.from) * time.days.length * ([...time.weeks].filter((bit) => bit === "1").length / weeks);
  }
  return minutes / 60;
}
