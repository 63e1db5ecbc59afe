#!/bin/sh
# boto3 1.44.8 with botocore 1.44.8 (PyPI), its waiters as they are, against a server on loopback that answers one word.
#
# Guess: a waiter for the end of a job returns when the job has succeeded and raises WaiterError when it has ended
# otherwise: its documentation says that it polls "until a successful state is reached".
# Seen: each service has its own idea of CANCELLED. `harvest_job_finished` of mediapackagev2 raises for FAILED and
# returns for CANCELLED as for COMPLETED, and so does omics' `variant_import_job_created`; `job_completed` of location
# raises; `run_completed` of omics does not know the word and asks until its attempts are used up, ten minutes by
# default. macie2's `finding_revealed` returns even for ERROR. `wait` returns None each time, so whoever wants to know
# how it ended has to ask once more.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check boto3==1.44.8 botocore==1.44.8
HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import http.server
import json
import threading

import boto3
from botocore.config import Config
from botocore.exceptions import WaiterError

word, looks = "", 0


class Answering(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global looks
        looks += 1
        body = json.dumps({"status": word, "Status": word}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing of each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()


def waited(service, waiter, operation, names, told):
    global word, looks
    word, looks = told, 0
    client = boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        aws_access_key_id="one",
        aws_secret_access_key="two",
        config=Config(inject_host_prefix=False),
    )
    members = client.meta.service_model.operation_model(operation).output_shape.members
    assert told in members.get("status", members.get("Status")).enum, "the service has no such state"
    few = {"Delay": 0, "MaxAttempts": 5}
    try:
        end = client.get_waiter(waiter).wait(WaiterConfig=few, **dict.fromkeys(names, "1234"))
    except WaiterError as error:
        end = "Max attempts" if "Max attempts" in str(error) else "raised"
    return end, looks


harvest = (
    "mediapackagev2",
    "harvest_job_finished",
    "GetHarvestJob",
    ["ChannelGroupName", "ChannelName", "OriginEndpointName", "HarvestJobName"],
)
imported = ("omics", "variant_import_job_created", "GetVariantImportJob", ["jobId"])
located = ("location", "job_completed", "GetJob", ["JobId"])
ran = ("omics", "run_completed", "GetRun", ["id"])
revealed = ("macie2", "finding_revealed", "GetSensitiveDataOccurrences", ["findingId"])
seen = {
    (job[1], told): waited(*job, told)
    for job, told in (
        (harvest, "COMPLETED"),
        (harvest, "FAILED"),
        (harvest, "CANCELLED"),
        (imported, "CANCELLED"),
        (located, "Cancelled"),
        (ran, "CANCELLED"),
        (revealed, "SUCCESS"),
        (revealed, "ERROR"),
    )
}
server.shutdown()
print("the waiter, the job's state, what wait() did, how many looks it took")
for what, end in seen.items():
    print(*what, *end)
assert seen["harvest_job_finished", "COMPLETED"] == (None, 1), seen
assert seen["harvest_job_finished", "FAILED"] == ("raised", 1), seen
assert seen["harvest_job_finished", "CANCELLED"] == (None, 1), "a harvest that was cancelled is told now"
assert seen["variant_import_job_created", "CANCELLED"] == (None, 1), "an import that was cancelled is told now"
assert seen["job_completed", "Cancelled"] == ("raised", 1), seen
assert seen["run_completed", "CANCELLED"] == ("Max attempts", 5), "a run that was cancelled is an end now"
assert seen["finding_revealed", "SUCCESS"] == seen["finding_revealed", "ERROR"] == (None, 1), seen
PYTHON
