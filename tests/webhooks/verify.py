"""Verifies messages of webhooks by the library `standardwebhooks`: a JSON list of {secret, headers, body, genuine} on the input."""

import json
import sys

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

for message in json.load(sys.stdin):
    try:
        event = Webhook(message["secret"]).verify(message["body"], message["headers"])
        genuine = event["id"] == message["headers"]["webhook-id"]
    except WebhookVerificationError:
        genuine = False
    if genuine != message["genuine"]:
        sys.exit(f"genuine: {genuine}: {message}")
