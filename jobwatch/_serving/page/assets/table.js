// The list of jobs. Only the rows that are in view are in the page, however many jobs there are.

import { Scale, chosenSpan, drawAxis, drawBar } from "./bars.js";
import { el, link, setAttribute, setText, sign, svg, webAddress } from "./dom.js";
import { asks, isLate, signOf, statusOf, toneOf } from "./kinds.js";
import { age, duration, percent } from "./words.js";

const BEYOND = 6; // rows drawn above and below those in view, so that scrolling shows no gap

export class Table {
  /**
   * @param {import("./store.js").Store} store whose jobs are listed
   * @param {(id: string, focus: boolean) => void} opened called when a job's details are asked for
   */
  constructor(store, opened) {
    this.store = store;
    this.opened = opened;
    this.grid = document.getElementById("grid");
    this.rows = document.getElementById("rows");
    this.axis = document.getElementById("axis");
    this.empty = document.getElementById("empty");
    this.shown = [];
    this.places = new Map(); // where each shown job is
    this.drawn = new Map(); // the row of each job that is in the page
    this.spare = [];
    this.active = null; // the id of the job that the keys are at
    this.span = 0; // seconds shown; 0 chooses
    this.chosen = 0;
    this.listen();
    this.measure();
  }

  listen() {
    this.grid.addEventListener("scroll", () => this.draw(), { passive: true });
    this.grid.addEventListener("focus", () => this.active === null && this.moveTo(0));
    this.rows.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row === null || event.target.closest("a") !== null) return;
      this.active = row.job;
      this.opened(row.job, false);
      this.draw();
    });
    new ResizeObserver(() => {
      this.measure();
      this.draw();
    }).observe(this.grid);
  }

  measure() {
    this.height = parseFloat(getComputedStyle(this.grid).getPropertyValue("--row")) || 30;
    this.head = this.grid.querySelector(".head").offsetHeight;
    this.width = this.axis.parentElement.clientWidth;
  }

  /** Show what is to be shown now: after a change of jobs, of the filter or of the order. */
  update() {
    this.shown = this.store.shown();
    this.places.clear();
    this.shown.forEach((job, at) => this.places.set(job.id, at));
    this.rows.style.height = `${this.shown.length * this.height}px`;
    setAttribute(this.grid, "aria-rowcount", this.shown.length + 1);
    const total = this.store.jobs.size;
    this.empty.hidden = this.shown.length > 0 || !this.store.wasTold;
    setText(this.empty, total === 0 ? "No job is watched yet." : "No job is as you ask for: clear the filter to see all.");
    this.draw();
  }

  /** Draw the rows that are in view. */
  draw() {
    const now = this.store.now;
    if (this.span === 0) this.chosen = this.chosenNow(now);
    const scale = new Scale(now, this.span || this.chosen, this.width);
    const { times } = scale.ticks();
    drawAxis(this.axis, scale);
    const first = Math.max(0, Math.floor(this.grid.scrollTop / this.height) - BEYOND);
    const room = Math.ceil((this.grid.clientHeight - this.head) / this.height);
    const last = Math.min(this.shown.length, first + room + 2 * BEYOND);
    const wanted = new Set();
    for (let at = first; at < last; at += 1) wanted.add(this.shown[at].id);
    for (const [id, row] of this.drawn) {
      if (wanted.has(id)) continue;
      this.drawn.delete(id);
      row.remove();
      this.spare.push(row);
    }
    for (let at = first; at < last; at += 1) this.drawRow(at, now, scale, times);
    this.spare.length = Math.min(this.spare.length, 40);
    this.mark();
  }

  chosenNow(now) {
    if (this.chosenAt !== undefined && now - this.chosenAt < 2 && this.chosenOf === this.shown.length) return this.chosen;
    this.chosenAt = now;
    this.chosenOf = this.shown.length;
    return chosenSpan(this.shown, now);
  }

  drawRow(at, now, scale, times) {
    const job = this.shown[at];
    let row = this.drawn.get(job.id);
    if (row === undefined) {
      row = this.spare.pop() ?? newRow();
      row.job = job.id;
      row.record = undefined;
      this.drawn.set(job.id, row);
      this.rows.append(row);
    }
    if (row.at !== at) {
      row.at = at;
      row.style.transform = `translateY(${at * this.height}px)`;
      row.id = `row-${at}`;
      row.setAttribute("aria-rowindex", at + 2);
    }
    fill(row, job, now);
    drawBar(row.bar, job, scale, times);
  }

  /** Show which job the keys are at. */
  mark() {
    const at = this.places.get(this.active);
    for (const row of this.drawn.values()) {
      setAttribute(row, "aria-selected", row.at === at ? "true" : "false");
    }
    setAttribute(this.grid, "aria-activedescendant", at === undefined || !this.drawn.has(this.active) ? null : `row-${at}`);
  }

  /** Go to a place in the list, and bring it into view. */
  moveTo(place) {
    if (this.shown.length === 0) return;
    const at = Math.max(0, Math.min(this.shown.length - 1, place));
    this.active = this.shown[at].id;
    const top = at * this.height;
    const room = this.grid.clientHeight - this.head;
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (top + this.height > this.grid.scrollTop + room) this.grid.scrollTop = top + this.height - room;
    this.draw();
  }

  /** Do what a key is for; false if it is for nothing here. */
  press(event) {
    const at = this.places.get(this.active) ?? -1;
    const screen = Math.max(1, Math.floor((this.grid.clientHeight - this.head) / this.height) - 1);
    switch (event.key) {
      case "ArrowDown": case "j": this.moveTo(at + 1); return true;
      case "ArrowUp": case "k": this.moveTo(at - 1); return true;
      case "PageDown": this.moveTo(at + screen); return true;
      case "PageUp": this.moveTo(at - screen); return true;
      case "Home": this.moveTo(0); return true;
      case "End": this.moveTo(this.shown.length - 1); return true;
      case "Enter": if (at >= 0) this.opened(this.active, true); return true;
      case "o": this.visit(); return true;
      default: return false;
    }
  }

  visit() {
    const url = webAddress(this.store.jobs.get(this.active)?.url);
    if (url !== null) window.open(url, "_blank", "noopener,noreferrer");
  }
}

function newRow() {
  const row = el("div", { role: "row", class: "row", "aria-selected": "false" });
  row.bar = svg("svg", { class: "bars", "aria-hidden": "true", focusable: "false" });
  row.cells = {};
  for (const name of ["state", "id", "time", "age", "looks", "note"]) {
    row.cells[name] = el("span", { role: "gridcell", class: name });
  }
  row.sign = el("span", { class: "mark" });
  row.status = el("span", { class: "status" });
  row.cells.state.append(row.sign, row.status);
  row.told = el("span", { class: "unseen" });
  row.cells.time.append(row.told, row.bar);
  row.append(...Object.values(row.cells));
  return row;
}

function fill(row, job, now) {
  const { cells } = row;
  const late = isLate(job, now);
  if (row.record !== job || row.late !== late) {
    row.record = job;
    row.late = late;
    setAttribute(row, "data-tone", toneOf(job, now));
    row.sign.replaceChildren(sign(signOf(job)));
    setText(row.status, statusOf(job));
    setAttribute(cells.state, "title", statusOf(job));
    setText(cells.id, job.id);
    setAttribute(cells.id, "title", job.id);
    setText(cells.looks, job.looks ? String(job.looks) : "");
    setText(row.told, told(job));
    cells.note.replaceChildren(...notes(job, late));
    setAttribute(cells.note, "title", cells.note.textContent || null);
  }
  const since = job.states.at(-1)?.[1];
  const until = job.outcome ? job.ended : now;
  const from = job.outcome ? job.states.find(([phase]) => phase === "running")?.[1] : since;
  setText(cells.age, from === undefined || until === undefined ? "" : job.outcome ? duration(until - from) : age(until - from));
}

/** Return a job's states in words, for those who do not see its bar. */
function told(job) {
  return job.states.map(([phase, , status]) => (status === phase ? status : `${status} (${phase})`)).join(", ");
}

/** Return what is known of a job beside its state, the most telling first. */
function notes(job, late) {
  const parts = [];
  if (asks(job)) {
    const text = job.asked ?? "waits for a person";
    parts.push(job.url ? link(job.url, text, { class: "asks", tabindex: "-1" }) : el("span", { class: "asks" }, text));
  }
  if (job.why) parts.push(el("span", { class: "bad" }, job.why));
  if (job.refused) parts.push(el("span", { class: "warn" }, `its changes are not taken: ${job.refused}`));
  if (job.fault) parts.push(el("span", { class: job.outcome ? "bad" : "warn" }, job.fault));
  if (job.progress !== undefined && !job.outcome) parts.push(el("span", {}, percent(job.progress)));
  if (late) parts.push(el("span", { class: "late" }, "longer than usual"));
  return parts;
}
