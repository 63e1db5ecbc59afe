"""APIs that jobwatch has no table for, each written from the page named above it in at most twelve lines."""
# ruff: noqa: E501 - a line of a table is not ours to break

from __future__ import annotations

TABLES = {
    # https://scrapyd.readthedocs.io/en/stable/api.html: `status` is the API's, `currstate` the job's
    "scrapyd": """
job = "http://localhost:6800/status.json?job={job_id}"
status = "currstate"
words.succeeded = ["finished"]
missing_if = "currstate == 'unknown'"
started = "jobid"
""",
    # https://flower.readthedocs.io/en/latest/api.html: a task that nobody knows is PENDING for ever
    "flower": """
job = "http://localhost:5555/api/task/result/{job_id}"
token = "FLOWER_BASIC_AUTH"
token_optional = true
auth = "basic"
id = '"task-id"'
status = "state"
error = ["traceback", "result"]
result = "result"
""",
    # https://luigi.readthedocs.io/en/stable/central_scheduler.html: a task lies under its id
    "luigi": """
job = 'http://localhost:8082/api/dep_graph?data={"task_id": "{job_id}"}'
root = 'response."{job_id}"'
status = "status"
words = { failed = ["DISABLED"], cancelled = ["UNKNOWN"], pending = ["BATCH_RUNNING"], succeeded = ["DONE"] }
type = "name"
created_at = "start_time"
started_at = "time_running"
updated_at = "last_updated"
""",
    # https://slurm.schedmd.com/rest_api.html: two headers, a state that is a list, errors with a number
    "slurm": """
job = "/slurm/v0.0.40/job/{job_id}"
base_url_variable = "SLURM_REST_URL"
headers = { X-SLURM-USER-NAME = "${USER}", X-SLURM-USER-TOKEN = "${SLURM_JWT}" }
root = "jobs[0]"
id = "job_id"
status = "job_state"
words = { failed = ["NODE_FAIL", "BOOT_FAIL", "DEADLINE"], cancelled = ["PREEMPTED"] }
created_at = "submit_time.number"
started_at = "start_time.number"
http = { 500 = "missing" }
""",
    # https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html
    "ray": """
job = "http://localhost:8265/api/jobs/{job_id}"
id = "submission_id"
status = "status"
words = { cancelled = ["STOPPED"] }
error = "message"
started_at = "start_time"
ended_at = "end_time"
""",
    # https://docs.dagster.io/api/graphql: GraphQL by POST
    "dagster": """
job = "http://localhost:3000/graphql"
method = "POST"
root = "data.runOrError"
id = "runId"
status = "status"
words = { running = ["MANAGED"] }
missing_if = "__typename == 'RunNotFoundError'"
started = "data.launchPipelineExecution.run.runId"
[body]
query = "query($id: ID!) {runOrError(runId: $id) {__typename ... on Run {runId,status,startTime,endTime}}}"
variables = { id = "{job_id}" }
""",
    # https://mlflow.org/docs/latest/rest-api.html#get-run
    "mlflow": """
job = "http://localhost:5000/api/2.0/mlflow/runs/get?run_id={job_id}"
root = "run.info"
id = "run_id"
status = "status"
words.succeeded = ["FINISHED"]
type = "experiment_id"
started_at = "start_time"
ended_at = "end_time"
""",
    # https://ga4gh.github.io/workflow-execution-service-schemas/docs/
    "wes": """
job = "/ga4gh/wes/v1/runs/{job_id}"
base_url_variable = "WES_URL"
id = "run_id"
status = "state"
words = { failed = ["PREEMPTED"] }
error = "run_log.stderr"
started_at = "run_log.start_time"
ended_at = "run_log.end_time"
""",
    # https://docs.buildbot.net/latest/developer/rest.html and raml-buildrequest: `results` is -1 until there are some
    "buildbot": """
job = "http://localhost:8010/api/v2/buildrequests/{job_id}"
root = "buildrequests[0]"
id = "buildrequestid"
status = ["results", "claimed"]
words = { pending = ["claimed=false", 5], running = ["claimed=true"], succeeded = [0, 1], failed = [2, 4], cancelled = [3, 6], nothing = [-1] }
created_at = "submitted_at"
started_at = "claimed_at"
ended_at = "complete_at"
""",
    # https://www.jenkins.io/doc/book/using/remote-access-api/
    "jenkins": """
job = "/job/{name}/{job_id}/api/json"
base_url_variable = "JENKINS_URL"
token = "JENKINS_USER_AND_TOKEN"
auth = "basic"
id = "number"
status = ["result", "building"]
words = { running = ["building=true"], failed = ["UNSTABLE", "NOT_BUILT"] }
created_at = "timestamp"
""",
    # https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-tasks-get: ids hold a colon
    "elastic": """
job = "http://localhost:9200/_tasks/{job_id}"
status = "completed"
words = { running = [false], succeeded = [true] }
failed_if = "error"
error = "error.reason"
result = "response"
started_at = "task.start_time_in_millis"
""",
    # https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/: conditions in any order
    "kubernetes": """
job = "/apis/batch/v1/namespaces/{namespace}/jobs/{job_id}"
base_url_variable = "KUBERNETES_URL"
token = "KUBERNETES_TOKEN"
id = "metadata.name"
succeeded_if = "status.conditions[?type=='Complete' && status=='True']"
failed_if = "status.conditions[?type=='Failed' && status=='True']"
running_if = "status.active"
words = { pending = ["absent"] }
error = "status.conditions[?type=='Failed'] | [0].message"
created_at = "metadata.creationTimestamp"
started_at = "status.startTime"
ended_at = "status.completionTime"
""",
    # https://tekton.dev/docs/pipelines/pipelineruns/#monitoring-execution-status: Unknown is its word for running
    "tekton": """
job = "/apis/tekton.dev/v1/namespaces/{namespace}/pipelineruns/{job_id}"
base_url_variable = "KUBERNETES_URL"
token = "KUBERNETES_TOKEN"
id = "metadata.name"
status = "status.conditions[?type=='Succeeded'] | [0].status"
words = { pending = ["absent"], running = ["Unknown"], succeeded = ["True"], failed = ["False"] }
cancelled_if = "status.conditions[?type=='Succeeded' && reason=='Cancelled']"
error = "status.conditions[?type=='Succeeded'] | [0].message"
started_at = "status.startTime"
ended_at = "status.completionTime"
""",
    # https://argo-workflows.readthedocs.io/en/latest/rest-api/: no phase before it is picked up
    "argo": """
job = "/api/v1/workflows/{namespace}/{job_id}"
base_url_variable = "ARGO_SERVER"
token = "ARGO_TOKEN"
id = "metadata.name"
status = "status.phase"
words = { pending = ["absent"] }
error = "status.message"
created_at = "metadata.creationTimestamp"
started_at = "status.startedAt"
ended_at = "status.finishedAt"
""",
    # https://developer.hashicorp.com/nomad/api-docs/allocations#read-allocation: times in nanoseconds
    "nomad": """
job = "http://localhost:4646/v1/allocation/{job_id}"
token = "NOMAD_TOKEN"
auth = "X-Nomad-Token: {token}"
token_optional = true
id = "ID"
status = "ClientStatus"
words = { failed = ["lost"] }
type = "JobID"
error = "ClientDescription"
created_at = "CreateTime"
updated_at = "ModifyTime"
""",
    # https://livy.apache.org/docs/latest/rest-api.html#batch
    "livy": """
job = "http://localhost:8998/batches/{job_id}"
id = "id"
status = "state"
words = { running = ["busy", "idle", "shutting_down", "recovering"], failed = ["dead"] }
error = "log"
""",
    # https://nightlies.apache.org/flink/flink-docs-stable/docs/ops/rest_api/#jobs-jobid: -1 and 0 are no times
    "flink": """
job = "http://localhost:8081/jobs/{job_id}"
id = "jid"
status = "state"
words = { running = ["RECONCILING"], succeeded = ["FINISHED"] }
type = "name"
started_at = '"start-time"'
ended_at = '"end-time"'
times = "timestamps"
""",
    # https://spark.apache.org/docs/latest/spark-standalone.html#rest-api: `success` is the request's
    "spark": """
job = "http://localhost:6066/v1/submissions/status/{job_id}"
id = "submissionId"
status = "driverState"
words = { running = ["RELAUNCHING"] }
missing_if = "driverState == 'NOT_FOUND'"
error = "message"
""",
    # https://hadoop.apache.org/docs/stable/hadoop-yarn/hadoop-yarn-site/ResourceManagerRest.html
    "yarn": """
job = "http://localhost:8088/ws/v1/cluster/apps/{job_id}"
root = "app"
id = "id"
status = ["finalStatus", "state"]
words = { nothing = ["UNDEFINED"], pending = ["NEW_SAVING"] }
type = "applicationType"
error = "diagnostics"
progress = { done = "progress", of = 100 }
started_at = "startedTime"
ended_at = "finishedTime"
""",
    # https://druid.apache.org/docs/latest/api-reference/tasks-api/
    "druid": """
job = "http://localhost:8888/druid/indexer/v1/task/{job_id}/status"
root = "status"
id = "id"
status = "statusCode"
type = "type"
error = "errorMsg"
created_at = "createdTime"
""",
    # https://kestra.io/docs/api-reference/open-source#get-/api/v1/executions/-executionId-
    "kestra": """
job = "http://localhost:8080/api/v1/{tenant}/executions/{job_id}"
params = { tenant = "main" }
id = "id"
status = "state.current"
words = { running = ["RESTARTED"], succeeded = ["WARNING"], cancelled = ["SKIPPED"] }
type = "flowId"
events = { path = "state.histories", status = "state", at = "date" }
started_at = "state.startDate"
ended_at = "state.endDate"
""",
    # https://docs.temporal.io/references/http-api: words with a prefix
    "temporal": """
job = "http://localhost:7243/api/v1/namespaces/{namespace}/workflows/{job_id}"
params = { namespace = "default" }
root = "workflowExecutionInfo"
id = "execution.workflowId"
status = "status"
status_prefix = "WORKFLOW_EXECUTION_STATUS_"
words = { running = ["CONTINUED_AS_NEW"], cancelled = ["TERMINATED"] }
type = "type.name"
started_at = "startTime"
ended_at = "closeTime"
""",
    # https://developers.arcgis.com/rest/services-reference/enterprise/gp-job.htm: no job is told with 200
    "arcgis": """
job = "/{+service}/GPServer/{task}/jobs/{job_id}?f=json"
base_url_variable = "ARCGIS_URL"
token = "ARCGIS_TOKEN"
id = "jobId"
status = "jobStatus"
status_prefix = "esriJob"
words = { running = ["Deleting"], failed = ["expectedFailure"], cancelled = ["Deleted"] }
error = "messages[?type=='esriJobMessageTypeError'] | [0].description"
missing_if = "error.code == `400`"
""",
    # https://docs.comfy.org/development/comfyui-server/comms_routes: in the history once it has ended, under its id
    "comfyui": """
job = "http://localhost:8188/history/{job_id}"
root = '"{job_id}"'
status = "status.status_str"
words = { running = ["absent"] }
result = "outputs"
started = "prompt_id"
""",
    # https://www.assemblyai.com/docs/api-reference/transcripts/get: the key stands alone in its header
    "assemblyai": """
job = "https://api.assemblyai.com/v2/transcript/{job_id}"
token = "ASSEMBLYAI_API_KEY"
auth = "Authorization: {token}"
id = "id"
status = "status"
error = "error"
result = "text"
""",
    # https://docs.runpod.io/serverless/endpoints/operations
    "runpod": """
job = "https://api.runpod.ai/v2/{endpoint}/status/{job_id}"
token = "RUNPOD_API_KEY"
id = "id"
status = "status"
error = "error"
result = "output"
""",
    # https://docs.snowflake.com/en/developer-guide/sql-api/reference: the HTTP status is the state
    "snowflake": """
job = "/api/v2/statements/{job_id}"
base_url_variable = "SNOWFLAKE_URL"
token = "SNOWFLAKE_JWT"
id = "statementHandle"
http = { 200 = "succeeded", 202 = "running", 408 = "failed", 422 = "failed" }
cancelled_if = "code == '000604'"
error = "message"
created_at = "createdOn"
""",
    # https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/get_job_info.htm
    "salesforce": """
job = "/services/data/v{version}/jobs/ingest/{job_id}"
params = { version = "60.0" }
base_url_variable = "SALESFORCE_URL"
token = "SALESFORCE_TOKEN"
id = "id"
status = "state"
words = { pending = ["Open", "UploadComplete"], succeeded = ["JobComplete"] }
type = "operation"
error = "errorMessage"
created_at = "createdDate"
""",
    # https://shopify.dev/docs/api/admin-graphql/latest/objects/BulkOperation: ids are URIs
    "shopify": """
job = "/admin/api/2025-01/graphql.json"
base_url_variable = "SHOPIFY_URL"
token = "SHOPIFY_TOKEN"
auth = "X-Shopify-Access-Token: {token}"
method = "POST"
root = "data.node"
id = "id"
status = "status"
error = "errorCode"
[body]
query = "query($id: ID!) { node(id: $id) { ... on BulkOperation { id status errorCode } } }"
variables = { id = "{job_id}" }
""",
    # https://cloud.google.com/bigquery/docs/reference/rest/v2/Job: DONE may be a failure
    "bigquery": """
job = "https://bigquery.googleapis.com/bigquery/v2/projects/{project}/jobs/{job_id}"
token = "GOOGLE_OAUTH_ACCESS_TOKEN"
id = "jobReference.jobId"
status = "status.state"
words.succeeded = ["DONE"]
failed_if = "status.errorResult"
cancelled_if = "status.errorResult.reason == 'stopped'"
type = "configuration.jobType"
error = "status.errorResult"
created_at = "statistics.creationTime"
started_at = "statistics.startTime"
ended_at = "statistics.endTime"
""",
    # https://cloud.google.com/vertex-ai/docs/reference/rest/v1/JobState
    "vertex": """
job = "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/customJobs/{job_id}"
token = "GOOGLE_OAUTH_ACCESS_TOKEN"
id = "name"
status = "state"
status_prefix = "JOB_STATE_"
words = { running = ["UPDATING"], succeeded = ["PARTIALLY_SUCCEEDED"] }
error = "error"
created_at = "createTime"
started_at = "startTime"
ended_at = "endTime"
""",
    # https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html, through a proxy that signs
    "awsbatch": """
job = "http://localhost:8080/v1/describejobs"
method = "POST"
body = { jobs = ["{job_id}"] }
root = "jobs[0]"
id = "jobId"
status = "status"
type = "jobDefinition"
error = ["statusReason", "container.reason"]
created_at = "createdAt"
started_at = "startedAt"
ended_at = "stoppedAt"
""",
    # https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryExecution.html, through a proxy that signs
    "athena": """
job = "http://localhost:8080/"
method = "POST"
headers = { X-Amz-Target = "AmazonAthena.GetQueryExecution", Content-Type = "application/x-amz-json-1.1" }
body = { QueryExecutionId = "{job_id}" }
root = "QueryExecution"
id = "QueryExecutionId"
status = "Status.State"
error = "Status.StateChangeReason"
created_at = "Status.SubmissionDateTime"
ended_at = "Status.CompletionDateTime"
""",
    # https://learn.microsoft.com/en-us/rest/api/azure/devops/build/builds/get: `result` is none until there is one
    "azuredevops": """
job = "https://dev.azure.com/{organization}/{project}/_apis/build/builds/{job_id}?api-version=7.1"
token = "AZURE_DEVOPS_USER_AND_TOKEN"
auth = "basic"
id = "id"
status = ["result", "status"]
words = { nothing = ["none"], pending = ["postponed"], failed = ["partiallySucceeded"] }
type = "definition.name"
created_at = "queueTime"
started_at = "startTime"
ended_at = "finishTime"
""",
    # https://www.jetbrains.com/help/teamcity/rest/get-build-details.html: `status` is SUCCESS while it runs
    "teamcity": """
job = "/app/rest/builds/id:{job_id}"
base_url_variable = "TEAMCITY_URL"
token = "TEAMCITY_TOKEN"
id = "id"
status = "state"
words.succeeded = ["finished"]
failed_if = "state == 'finished' && status && status != 'SUCCESS'"
cancelled_if = "canceledInfo"
type = "buildTypeId"
error = "statusText"
""",
    # https://docs.rundeck.com/docs/api/#execution-info
    "rundeck": """
job = "/api/41/execution/{job_id}"
base_url_variable = "RUNDECK_URL"
token = "RUNDECK_TOKEN"
auth = "X-Rundeck-Auth-Token: {token}"
id = "id"
status = "status"
words = { failed = ["failed-with-retry"] }
type = "job.name"
started_at = '"date-started".unixtime'
ended_at = '"date-ended".unixtime'
""",
    # https://docs.ansible.com/automation-controller/latest/html/controllerapi/api_ref.html: `failed` is no status
    "awx": """
job = "/api/v2/jobs/{job_id}/"
base_url_variable = "AWX_URL"
token = "AWX_TOKEN"
id = "id"
status = "status"
error = ["job_explanation", "result_traceback"]
created_at = "created"
started_at = "started"
ended_at = "finished"
""",
    # https://docs.galaxyproject.org/en/master/lib/galaxy.webapps.galaxy.api.html: times without a zone
    "galaxy": """
job = "/api/jobs/{job_id}"
base_url_variable = "GALAXY_URL"
token = "GALAXY_API_KEY"
auth = "x-api-key: {token}"
id = "id"
status = "state"
words = { pending = ["upload"], running = ["deleting", "stop"], succeeded = ["ok"], cancelled = ["deleted", "stopped", "skipped"] }
type = "tool_id"
created_at = "create_time"
updated_at = "update_time"
""",
    # https://cromwell.readthedocs.io/en/stable/api/RESTAPI/
    "cromwell": """
job = "http://localhost:8000/api/workflows/v1/{job_id}/status"
id = "id"
status = "status"
""",
    # https://api.openeo.org/#tag/Batch-Jobs/operation/describe-job
    "openeo": """
job = "/jobs/{job_id}"
base_url_variable = "OPENEO_URL"
token = "OPENEO_TOKEN"
id = "id"
status = "status"
words.succeeded = ["finished"]
progress = { done = "progress", of = 100 }
created_at = "created"
updated_at = "updated"
""",
    # https://www.ivoa.net/documents/UWS/: the phase is a bare word
    "uws": """
job = "/{job_id}/phase"
base_url_variable = "UWS_URL"
headers = { Accept = "text/plain" }
status = "@"
words = { pending = ["UNKNOWN"], succeeded = ["ARCHIVED"] }
""",
    # https://pulpproject.org/pulpcore/restapi/#tag/Tasks: the id is a path, which the response that started it holds
    "pulp": """
job = "{url}"
base_url = "http://localhost:24817"
token = "PULP_USER_AND_PASSWORD"
auth = "basic"
status = "state"
type = "name"
error = "error"
started = "task"
created_at = "pulp_created"
started_at = "started_at"
ended_at = "finished_at"
""",
    # https://pve.proxmox.com/pve-docs/api-viewer/index.html#/nodes/{node}/tasks/{upid}/status: any text but OK is an error
    "proxmox": """
job = "/api2/json/nodes/{node}/tasks/{job_id}/status"
base_url_variable = "PROXMOX_URL"
token = "PROXMOX_TOKEN"
auth = "Authorization: PVEAPIToken={token}"
root = "data"
id = "upid"
status = "status"
words = { succeeded = ["stopped"] }
failed_if = "status == 'stopped' && exitstatus && exitstatus != 'OK'"
error = "exitstatus"
started_at = "starttime"
""",
    # https://docs.anthropic.com/en/api/retrieving-message-batches: `ended` says not how
    "anthropic": """
job = "https://api.anthropic.com/v1/messages/batches/{job_id}"
token = "ANTHROPIC_API_KEY"
auth = "x-api-key: {token}"
headers = { anthropic-version = "2023-06-01" }
id = "id"
status = "processing_status"
words = { succeeded = ["ended"] }
cancelled_if = "processing_status == 'ended' && cancel_initiated_at"
failed_if = "processing_status == 'ended' && request_counts.succeeded == `0`"
result = "results_url"
created_at = "created_at"
ended_at = "ended_at"
""",
    # https://modal.com/docs/guide/webhook-timeouts: 202 without a body while it runs
    "modal": """
job = "/result/{job_id}"
base_url_variable = "MODAL_URL"
http = { 200 = "succeeded", 202 = "running", 404 = "missing", 500 = "failed" }
started = "call_id"
""",
    # https://solr.apache.org/guide/solr/latest/configuration-guide/collections-api.html: `responseHeader.status` is the API's
    "solr": """
job = "http://localhost:8983/solr/admin/collections?action=REQUESTSTATUS&wt=json&requestid={job_id}"
root = "status"
status = "state"
missing_if = "state == 'notfound'"
error = "msg"
""",
    # https://docs.apify.com/api/v2/actor-run-get
    "apify": """
job = "https://api.apify.com/v2/actor-runs/{job_id}"
token = "APIFY_TOKEN"
root = "data"
id = "id"
status = "status"
words = { pending = ["READY"] }
type = "actId"
error = "statusMessage"
started_at = "startedAt"
ended_at = "finishedAt"
""",
    # https://aria2.github.io/manual/en/html/aria2c.html#aria2.tellStatus: JSON-RPC, in which all numbers are texts
    "aria2": """
job = "http://localhost:6800/jsonrpc"
method = "POST"
protocol = "json-rpc"
body = { jsonrpc = "2.0", id = "1", method = "aria2.tellStatus", params = ["{job_id}"] }
id = "gid"
status = "status"
words = { running = ["active"], cancelled = ["removed"] }
missing_if = "$.error.code == `1`"
error = "errorMessage"
progress = { done = "completedLength", of = "totalLength" }
started = "@"
""",
    # https://docs.saltproject.io/en/latest/ref/netapi/all/salt.netapi.rest_cherrypy.html#jobs: results lie by minion
    "salt": """
job = "http://localhost:8000/jobs/{job_id}"
token = "SALT_TOKEN"
auth = "X-Auth-Token: {token}"
params = { minion = "db.1" }
root = "info[0]"
id = "jid"
failed_if = 'Result."{minion}" && Result."{minion}".success == `false`'
succeeded_if = 'Result."{minion}".success'
running_if = "jid"
missing_if = "Error"
result = 'Result."{minion}".return'
started = "return[0].jid"
""",
    # https://docs.skypilot.co/en/latest/reference/async.html: a list of one, errors that are the text "null"
    "skypilot": """
job = "http://localhost:46580/api/status?request_ids={job_id}"
root = "[0]"
id = "request_id"
status = "status"
type = "name"
error = "error"
no_error = ["null"]
created_at = "created_at"
started = { header = "X-Skypilot-Request-ID" }
""",
    # https://jupyter-scheduler.readthedocs.io/en/latest/developers/index.html: STOPPED before it starts, and after
    "jupyter": """
job = "http://localhost:8888/scheduler/jobs/{job_id}"
token = "JUPYTER_TOKEN"
auth = "Authorization: token {token}"
id = "job_id"
status = "status"
pending_if = "status == 'STOPPED' && !(start_time)"
words = { cancelled = ["STOPPED"] }
http = { 500 = "missing" }
error = "status_message"
created_at = "create_time"
started_at = "start_time"
ended_at = "end_time"
""",
    # https://cylc.github.io/cylc-doc/stable/html/user-guide/running-workflows/tracking-task-state.html: one word for all ends
    "cylc": """
job = "http://localhost:8888/cylc/graphql"
method = "POST"
root = "data.workflows[0]"
id = "id"
status = "status"
failed_if = "starts_with(statusMsg, 'stalled')"
pending_if = "statusMsg == 'not yet run'"
words = { finished = ["stopped"] }
missing_if = "$.data.workflows == `[]`"
body = { query = "query($id: ID!) {workflows(ids: [$id]) {id status statusMsg}}", variables = { id = "{job_id}" } }
""",
    # https://docs.camunda.io/docs/apis-tools/orchestration-cluster-api-rest/specifications/search-process-instances/
    "camunda": """
job = "http://localhost:8080/v2/process-instances/search"
method = "POST"
body = { filter = { processInstanceKey = "{job_id}" } }
root = "items[?processInstanceKey=={job_id}] | [0]"
id = "processInstanceKey"
status = "state"
blocked_if = "state == 'ACTIVE' && hasIncident"
words = { cancelled = ["TERMINATED"] }
started_at = "startDate"
ended_at = "endDate"
""",
}
