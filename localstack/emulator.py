"""Runs MiniStack, and ends with the process that started it.

Standard input is a pipe from that process. When it closes, however the other side died, the whole process group goes:
the emulator and every function that it runs. A byte on it means "detached": from then on the emulator lives by itself.
"""

import os
import signal
import sys
import threading


def end_with_parent():
    if not os.read(sys.stdin.fileno(), 1):
        os.killpg(0, signal.SIGKILL)


threading.Thread(target=end_with_parent, daemon=True).start()

from ministack.app import main  # noqa: E402 - slow to import: the thread comes first.
from ministack.core import iam_actions, iam_evaluator  # noqa: E402
from ministack.services import iam  # noqa: E402
from ministack.services.cloudformation import _stacks, provisioners  # noqa: E402

# Where MiniStack 1.5.33 does not judge a call as AWS does, or fails at an update.
extract_iam_action = iam_actions.extract_iam_action
extract_resource_arn = iam_actions.extract_resource_arn
resolve_condition_key = iam_evaluator._resolve_condition_key
update_resource = provisioners._update_resource


def extract_iam_action_of_aws(*request):
    """A batch of SNS or SQS needs the right to each of its calls, and there is no right to batches."""
    action = extract_iam_action(*request)
    return action.removesuffix("Batch") if action and action.startswith(("sns:", "sqs:")) else action


def extract_resource_arn_of_aws(service, method, path, headers, body, parameters, region, account):
    """A mail needs the right to the identity that sends it."""
    sender = iam_actions._query_param(parameters, "Source") if service == "ses" else None
    if sender:
        return f"arn:aws:ses:{region}:{account}:identity/{sender}"
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


iam_actions.extract_iam_action = extract_iam_action_of_aws
iam_actions.extract_resource_arn = extract_resource_arn_of_aws
iam_evaluator._resolve_condition_key = resolve_condition_key_of_aws
provisioners._update_resource = update_resource_of_nested_stack

main()
