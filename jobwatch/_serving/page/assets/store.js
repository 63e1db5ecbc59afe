// The jobs that the server told of, and which of them are to be shown in which order.

import { KINDS, asks, beganOf, rankOf } from "./kinds.js";

export class Store {
  constructor() {
    this.jobs = new Map();
    this.known = ""; // what the server is to go on behind
    this.wasTold = false; // whether it has told of anything yet, be it that there is none
    this.kind = KINDS[0];
    this.order = "need";
    this.words = [];
    this.away = 0; // how far the server's clock is from ours, in seconds
    this.until = Infinity; // up to when anybody knows how jobs stand, in Unix seconds
    this.texts = new WeakMap(); // what the filter looks into, made when it is first used
    this.sequence = []; // ids in the order of the last time: to sort what is nearly sorted takes next to no time
  }

  /** The time up to which something is known, in Unix seconds by the server's clock: nothing grows beyond it. */
  get now() {
    return Math.min(Date.now() / 1000 + this.away, this.until);
  }

  /** Take in an event about jobs; the first one after a loss may say that all is told anew. */
  take(event) {
    this.wasTold = true;
    if (event.anew) {
      this.jobs.clear();
      this.sequence = [];
    }
    for (const job of event.jobs) {
      if (!this.jobs.has(job.id)) this.sequence.push(job.id);
      this.jobs.set(job.id, job);
    }
    for (const id of event.gone ?? []) this.jobs.delete(id);
    if (event.known) this.known = event.known;
    this.away = event.now - Date.now() / 1000;
  }

  /** Look for words, each of which must be found in a job. */
  filter(text) {
    this.words = text.toLowerCase().split(/\s+/).filter(Boolean);
  }

  /** Return how many jobs belong to each kind. */
  counts() {
    const now = this.now;
    const counts = KINDS.map(() => 0);
    for (const job of this.jobs.values()) {
      for (let at = 0; at < KINDS.length; at += 1) if (KINDS[at].has(job, now)) counts[at] += 1;
    }
    return counts;
  }

  /** Return the jobs to be shown, in order. */
  shown() {
    const now = this.now;
    const jobs = this.sequence.map((id) => this.jobs.get(id)).filter((job) => job !== undefined);
    jobs.sort(ORDERS[this.order](now));
    this.sequence = jobs.map((job) => job.id);
    return jobs.filter((job) => this.kind.has(job, now) && this.matches(job));
  }

  matches(job) {
    if (this.words.length === 0) return true;
    let text = this.texts.get(job);
    if (text === undefined) {
      const parts = [job.id, job.status, job.phase, job.outcome, job.type, job.project, job.why, job.asked, job.fault];
      text = parts.filter(Boolean).join(" ").toLowerCase();
      this.texts.set(job, text);
    }
    return this.words.every((word) => text.includes(word));
  }
}

const ORDERS = {
  need: (now) => {
    const places = new Map(); // of each job, so that none is judged more than once
    const placeOf = (job) => {
      let place = places.get(job);
      if (place === undefined) places.set(job, (place = { rank: rankOf(job, now), time: timeOf(job) }));
      return place;
    };
    return (one, other) => {
      const [first, second] = [placeOf(one), placeOf(other)];
      return first.rank - second.rank || first.time - second.time || byId(one, other);
    };
  },
  new: () => (one, other) => beganOf(other) - beganOf(one) || byId(one, other),
  name: () => byId,
};

/** Return what orders jobs of one rank: of those that are over the latest comes first, of others the oldest. */
function timeOf(job) {
  const last = job.states.at(-1)?.[1] ?? 0;
  if (job.outcome) return -(job.ended ?? last);
  return asks(job) ? last : beganOf(job);
}

const collator = new Intl.Collator("en", { numeric: true });

function byId(one, other) {
  return collator.compare(one.id, other.id);
}
