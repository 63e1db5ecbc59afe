// The key that the printed link carries behind its #, which no browser sends to a server.
//
// It is kept for this tab alone. A cookie would go to every server on this machine, whatever its port
// (RFC 6265, section 8.5), and so to those of other people.

const NAME = "jobwatch key";

/** Take the key out of the address, where one stands there, and return it, or the one that this tab has. */
export function key() {
  const given = /^#key=([\w-]{20,200})$/.exec(location.hash);
  if (given !== null) {
    sessionStorage.setItem(NAME, given[1]);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(NAME);
}

/** Forget the key: it is not, or no longer, the watch's. */
export function forget() {
  sessionStorage.removeItem(NAME);
}
