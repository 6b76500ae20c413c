"""A partner who pulls: follows the feed of events from its beginning until orders are shipped.

It is written from shared/events/openapi.json and its schemas alone. It prints each event that it was not shown before.
python tests/outsiders/puller.py shared/events API-URL TOKEN ORDER...
"""

import json
import sys
import time
from pathlib import Path

import requests
from jsonschema import Draft202012Validator, FormatChecker

contracts, api, token, orders = Path(sys.argv[1]), sys.argv[2], sys.argv[3], set(sys.argv[4:])
document = json.loads((contracts / "openapi.json").read_text())
[(path, operation)] = [
    (path, operation)
    for path, operations in document["paths"].items()
    for operation in operations.values()
    if isinstance(operation, dict) and operation.get("operationId") == "readEvents"
]
parameters = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
assert set(parameters) == {"after", "limit", "match"}, parameters
schemas = {schema["$id"]: schema for schema in map(json.loads, map(Path.read_text, contracts.glob("schemas/*.json")))}
event_schema = json.loads((contracts / "schemas/Event.json").read_text())
wanted = ["OrderCreated", "InventoryReserved", "PaymentProcessed", "ShipmentCreated"]

session = requests.Session()
session.headers["Authorization"] = f"Bearer {token}"
query = {"limit": 7, "match": json.dumps({"type": wanted, "subject": sorted(orders)})}
seen, missing = set(), {(order, kind) for order in orders for kind in wanted}
while missing:
    answer = session.get(api + path, params=query, timeout=60)
    if answer.status_code >= 500 or answer.status_code == 429:
        time.sleep(int(answer.headers.get("Retry-After", "1")))
        continue
    answer.raise_for_status()
    page = answer.json()
    for event in page["events"]:
        for schema, instance in (event_schema, event), (schemas[event["dataschema"]], event["data"]):
            Draft202012Validator(schema, format_checker=FormatChecker()).validate(instance)
        assert (event["source"], event["id"]) not in seen, f"shown twice: {event}"
        seen.add((event["source"], event["id"]))
        missing.discard((event["subject"], event["type"]))
        print(json.dumps(event), flush=True)
    if page["next"] == query.get("after"):
        time.sleep(1)
    query["after"] = page["next"]
