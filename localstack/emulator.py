"""Runs MiniStack, and ends with the process that started it.

Standard input is a pipe from that process. When it closes, however the other side died, the whole process group goes:
the emulator and every function that it runs. A byte on it means "detached": from then on the emulator lives by itself.
"""

from contextvars import ContextVar
from functools import lru_cache
import os
import signal
import sys
import threading
import time
from urllib.parse import urlsplit


def end_with_parent():
    if not os.read(sys.stdin.fileno(), 1):
        os.killpg(0, signal.SIGKILL)


threading.Thread(target=end_with_parent, daemon=True).start()

import hypercorn.asyncio  # noqa: E402 - slow to import: the thread comes first.
import ministack.app  # noqa: E402
from ministack.core import iam_actions, iam_evaluator  # noqa: E402
from ministack.services import apigateway, dynamodb, iam, lambda_svc  # noqa: E402
from ministack.services.cloudformation import _stacks, provisioners  # noqa: E402
import uvicorn  # noqa: E402

# Where MiniStack 1.5.33 does not judge a call as AWS does, or fails at an update.
extract_iam_action = iam_actions.extract_iam_action
extract_resource_arn = iam_actions.extract_resource_arn
resolve_condition_key = iam_evaluator._resolve_condition_key
poll_dynamodb_streams = lambda_svc._poll_dynamodb_streams
update_resource = provisioners._update_resource
iter_all_mappings = lambda_svc._iter_all_esms
parse_policy_document = iam_evaluator.parse_policy_document
parse_policy_text = lru_cache(maxsize=None)(parse_policy_document)
app = ministack.app.app
handle_websocket = apigateway.handle_websocket
invoke_ws_lambda = apigateway._invoke_ws_lambda


def extract_iam_action_of_aws(*request):
    """A batch of SNS or SQS needs the right to each of its calls, and there is no right to batches."""
    action = extract_iam_action(*request)
    return action.removesuffix("Batch") if action and action.startswith(("sns:", "sqs:")) else action


def extract_resource_arn_of_aws(service, method, path, headers, body, parameters, region, account):
    """A mail needs the right to the identity that sends it, and parameters by their path that to the path."""
    sender = iam_actions._query_param(parameters, "Source") if service == "ses" else None
    if sender:
        return f"arn:aws:ses:{region}:{account}:identity/{sender}"
    path_of_parameters = iam_actions._safe_json_field(body, "Path") if service == "ssm" else None
    if path_of_parameters:
        return f"arn:aws:ssm:{region}:{account}:parameter{path_of_parameters}"
    return extract_resource_arn(service, method, path, headers, body, parameters, region, account)


def resolve_condition_key_of_aws(key, context):
    if key.lower() == "aws:securetransport":
        # On this machine plain HTTP is as good as TLS, and every policy here denies what comes without it.
        return "true"
    principal = context.principal_arn
    if key.lower() == "aws:principalarn" and ":assumed-role/" in principal:
        # Of a role's session AWS gives the role, with its path; MiniStack gives the session, which has none.
        account, name = principal.split(":")[4], principal.split("/")[1]
        return (iam._roles.get_scoped(account, None, name) or {}).get("Arn", principal)
    if key.lower() == "ses:fromaddress" and ":identity/" in context.resource_arn:
        return context.resource_arn.split(":identity/")[1]
    return resolve_condition_key(key, context)


def update_resource_of_nested_stack(kind, physical_id, old, new, stack, logical_id=None, attributes=None):
    """An update of a nested stack forgets the attributes of what stays as it is, and fails at the next that names one."""
    if attributes is None:
        attributes = (_stacks.get(stack) or {}).get("_resources", {}).get(logical_id, {}).get("Attributes")
    return update_resource(kind, physical_id, old, new, stack, logical_id, attributes)


# The event source mapping that a thread polls, with its account and region.
one_mapping = ContextVar("one_mapping", default=None)
# Protocol that the function behind $connect has chosen, of the client that is being let in.
subprotocol = ContextVar("subprotocol", default=None)


async def invoke_ws_lambda_of_aws(*request, **options):
    """The header of the answer to $connect says which protocol is spoken. MiniStack reads its status alone."""
    answer = await invoke_ws_lambda(*request, **options)
    if "CONNECT" in request:
        headers = (answer or {}).get("headers") or {}
        chosen = [value for name, value in headers.items() if name.lower() == "sec-websocket-protocol"]
        subprotocol.set(chosen[0] if chosen else None)
    return answer


async def handle_websocket_of_aws(scope, receive, send, *request, **options):
    """A browser breaks off where its protocol is not accepted by name."""
    async def send_with_subprotocol(message):
        if message["type"] == "websocket.accept" and subprotocol.get():
            message = {**message, "subprotocol": subprotocol.get()}
        await send(message)

    await handle_websocket(scope, receive, send_with_subprotocol, *request, **options)


def is_here(host):
    """Loopback by its address, or by a name that no DNS can give to anybody else."""
    return host in ("127.0.0.1", "::1", "localhost") or host.endswith(".localhost")


def name_of(url):
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def is_of_this_machine(headers):
    """A program of this machine calls, or a page that it serves: no page from elsewhere, through somebody's browser.

    A browser lets any page send requests to this machine, and names the page's origin. A name of the attacker's own that
    its DNS points here (rebinding) shows in `Host`.
    """
    if not is_here(name_of("//" + headers.get(b"host", b"").decode("latin-1"))):
        return False
    if b"origin" in headers:
        return is_here(name_of(headers[b"origin"].decode("latin-1")))
    return headers.get(b"sec-fetch-site") != b"cross-site"


async def app_of_this_machine(scope, receive, send):
    if scope["type"] == "lifespan" or is_of_this_machine(dict(scope["headers"])):
        return await app(scope, receive, send)
    if scope["type"] == "websocket":
        return await send({"type": "websocket.close", "code": 1008})
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"The emulator answers programs and pages of this machine only.\n"})


def parse_policy_document_once(document):
    """Every call is judged by policies that are parsed for it, and they are the same ones each time."""
    return parse_policy_text(document) if isinstance(document, str) else parse_policy_document(document)


def poll_dynamodb_streams_apart():
    """Lambda polls each stream by itself. MiniStack polls one after the other, and all that it polls waits for each function."""
    for account, region, mapping in iter_all_mappings():
        if is_behind(account, region, mapping):
            lambda_svc._dispatch_esm_batch(mapping["UUID"], poll_stream, account, region, mapping)
    return False


def is_behind(account, region, mapping):
    source, identifier = mapping.get("EventSourceArn", ""), mapping["UUID"]
    if ":dynamodb:" not in source or not mapping.get("Enabled", True) or lambda_svc._esm_inflight.get(identifier, 0):
        return False
    if lambda_svc._esm_backoff_until.get(identifier, 0) > time.time():
        return False
    table = source.split("/stream/")[0].split("/")[-1]
    end = dynamodb.stream_end_position(table, account_id=account, region=region)
    return lambda_svc._dynamodb_stream_positions.get(identifier) != end


def poll_stream(*mapping):
    # One batch: what ends wakes the poller, which looks anew at what there is to poll.
    one_mapping.set([mapping])
    poll_dynamodb_streams()


def iter_mappings():
    return one_mapping.get() or iter_all_mappings()


async def serve(served, config):
    """Serves HTTP by uvicorn. One thread does all that the emulator does, and a third of it was hypercorn's parser of HTTP in Python."""
    host, port = config.bind[0].rsplit(":", 1)
    await uvicorn.Server(uvicorn.Config(
        served, host=host, port=int(port), http="httptools", ws="websockets-sansio", lifespan="on", access_log=False, log_config=None,
        timeout_keep_alive=config.keep_alive_timeout, ws_ping_interval=None, date_header=False, server_header=False,
    )).serve()


hypercorn.asyncio.serve = serve
iam_evaluator.parse_policy_document = parse_policy_document_once
lambda_svc._iter_all_esms = iter_mappings
lambda_svc._poll_dynamodb_streams = poll_dynamodb_streams_apart
iam_actions.extract_iam_action = extract_iam_action_of_aws
iam_actions.extract_resource_arn = extract_resource_arn_of_aws
iam_evaluator._resolve_condition_key = resolve_condition_key_of_aws
provisioners._update_resource = update_resource_of_nested_stack
apigateway.handle_websocket = handle_websocket_of_aws
apigateway._invoke_ws_lambda = invoke_ws_lambda_of_aws
ministack.app.app = app_of_this_machine

ministack.app.main()
