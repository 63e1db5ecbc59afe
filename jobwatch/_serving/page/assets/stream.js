// The events of the server, read one after the other, and read anew when the connection is lost.
//
// fetch, and not EventSource, which cannot send a header with the key.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
const SILENT = 40_000; // the server says something every 15 s

/**
 * Follow the events for as long as the page is open.
 *
 * @param {string} key what the server wants to be shown
 * @param {() => string} since names what is known already: the server goes on behind it, if it can
 * @param {(name: string, data: object) => void} told called with each event
 * @param {(state: "live" | "lost" | "refused" | "full") => void} changed called when the connection is made or lost
 */
export async function follow(key, since, told, changed) {
  let pause = FIRST_PAUSE;
  for (;;) {
    const attempt = new AbortController();
    try {
      const answer = await fetch(`/events?since=${encodeURIComponent(since())}`, {
        headers: { Accept: "text/event-stream", Authorization: `Bearer ${key}` },
        cache: "no-store",
        credentials: "omit",
        signal: attempt.signal,
      });
      if (answer.status === 401) return changed("refused");
      if (answer.ok) {
        changed("live");
        pause = FIRST_PAUSE;
        if (await read(answer.body, told, attempt)) return undefined;
      } else if (answer.status === 503) {
        changed("full");
      }
    } catch {
      // a connection that is lost, or was never made: below
    }
    attempt.abort();
    changed("lost");
    await rested(pause);
    pause = Math.min(LONGEST_PAUSE, pause * 2);
  }
}

/** Hand over the events of one answer; true if the server said that no more will come. */
async function read(body, told, attempt) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const silence = setTimeout(() => attempt.abort(), SILENT);
    const { done, value } = await reader.read();
    clearTimeout(silence);
    if (done) return false;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const event = parsed(part);
      if (event === null) continue;
      told(event.name, event.data);
      if (event.name === "over") return true;
    }
  }
}

/** Return the name and the data of an event, or null where there is none. */
export function parsed(part) {
  let name = "message";
  let data = "";
  for (const line of part.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  return data === "" ? null : { name, data: JSON.parse(data) };
}

/** Wait, but no longer than until there is a network again, or somebody looks at the page again. */
function rested(milliseconds) {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      removeEventListener("online", over);
      document.removeEventListener("visibilitychange", seen);
      resolve();
    };
    const seen = () => document.hidden || over();
    const timer = setTimeout(over, milliseconds);
    addEventListener("online", over);
    document.addEventListener("visibilitychange", seen);
  });
}
