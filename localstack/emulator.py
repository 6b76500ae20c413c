"""Runs MiniStack, and ends with the process that started it.

Standard input is a pipe from that process. When it closes, however the other side died, the whole process group goes:
the emulator and every function that it runs. A byte on it means "detached": from then on the emulator lives by itself.
"""

from contextvars import ContextVar
import os
import signal
import sys
import threading
from urllib.parse import urlsplit


def end_with_parent():
    if not os.read(sys.stdin.fileno(), 1):
        os.killpg(0, signal.SIGKILL)


threading.Thread(target=end_with_parent, daemon=True).start()

import ministack.app  # noqa: E402 - slow to import: the thread comes first.
from ministack.core import iam_actions, iam_evaluator  # noqa: E402
from ministack.services import apigateway, iam  # noqa: E402
from ministack.services.cloudformation import _stacks, provisioners  # noqa: E402

# Where MiniStack 1.5.33 does not judge a call as AWS does, or fails at an update.
extract_iam_action = iam_actions.extract_iam_action
extract_resource_arn = iam_actions.extract_resource_arn
resolve_condition_key = iam_evaluator._resolve_condition_key
update_resource = provisioners._update_resource
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


iam_actions.extract_iam_action = extract_iam_action_of_aws
iam_actions.extract_resource_arn = extract_resource_arn_of_aws
iam_evaluator._resolve_condition_key = resolve_condition_key_of_aws
provisioners._update_resource = update_resource_of_nested_stack
apigateway.handle_websocket = handle_websocket_of_aws
apigateway._invoke_ws_lambda = invoke_ws_lambda_of_aws
ministack.app.app = app_of_this_machine

ministack.app.main()
