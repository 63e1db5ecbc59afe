#!/bin/sh
# aiohttp 3.14.5 (PyPI), client and server on loopback.
#
# Guess: a session with `trust_env=True`, which a poller needs for the proxies of the environment, takes the login of a
# netrc file only for requests that say nothing of their own, and one with an Authorization header goes out as it is.
# Seen: a netrc line for the host, or a `default` line, and the header together are a ValueError that speaks of an AUTH
# argument which nobody gave, before anything is sent; the header of a session as that of a request. Without the line,
# or with one for another host, the same request is answered. So the poller fails in one user's home and not in
# another's, and with an error that is none of aiohttp's own.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check aiohttp==3.14.5
NETRC="$folder/netrc" "$folder/venv/bin/python" - "$folder/netrc" <<'PYTHON'
import asyncio
import pathlib
import sys

import aiohttp
from aiohttp import web

netrc = pathlib.Path(sys.argv[1])
token = {"Authorization": "Bearer one"}
lines = {
    "of another host": "machine jobs.example login me password two\n",
    "of this host": "machine 127.0.0.1 login me password two\n",
    "default": "default login me password two\n",
}


async def main():
    received = []

    async def job(request):
        received.append(request.headers["Authorization"])
        return web.json_response({"status": "done"})

    app = web.Application()
    app.router.add_get("/job", job)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/job"

    async def asked(of_session, of_request, trust_env):
        received.clear()
        async with aiohttp.ClientSession(headers=of_session, trust_env=trust_env) as session:
            try:
                async with session.get(url, headers=of_request) as reply:
                    told = f"HTTP {reply.status}"
            except (aiohttp.ClientError, ValueError) as error:
                told = f"{type(error).__name__}: {error}"
        return told, received.copy()

    seen = {}
    for name, line in lines.items():
        netrc.write_text(line)
        seen[f"{name}, header of the request"] = await asked(None, token, True)
        seen[f"{name}, header of the session"] = await asked(token, None, True)
        seen[f"{name}, without trust_env"] = await asked(None, token, False)
    await runner.cleanup()
    return seen


seen = asyncio.run(main())
for case, (told, received) in seen.items():
    print(f"{case}: {told}; received: {received}")
sent = "HTTP 200", ["Bearer one"]
refused = "ValueError: Cannot combine AUTHORIZATION header with AUTH argument or credentials encoded in URL", []
for case, told in seen.items():
    goes_out = case.startswith("of another") or case.endswith("without trust_env")
    assert told == (sent if goes_out else refused), f"{case}: it is told otherwise now"
PYTHON
