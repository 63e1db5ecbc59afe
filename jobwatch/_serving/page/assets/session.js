// How a browser is let in: by the word that a printed link carries behind its #, which no browser sends to a server.
//
// The word is good once, so what stays of it in the browser's history opens nothing. What it is exchanged for is kept
// for this address and port: a cookie would go to every server on this machine, whatever its port (RFC 6265, section
// 8.5), and so to those of other people.

const NAME = "jobwatch key";
const LINK = /^#enter=([\w-]{20,100})$/;

/** Whether a word stands in the address. */
export function isLink() {
  return LINK.test(location.hash);
}

/** Take the word out of the address, where one stands there, and return what it, or an earlier one, was good for. */
export async function key() {
  const word = LINK.exec(location.hash)?.[1];
  if (word !== undefined) {
    history.replaceState(null, "", location.pathname);
    const answer = await fetch("/enter", {
      method: "POST",
      headers: { Authorization: `Bearer ${word}` },
      cache: "no-store",
      credentials: "omit",
    }).catch(() => null);
    if (answer?.ok) localStorage.setItem(NAME, (await answer.text()).trim());
  }
  return localStorage.getItem(NAME);
}

/** Forget the key: it is not, or no longer, the watch's. */
export function forget() {
  localStorage.removeItem(NAME);
}
