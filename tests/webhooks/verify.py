"""Verifies messages of webhooks: a JSON list of {secret, headers, body, genuine} on the input. Those of a secret by the library
`standardwebhooks`, those of a public key, which it does not know, by `cryptography`."""

import json
import sys
from base64 import b64decode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError


def is_signed(message):
    key = Ed25519PublicKey.from_public_bytes(b64decode(message["secret"].removeprefix("whpk_")))
    headers = message["headers"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{message['body']}".encode()
    for signature in headers["webhook-signature"].split(" "):
        if signature.startswith("v1a,"):
            try:
                key.verify(b64decode(signature.removeprefix("v1a,")), signed)
                return True
            except InvalidSignature:
                continue
    return False


for message in json.load(sys.stdin):
    if message["secret"].startswith("whpk_"):
        if is_signed(message) != message["genuine"]:
            sys.exit(f"genuine: {not message['genuine']}: {message}")
        continue
    try:
        event = Webhook(message["secret"]).verify(message["body"], message["headers"])
        genuine = event["id"] == message["headers"]["webhook-id"]
    except WebhookVerificationError:
        genuine = False
    if genuine != message["genuine"]:
        sys.exit(f"genuine: {genuine}: {message}")
