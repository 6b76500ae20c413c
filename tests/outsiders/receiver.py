"""A partner who is pushed to: registers a webhook, takes what is posted to it once it is verified, and asks again for what it lacks.

It is written from shared/events/openapi.json and its schemas alone, and verifies by the library of Standard Webhooks. Once, it
loses the first event of INVENTORY about an order, finds that by the sequence of the second, and has it sent again. Its secret is
rotated on the way, and in the end it looks at its deliveries. It prints each event that it was not sent before, and ends with its input.
python tests/outsiders/receiver.py shared/events API-URL TOKEN PATTERN
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Lock, Thread

import requests
from jsonschema import Draft202012Validator, FormatChecker
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

INVENTORY = "orderflow/inventory"

contracts, api, token, pattern = Path(sys.argv[1]), sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
document = json.loads((contracts / "openapi.json").read_text())
operations = {
    operation["operationId"]: (method, path)
    for path, methods in document["paths"].items()
    for method, operation in methods.items()
    if method != "parameters"
}
posted = document["webhooks"]["event"]["post"]
headers = [parameter["name"] for parameter in posted["parameters"] if parameter["in"] == "header"]
[(media_type, content)] = posted["requestBody"]["content"].items()
event_schema = {**content["schema"], "components": document["components"]}
schemas = {schema["$id"]: schema for schema in map(json.loads, map(Path.read_text, contracts.glob("schemas/*.json")))}

session = requests.Session()
session.headers["Authorization"] = f"Bearer {token}"


def ask(operation, webhook=None, **request):
    """Asks the API for one of its operations, again while it has no time: the answer, whatever it is."""
    method, path = operations[operation]
    for _ in range(10):
        answer = session.request(method, api + path.replace("{webhookId}", webhook or ""), timeout=60, **request)
        if answer.status_code < 500 and answer.status_code != 429:
            break
        time.sleep(int(answer.headers.get("Retry-After", "1")))
    return answer


def told(operation, webhook=None, **request):
    answer = ask(operation, webhook, **request)
    assert answer.ok, answer.text
    return answer.json()


lock, to_do, secrets = Lock(), Queue(), []
# The ids that were taken; the numbers of each source about each order; and how many secrets have signed each test.
seen, numbers, tests, lost = set(), {}, [], []


def signers(body, given):
    """How many of the secrets have signed it."""
    count = 0
    for secret in secrets:
        try:
            Webhook(secret).verify(body, given)
            count += 1
        except WebhookVerificationError:
            continue
    return count


def take(event, count):
    def validate(schema, instance):
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(instance)

    validate(event_schema, event)
    if event["type"] == "WebhookTested":
        tests.append(count)
        return
    validate(schemas[event["dataschema"]], event["data"])
    if (event["source"], int(event["sequence"])) == (INVENTORY, 1) and not lost:
        lost.append(event["id"])
        return
    # Delivered at least once: the id tells a repetition.
    if event["id"] in seen:
        return
    seen.add(event["id"])
    known = numbers.setdefault((event["source"], event["subject"]), set())
    known.add(int(event["sequence"]))
    if len(known) < max(known):
        to_do.put("resend")
    print(json.dumps(event), flush=True)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with lock:
            count = signers(body, {name: self.headers.get(name, "") for name in headers})
            if count > 0:
                assert self.headers["Content-Type"] == media_type, self.headers["Content-Type"]
                take(json.loads(body), count)
        self.send_response(204 if count > 0 else 401)
        self.end_headers()

    def log_message(self, *_):
        """It says nothing."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/orderflow"
# In order: what is missing before an event was posted, and taken, and does not come by itself.
made = told("createWebhook", json={"url": url, "match": pattern, "inOrder": True})
webhook = made["id"]
secrets.append(made["secret"])
assert requests.post(url, data="{}", timeout=60).status_code == 401, "a forgery is taken"
# Before another secret, and while two of them sign.
assert told("testWebhook", webhook)["state"] == "delivered"
rotated = told("rotateSecret", webhook)
with lock:
    secrets.append(rotated["secret"])
assert rotated["previousSecretUntil"] and told("testWebhook", webhook)["state"] == "delivered"
assert tests == [1, 2], tests
print("registered", flush=True)


def wait_for_the_end():
    sys.stdin.read()
    to_do.put("end")


Thread(target=wait_for_the_end, daemon=True).start()
resent = False
while to_do.get() != "end":
    answer = ask("resendEvents", webhook, json={"after": made["cursor"]})
    # One request is followed at a time: the one before tells of the gap, too.
    assert answer.status_code == 202 or (answer.status_code == 409 and resent), answer.text
    resent = True
assert set(lost) <= seen, "what was lost has not come again"


def deliveries():
    """All that were listed, by the id of the event."""
    found, query = {}, {}
    while True:
        page = told("listDeliveries", webhook, params=query)
        found.update((delivery["eventId"], delivery) for delivery in page["deliveries"])
        if not page.get("next"):
            return found
        query = {"before": page["next"]}


# What is taken is written down once it is answered.
for _ in range(30):
    listed = deliveries()
    open_ones = [event for event in seen if listed.get(event, {}).get("state") != "delivered"]
    if not open_ones:
        break
    time.sleep(1)
assert not open_ones, listed
assert all(listed[event]["status"] == 204 for event in seen), listed
told("deleteWebhook", webhook)
server.shutdown()
