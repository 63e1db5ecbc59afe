#!/bin/sh
# mermaid 11.17.2 with jsdom 29.1.1 (npm), in Node without a browser: the times that the gantt chart is drawn from.
#
# Guess: under `dateFormat X`, epoch seconds, both times of a task are read as seconds, as both are milliseconds under
# `x`.
# Seen: the start is read as milliseconds and the end as seconds: each job of ten seconds begins in January 1970 and
# lasts for more than fifty years. With a length in place of the end, all of it lies in January 1970. `parse` finds
# nothing wrong with either. Only a start with a fraction is refused. Under `x` all is right, so a page that draws jobs
# must multiply by 1000 and round. mermaid 12.3.0 does the same.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --loglevel=error --no-audit --no-fund --prefix "$folder" mermaid@11.17.2 jsdom@29.1.1 >/dev/null
cat >"$folder/look.mjs" <<'JAVASCRIPT'
import assert from "node:assert/strict";

import { JSDOM } from "jsdom";

globalThis.window = new JSDOM("").window;
globalThis.document = window.document;
const { default: mermaid } = await import("mermaid");
mermaid.initialize({ startOnLoad: false });

async function times(format, ...jobs) {
  const text = ["gantt", `dateFormat ${format}`, ...jobs].join("\n");
  await mermaid.parse(text);
  const diagram = await mermaid.mermaidAPI.getDiagramFromText(text);
  return diagram.db.getTasks().map((task) => `${task.startTime.toISOString()} to ${task.endTime.toISOString()}`);
}

const [tenSeconds] = await times("x", "job: 1758100000000, 1758100010000");
const [first, second] = await times("X", "first: 1758100000, 1758100010", "second: 1758100010, 1758100020");
const [lasting] = await times("X", "job: 1758100000, 10s");
const refusal = await times("X", "job: 1758100000.5, 1758100010.5").catch((error) => error.message);
console.log("x, one job:            ", tenSeconds);
console.log("X, the same job:       ", first);
console.log("X, the one after it:   ", second);
console.log("X, the job by its 10 s:", lasting);
console.log("X, with half seconds:  ", refusal);
assert.equal(tenSeconds, "2025-09-17T09:06:40.000Z to 2025-09-17T09:06:50.000Z");
assert.equal(first, "1970-01-21T08:21:40.000Z to 2025-09-17T09:06:50.000Z", "seconds are read otherwise now");
assert.equal(second, "1970-01-21T08:21:40.010Z to 2025-09-17T09:07:00.000Z");
assert.equal(lasting, "1970-01-21T08:21:40.000Z to 1970-01-21T08:21:50.000Z");
assert.match(String(refusal), /Invalid date/);
JAVASCRIPT
node "$folder/look.mjs"
