// What all jobs come to: how many of which kind, and what the looks cost.

import { el, setAttribute, setText } from "./dom.js";
import { KINDS } from "./kinds.js";
import { duration, number, rate } from "./words.js";

export class Summary {
  /**
   * @param {import("./store.js").Store} store whose jobs are counted
   * @param {() => void} chosen called when another kind is to be shown
   */
  constructor(store, chosen) {
    this.store = store;
    this.group = document.getElementById("kinds");
    this.list = document.getElementById("figures");
    this.figures = new Map();
    this.buttons = KINDS.map((kind) => {
      const count = el("b", {});
      const button = el("button", { type: "button", class: `kind kind-${kind.name}`, "aria-pressed": "false" }, kind.label, " ", count);
      button.addEventListener("click", () => {
        this.store.kind = this.store.kind === kind ? KINDS[0] : kind;
        chosen();
      });
      this.group.append(button);
      return { kind, button, count };
    });
  }

  /** Count anew. */
  update() {
    const counts = this.store.counts();
    this.buttons.forEach(({ kind, button, count }, at) => {
      setText(count, number(counts[at]));
      setAttribute(button, "aria-pressed", String(kind === this.store.kind));
      setAttribute(button, "data-none", counts[at] === 0 ? "" : null);
    });
    const told = { ask: counts[1], failed: counts[2] };
    const parts = [told.ask && `${told.ask} ask`, told.failed && `${told.failed} failed`].filter(Boolean);
    const title = `${parts.length ? `(${parts.join(", ")}) ` : ""}jobwatch`;
    if (document.title !== title) document.title = title;
  }

  /** Show what the looks cost so far. */
  cost(stats) {
    const faults = Object.entries(stats.faults ?? {});
    const failed = faults.reduce((sum, [, count]) => sum + count, 0);
    const kinds = faults.map(([kind, count]) => `${count} ${kind.replace("_", " ")}`).join(", ");
    const { lag } = stats;
    this.figure("requests", "Requests", number(stats.requests));
    this.figure("looks", "Looks", number(stats.looks), stats.unchanged ? `${number(stats.unchanged)} without news` : "");
    this.budget(stats);
    this.figure("faults", "Failed requests", number(failed), kinds, failed > 0);
    this.figure("lag", "Ends known after", lag.count ? duration(lag.mean) : "–", lag.count ? `at most ${duration(lag.max)}` : "");
  }

  budget({ rate: most, demand, pace }) {
    const is_limited = most !== null;
    const text = is_limited ? `${rate(pace)} of ${rate(most)}/s` : `${rate(pace)}/s`;
    const is_short = is_limited && demand > most;
    this.figure("budget", "Request budget", text, is_short ? `${rate(demand)} wanted` : is_limited ? "" : "no limit", is_short);
    const { meter } = this.figures.get("budget");
    const used = is_limited ? Math.min(1, pace / most) : 0;
    meter.hidden = !is_limited;
    setAttribute(meter, "aria-valuenow", Math.round(used * 100));
    meter.firstChild.style.width = `${used * 100}%`;
  }

  figure(name, label, value, more = "", is_warning = false) {
    let figure = this.figures.get(name);
    if (figure === undefined) {
      const meter = el("span", { class: "meter", role: "meter", "aria-label": "Part of the request budget in use", "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0" }, el("span"));
      meter.hidden = true;
      figure = { value: el("span", { class: "value" }), more: el("span", { class: "more" }), meter };
      figure.box = el("div", {}, el("dt", {}, label), el("dd", {}, figure.value, meter, figure.more));
      this.list.append(figure.box);
      this.figures.set(name, figure);
    }
    setText(figure.value, value);
    setText(figure.more, more);
    setAttribute(figure.box, "data-tone", is_warning ? "warn" : null);
  }
}
