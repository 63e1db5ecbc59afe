// Times and durations as people write them. Pure.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const IN_DAYS = 2 * DAY; // from here on, as on the terminal

/** Return a duration: `0.4 s`, `12 s`, `1m 30s`, `2h 05m`, `3d 04h`. */
export function duration(seconds) {
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  return age(seconds);
}

/** Return a duration that counts on, in whole seconds. */
export function age(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}m ${two(whole % MINUTE)}s`;
  if (whole < IN_DAYS) return `${Math.floor(whole / HOUR)}h ${two(Math.floor((whole % HOUR) / MINUTE))}m`;
  return `${Math.floor(whole / DAY)}d ${two(Math.floor((whole % DAY) / HOUR))}h`;
}

/** Return a time of day, with the date where it is another one than now's. */
export function clock(unix, now) {
  const at = new Date(unix * 1000);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return at.toDateString() === new Date(now * 1000).toDateString() ? time : `${date(at)} ${time}`;
}

/** Return what stands at a tick of the time axis. */
export function tick(unix, step) {
  const at = new Date(unix * 1000);
  if (step >= DAY) return date(at);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return step < MINUTE ? `${time}:${two(at.getSeconds())}` : time;
}

/** Return a number of things a second. */
export function rate(perSecond) {
  if (perSecond >= 9.95) return String(Math.round(perSecond));
  return perSecond >= 0.995 ? perSecond.toFixed(1) : perSecond.toFixed(2);
}

/** Return a whole number with its thousands apart. */
export function number(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** Return how much is done, in whole percents that no rounding makes more. */
export function percent(part) {
  return `${Math.floor(Math.min(1, Math.max(0, part)) * 100 + 1e-9)}\u202f%`;
}

function date(at) {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

function two(value) {
  return String(value).padStart(2, "0");
}
