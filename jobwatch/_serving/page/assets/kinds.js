// What a job's record means to people: its sign, its words, which jobs come first. Pure.
//
// A record is what the server sends of a job: jobwatch/_serving/page/rows.py says what is in it.

const BAD = new Set(["failed", "partial", "not_found", "auth", "unreachable", "unreadable"]);
const LOST = new Set(["not_found", "auth", "unreachable", "unreadable"]);

/** The groups that can be shown alone: a name, and which jobs belong to it. */
export const KINDS = [
  { name: "all", label: "All", has: () => true },
  { name: "asks", label: "Ask somebody", has: asks },
  { name: "failed", label: "Failed", has: hasFailed },
  { name: "trouble", label: "Not readable", has: isTroubled },
  { name: "late", label: "Late", has: isLate },
  { name: "running", label: "Running", has: (job) => !job.outcome && job.phase === "running" },
  { name: "pending", label: "Pending", has: (job) => !job.outcome && (!job.phase || job.phase === "pending") },
  { name: "ended", label: "Ended", has: (job) => Boolean(job.outcome) },
];

/** Whether a job waits for a person. */
export function asks(job) {
  return !job.outcome && job.phase === "blocked";
}

/** Whether a job did not end well. */
export function hasFailed(job) {
  return BAD.has(job.outcome);
}

/** Whether looks at a job fail, or its changes are not taken. */
export function isTroubled(job) {
  return Boolean(job.refused) || (!job.outcome && (Boolean(job.fault) || (job.health ?? "ok") !== "ok"));
}

/** Whether a job goes on for longer than is usual. */
export function isLate(job, now) {
  return !job.outcome && job.due !== undefined && job.due < now;
}

/** Return the name of a job's sign. */
export function signOf(job) {
  if (job.outcome) return LOST.has(job.outcome) ? "lost" : job.outcome;
  return job.phase ?? "unread";
}

/** Return the word for a job's state: the API's own, where there is one. */
export function statusOf(job) {
  if (LOST.has(job.outcome)) return job.outcome.replace("_", " ");
  return job.status ?? "not read yet";
}

/** Return the class of a job's words: how they are coloured. */
export function toneOf(job, now) {
  if (asks(job)) return "asks";
  if (hasFailed(job)) return "bad";
  if (isTroubled(job)) return "warn";
  if (job.outcome) return job.outcome === "succeeded" ? "good" : "plain";
  if (isLate(job, now)) return "late";
  return job.phase === "running" ? "runs" : "plain";
}

/** Return a job's place among jobs that are not all to be read: what needs somebody comes first. */
export function rankOf(job, now) {
  if (asks(job)) return 0;
  if (hasFailed(job)) return 1;
  if (isTroubled(job)) return 2;
  if (isLate(job, now)) return 3;
  if (job.outcome) return job.outcome === "succeeded" ? 9 : 8;
  if (job.phase === "running") return 4;
  return job.phase === "unknown" ? 5 : job.phase === "pending" ? 6 : 7;
}

/** Return when a job began, as far as is known, in Unix seconds. */
export function beganOf(job) {
  return job.states.length > 0 ? job.states[0][1] : (job.added ?? 0);
}
