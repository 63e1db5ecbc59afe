// All that is known of one job, beside the list.

import { el, link, sign, webAddress } from "./dom.js";
import { asks, isLate, isTroubled, signOf, statusOf, toneOf } from "./kinds.js";
import { age, clock, duration, percent } from "./words.js";

export class Details {
  /**
   * @param {import("./store.js").Store} store whose jobs they are of
   * @param {() => void} closed called when they are closed
   */
  constructor(store, closed) {
    this.store = store;
    this.closed = closed;
    this.panel = document.getElementById("details");
    this.id = null;
    this.built = undefined;
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        this.close();
      }
    });
  }

  /** Show a job; with focus the keys go there, too. */
  open(id, focus) {
    this.id = id;
    this.panel.hidden = false;
    document.body.classList.add("with-details");
    this.update();
    this.panel.scrollTop = 0;
    if (focus || this.covers) this.panel.querySelector("button").focus();
  }

  /** Whether they lie over the list, as on a phone. */
  get covers() {
    return getComputedStyle(this.panel).position === "fixed";
  }

  close() {
    if (this.id === null) return;
    this.id = null;
    this.built = undefined;
    this.panel.hidden = true;
    this.panel.replaceChildren();
    document.body.classList.remove("with-details");
    this.closed();
  }

  /** Show what has changed. */
  update() {
    if (this.id === null) return;
    const job = this.store.jobs.get(this.id);
    if (job === undefined) {
      this.close();
      return;
    }
    const now = this.store.now;
    if (this.built?.job === job && Math.floor(this.built.now) === Math.floor(now)) return;
    const place = focusedIn(this.panel);
    const is_new = this.built?.job.id !== job.id;
    if (is_new || this.panel.firstChild === null) this.panel.replaceChildren(this.head(), el("div", { class: "body" }));
    this.panel.querySelector("h3").textContent = job.id;
    if (is_new || this.built.job !== job || job.outcome === undefined) {
      this.panel.querySelector(".body").replaceChildren(...body(job, now));
      focusAgain(this.panel, place);
    }
    this.built = { job, now };
  }

  head() {
    const close = el("button", { type: "button", class: "quiet", "aria-label": "Close the details" }, "Close");
    close.addEventListener("click", () => this.close());
    return el("div", { class: "title" }, el("h3", { id: "details-title" }), close);
  }
}

function body(job, now) {
  const parts = [el("p", { class: `standing tone-${toneOf(job, now)}` }, sign(signOf(job)), el("strong", {}, statusOf(job)), el("span", {}, standing(job, now)))];
  if (asks(job)) parts.push(box("asks", "It asks", job.asked ?? "It goes on only when somebody acts.", job.url));
  if (job.why) parts.push(box("bad", "What went wrong", job.why));
  if (job.fault) parts.push(box("warn", isTroubled(job) ? "It cannot be read" : "The last look", job.fault));
  if (job.refused) parts.push(box("warn", "Its changes are not taken", job.refused));
  for (const remark of job.remarks ?? []) parts.push(box("plain", "Worth a word", remark));
  parts.push(facts(job, now));
  if (job.states.length > 0) parts.push(states(job, now));
  return parts;
}

function standing(job, now) {
  const last = job.states.at(-1);
  if (job.outcome) return job.ended === undefined ? "" : `since ${age(now - job.ended)}`;
  if (last === undefined) return "";
  return isLate(job, now) ? `for ${age(now - last[1])}, longer than usual` : `for ${age(now - last[1])}`;
}

function box(kind, title, text, url) {
  const parts = [el("h4", {}, title), el("p", {}, text)];
  if (webAddress(url) !== null) parts.push(el("p", {}, link(url, url)));
  return el("div", { class: `box ${kind}` }, ...parts);
}

function facts(job, now) {
  const list = el("dl", { class: "facts" });
  const fact = (name, value) => {
    if (value !== undefined && value !== null && value !== "") list.append(el("dt", {}, name), el("dd", {}, value));
  };
  fact("Type", job.type);
  fact("Project", job.project);
  fact("How far", job.progress === undefined ? null : percent(job.progress));
  fact("Usually over", job.usual === undefined || job.outcome ? null : usual(job, now));
  fact("Looks", job.looks ? String(job.looks) : null);
  fact("Last good look", job.looked === undefined ? null : `${clock(job.looked, now)}, ${age(now - job.looked)} ago`);
  fact("Next look", job.next === undefined || job.outcome ? null : job.next <= now ? "now" : `in ${age(job.next - now)}`);
  fact("Can be read", (job.health ?? "ok") === "ok" ? (job.fault && !job.outcome ? "the last look failed" : "yes") : job.health);
  fact("Ran", job.ran === undefined ? null : duration(job.ran));
  fact("Not settled yet", job.ending === undefined ? null : `${job.ending}: an end that the next looks have to confirm`);
  fact("End known", job.known > job.ended ? `${duration(job.known - job.ended)} after it` : null);
  if (!asks(job) && webAddress(job.url) !== null) fact("Page", link(job.url, job.url));
  return list;
}

function usual(job, now) {
  const [early, late] = job.usual;
  if (late <= now) return `${age(now - late)} ago, by four in five of its type`;
  return early <= now ? `within ${age(late - now)}` : `in ${age(early - now)} to ${age(late - now)}`;
}

function states(job, now) {
  const list = el("ol", { class: "states" });
  if (job.left_out) list.append(el("li", { class: "left-out" }, `${job.left_out} earlier ones are left out`));
  job.states.forEach(([phase, at, status, gap], place) => {
    const is_end = place === job.states.length - 1 && job.outcome;
    const until = job.states[place + 1]?.[1] ?? now;
    const word = el("span", { class: "word" }, status);
    const length = is_end ? "" : age(until - at);
    const item = el("li", {}, sign(phase), word, el("span", { class: "at" }, clock(at, now)), el("span", { class: "length" }, length));
    if (gap) word.append(el("span", { class: "gap" }, " after states that were not told"));
    list.append(item);
  });
  return el("div", {}, el("h4", {}, "States"), list);
}

/** Return which of the elements that take keys has them, by its place, if one has. */
function focusedIn(panel) {
  const all = [...panel.querySelectorAll("a, button")];
  return all.indexOf(document.activeElement);
}

function focusAgain(panel, place) {
  if (place < 0) return;
  const all = [...panel.querySelectorAll("a, button")];
  const element = all[Math.min(place, all.length - 1)];
  if (element !== document.activeElement) element.focus({ preventScroll: true });
}
