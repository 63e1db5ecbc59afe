// The page: what the server tells goes into the store, and what is in view is drawn from there.

import { Details } from "./details.js";
import { setText, sign, el } from "./dom.js";
import { asks, hasFailed } from "./kinds.js";
import { forget, isLink, key } from "./session.js";
import { Store } from "./store.js";
import { follow } from "./stream.js";
import { Summary } from "./summary.js";
import { Table } from "./table.js";
import { themed } from "./theme.js";

const REDRAWN = 1000; // bars grow and times count on
const SAID = 4000; // how far apart what is read aloud is
const MOST_SAID = 3;

const store = new Store();
const filter = document.getElementById("filter");
const order = document.getElementById("order");
const span = document.getElementById("span");
const keys = document.getElementById("keys");
const notice = document.getElementById("notice");
const table = new Table(store, (id, focus) => details.open(id, focus));
const details = new Details(store, () => {
  table.grid.focus();
});
const summary = new Summary(store, update);
const changeTheme = themed(document.getElementById("theme"));

let waiting = false;
let drawnAt = 0;

/** Draw what has changed, once for all that changed meanwhile; a tab that nobody sees only counts. */
function update() {
  if (waiting) return;
  waiting = true;
  if (document.hidden) {
    setTimeout(() => {
      waiting = false;
      summary.update();
    }, REDRAWN);
  } else {
    requestAnimationFrame(() => {
      waiting = false;
      drawnAt = performance.now();
      summary.update();
      table.update();
      details.update();
    });
  }
}

setInterval(() => {
  if (!document.hidden && performance.now() - drawnAt >= REDRAWN / 2) update();
}, REDRAWN);
document.addEventListener("visibilitychange", () => document.hidden || update());

// --- what is told --------------------------------------------------------------------------------------

const EVENTS = {
  hello: (data) => {
    setText(document.getElementById("place"), data.place);
    store.until = data.until ?? Infinity;
  },
  jobs: (data) => {
    say(data);
    store.take(data);
    update();
  },
  stats: (data) => summary.cost(data),
  health: (data) => warn(data.text),
  over: (data) => {
    linked("over");
    warn(data.text);
  },
};

const LINKS = {
  live: "live",
  lost: "connection lost, trying again",
  full: "too many pages are open; trying again",
  refused: "not let in",
  over: "the watch is over",
};

function linked(state) {
  const shown = document.getElementById("link");
  if (state === "live") store.until = Infinity; // until the server says otherwise
  else store.until = store.now; // what is not told of any more stands still
  shown.dataset.state = state;
  setText(shown, LINKS[state]);
  if (state === "refused") {
    forget();
    warn("Open the link that jobwatch has printed last: each is good for one browser, once, and none for another watch.");
  }
}

function warn(text) {
  notice.hidden = !text;
  setText(notice, text ?? "");
}

const saying = [];
let saidAt = -SAID;

/** Have screen readers say which jobs ask somebody or have failed, a few at a time. */
function say({ jobs, anew }) {
  if (anew || store.jobs.size === 0) return;
  const was_silent = saying.length === 0;
  for (const job of jobs) {
    const before = store.jobs.get(job.id);
    if (asks(job) && !(before && asks(before))) saying.push(`${job.id} asks: ${job.asked ?? "somebody has to act"}`);
    else if (hasFailed(job) && !(before && hasFailed(before))) saying.push(`${job.id} failed`);
  }
  if (was_silent && saying.length > 0) setTimeout(speak, Math.max(0, saidAt + SAID - performance.now()));
}

function speak() {
  const more = saying.length - MOST_SAID;
  const told = saying.splice(0).slice(0, MOST_SAID).join(". ");
  setText(document.getElementById("told"), more > 0 ? `${told}. And ${more} more` : told);
  saidAt = performance.now();
}

// --- what is asked for ---------------------------------------------------------------------------------

filter.addEventListener("input", () => {
  store.filter(filter.value);
  table.grid.scrollTop = 0;
  update();
});
filter.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && filter.value !== "") {
    filter.value = "";
    store.filter("");
    update();
    event.preventDefault();
  } else if (event.key === "Escape" || event.key === "ArrowDown" || event.key === "Enter") {
    table.grid.focus();
    event.preventDefault();
  }
});
order.addEventListener("change", () => {
  store.order = order.value;
  update();
});
span.addEventListener("change", () => {
  table.span = Number(span.value);
  update();
});
document.getElementById("help").addEventListener("click", () => keys.showModal());

table.grid.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (table.press(event)) {
    event.preventDefault();
    if (details.id !== null && event.key !== "Enter" && event.key !== "o") details.open(table.active, false);
    return;
  }
  const action = KEYS[event.key];
  if (action === undefined) return;
  event.preventDefault();
  action();
});

const KEYS = {
  "/": () => filter.select(),
  "?": () => keys.showModal(),
  t: changeTheme,
  Escape: () => {
    if (details.id !== null) details.close();
    else if (filter.value !== "" || store.words.length > 0) {
      filter.value = "";
      store.filter("");
      update();
    }
  },
};

// --- begin ---------------------------------------------------------------------------------------------

const LEGEND = [
  ["pending", "waits for its turn"], ["running", "runs"], ["blocked", "asks somebody"], ["succeeded", "succeeded"],
  ["failed", "failed"], ["lost", "lost sight of"],
];
document.getElementById("legend").append(
  ...LEGEND.map(([name, text]) => el("span", {}, sign(name), text)),
  el("span", {}, el("i", { class: "late-sample" }), "longer than usual"),
);

// A link that is put into the address of a page that is open already only changes what is behind the #.
addEventListener("hashchange", () => isLink() && location.reload());

table.grid.focus({ preventScroll: true });
const shown = await key();
if (shown === null) linked("refused");
else await follow(shown, () => store.known, (name, data) => EVENTS[name]?.(data), linked);
