// A job's states over time, drawn as bars on one scale for all jobs.

import { setAttribute, svg } from "./dom.js";
import { beganOf, signOf } from "./kinds.js";
import { tick } from "./words.js";

const SPANS = [60, 120, 300, 600, 900, 1800, 2700, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 345600, 604800];
const STEPS = [5, 15, 30, 60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400, 172800];
const SHARE = 0.9; // of the jobs that go on, so many begin within the time shown, if it is chosen for them
const MARGIN = 14; // room for the sign of an end, in pixels
const TICK = 70;
const HALF_LABEL = 16; // what is nearer to the edge would lie over what is beside it
const HEIGHTS = { pending: 4, blocked: 14, running: 10, unknown: 6 };
const MIDDLE = 10;

/** Return how many seconds to show so that most of the jobs that go on are seen from their beginning. */
export function chosenSpan(jobs, now) {
  let ages = jobs.filter((job) => !job.outcome).map((job) => now - beganOf(job));
  if (ages.length === 0) ages = jobs.map((job) => now - beganOf(job));
  ages.sort((one, other) => one - other);
  const oldest = ages[Math.floor((ages.length - 1) * SHARE)] ?? 0;
  return SPANS.find((span) => span * 0.95 >= oldest) ?? SPANS.at(-1);
}

/** The times that are shown, and where each lies. */
export class Scale {
  constructor(now, seconds, width) {
    this.now = now;
    this.from = now - seconds;
    this.seconds = seconds;
    this.width = Math.max(0, width - MARGIN);
  }

  /** Return where a time lies, in pixels, within what is shown. */
  at(unix) {
    const part = Math.min(1, Math.max(0, (unix - this.from) / this.seconds));
    return Math.round(part * this.width * 2) / 2;
  }

  /** Return the times of the ticks, and how far apart they are. */
  ticks() {
    const most = Math.max(1, this.width / TICK);
    const step = STEPS.find((each) => this.seconds / each <= most) ?? STEPS.at(-1);
    const away = new Date(this.now * 1000).getTimezoneOffset() * 60; // so that a day begins at midnight here
    const times = [];
    for (let at = Math.ceil((this.from - away) / step) * step + away; at <= this.now; at += step) times.push(at);
    return { times, step };
  }
}

/** Draw the time axis. */
export function drawAxis(axis, scale) {
  const { times, step } = scale.ticks();
  const parts = [];
  for (const at of times) {
    const x = scale.at(at);
    if (x >= HALF_LABEL) parts.push(svg("text", { x, y: 14, "text-anchor": "middle" }, tick(at, step)));
  }
  axis.replaceChildren(...parts);
}

/** Draw a job's bar into an element of SVG, changing no more than has changed. */
export function drawBar(bar, job, scale, ticks) {
  const pen = new Pen(bar);
  for (const at of ticks) pen.line(scale.at(at));
  const until = job.ended ?? scale.now;
  const { states } = job;
  for (let at = 0; at < states.length; at += 1) {
    const [phase, began, , gap] = states[at];
    const ended = at + 1 < states.length ? states[at + 1][1] : until;
    if (ended < scale.from || HEIGHTS[phase] === undefined) continue;
    pen.bar(`bar ${phase}`, scale.at(began), scale.at(ended), HEIGHTS[phase]);
    if (phase === "blocked") pen.bar("bar striped", scale.at(began), scale.at(ended), HEIGHTS[phase]);
    if (gap) pen.bar("hole", scale.at(began) - 1, scale.at(began) + 1, 16);
  }
  if (job.due !== undefined && job.due < until) pen.bar("bar overdue", scale.at(job.due), scale.at(until), 14);
  if (job.known > job.ended && job.known >= scale.from) pen.bar("unseen-end", scale.at(job.ended), scale.at(job.known), 6);
  if (job.outcome && states.length > 0) {
    const is_before = until < scale.from;
    pen.sign(signOf(job), is_before ? 0 : scale.at(until), is_before);
  } else if (states.length > 0 && states[0][1] < scale.from) {
    pen.bar("earlier", 0, 2, 16);
  }
  pen.rest();
}

/** Puts shapes into an element one after another, using those again that are there. */
class Pen {
  constructor(element) {
    this.element = element;
    this.next = element.firstElementChild;
  }

  shape(name, attributes) {
    let shape = this.next;
    if (shape === null || shape.localName !== name) {
      const made = svg(name);
      this.element.insertBefore(made, shape);
      shape = made;
    }
    for (const attribute in attributes) setAttribute(shape, attribute, attributes[attribute]);
    this.next = shape.nextElementSibling;
  }

  line(x) {
    this.shape("path", { class: "line", d: `M${x} 0v20` });
  }

  bar(kind, from, to, height) {
    this.shape("rect", { class: kind, x: from, y: MIDDLE - height / 2, width: Math.max(1.5, to - from), height });
  }

  sign(name, x, is_before) {
    const kind = is_before ? `sign end sign-${name} before` : `sign end sign-${name}`;
    this.shape("use", { class: kind, href: `#sign-${name}`, x: x + 1, y: 4, width: 12, height: 12 });
  }

  rest() {
    while (this.next !== null) {
      const after = this.next.nextElementSibling;
      this.next.remove();
      this.next = after;
    }
  }
}
