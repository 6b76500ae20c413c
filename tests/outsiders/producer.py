"""A producer of another team: publishes an order of its own as an event, in a version of its choice.

It is written from shared/events alone.
python tests/outsiders/producer.py shared/events TOPIC-ARN VERSION ORDER SKU
"""

import json
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path
from secrets import randbits

import boto3
from jsonschema import Draft202012Validator, FormatChecker

contracts, topic, version, order, sku = Path(sys.argv[1]), *sys.argv[2:]
document = json.loads((contracts / "asyncapi.json").read_text())


def follow(reference, place=document):
    """What a reference of the document refers to, at last."""
    for name in reference["$ref"].removeprefix("#/").split("/"):
        place = place[name]
    return follow(place) if "$ref" in place else place


operation = document["operations"]["sendAsAnyone"]
messages = {message["title"]: message for message in map(follow, operation["messages"])}
event = messages[f"OrderCreated, version {version}"]["examples"][0]["payload"]
now = datetime.now(timezone.utc)
uuid7 = uuid.UUID(f"{int(now.timestamp() * 1000):012x}7{randbits(12):03x}8{randbits(60):015x}")
event |= {"id": str(uuid7), "source": "https://partner.example/checkout", "subject": order}
event["time"] = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
for ours in "sequence", "correlationid", "causationid", "traceparent", "tracestate":
    event.pop(ours, None)
event["data"]["orderId"] = order
event["data"]["customer"]["id"] = f"cus_{order}"
for line in event["data"]["lines"]:
    line["sku"] = sku

for schema, instance in ("Event", event), (f"OrderCreated.{version}", event["data"]):
    schema = json.loads((contracts / f"schemas/{schema}.json").read_text())
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(instance)
assert follow(operation["channel"])["bindings"]["sns"]["ordering"]["type"] == "standard", "it wants more than a message"
boto3.client("sns").publish(TopicArn=topic, Message=json.dumps(event))
