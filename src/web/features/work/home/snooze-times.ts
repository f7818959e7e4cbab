const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** A day at an hour, in the viewer's time zone. */
function dayAt(now: Date, inDays: number, hour: number): Date {
  const time = new Date(now);
  time.setDate(time.getDate() + inDays);
  time.setHours(hour, 0, 0, 0);
  return time;
}

/** The usual times until when something is snoozed. */
export function snoozeChoices(now: Date): { label: string; time: Date }[] {
  const inHours = (hours: number): Date => new Date(now.getTime() + hours * 3_600_000);
  const untilMonday = (8 - now.getDay()) % 7 || 7;
  return [
    { label: "In 1 hour", time: inHours(1) },
    { label: "In 4 hours", time: inHours(4) },
    { label: "Tomorrow", time: dayAt(now, 1, 9) },
    // On Sundays, tomorrow is Monday.
    untilMonday === 1
      ? { label: "In a week", time: dayAt(now, 7, 9) }
      : { label: "Next Monday", time: dayAt(now, untilMonday, 9) },
  ];
}

/** "14:30" today, "Tue 09:00" within a week, else "Dec 7 09:00". */
export function clockText(time: Date, now: Date): string {
  const clock = [time.getHours(), time.getMinutes()]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
  if (time.toDateString() === now.toDateString()) return clock;
  const isNear = time.getTime() - now.getTime() < 6 * 86_400_000;
  const day = isNear ? days[time.getDay()] : `${months[time.getMonth()]} ${time.getDate()}`;
  return `${day} ${clock}`;
}
