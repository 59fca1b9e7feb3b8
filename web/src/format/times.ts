/** Durations and dates in short words. */

/** `4 s`, `1 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** A duration rounded as an estimate should be. */
export function roughly(seconds: number): string {
  if (seconds < 10) return "a few seconds";
  if (seconds < 55) return `${10 * Math.round(seconds / 10)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return duration(seconds);
}

/** Seconds that the rest will take, from the pace so far; null while too little is done to tell. */
export function timeLeft(done: number, total: number, seconds: number): number | null {
  if (done <= 0 || total <= done || seconds < 2 || done < 0.02 * total) return null;
  return (seconds / done) * (total - done);
}

const DAY = 24 * 3600 * 1000;
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const year = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short" });

/** `just now`, `5 min ago`, `14:32`, `yesterday`, `3 Mar`, `3 Mar 2025`. */
export function when(time: string, now = Date.now()): string {
  const then = Date.parse(time);
  if (Number.isNaN(then)) return "";
  const ago = now - then;
  if (ago < 60_000) return "just now";
  if (ago < 3_600_000) return `${Math.floor(ago / 60_000)} min ago`;
  const today = new Date(now).setHours(0, 0, 0, 0);
  if (then >= today) return clock.format(then);
  if (then >= today - DAY) return "yesterday";
  return new Date(then).getFullYear() === new Date(now).getFullYear() ? day.format(then) : year.format(then);
}

export const inFull = (time: string): string => {
  const then = Date.parse(time);
  return Number.isNaN(then) ? "" : full.format(then);
};
