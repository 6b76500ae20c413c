"""A consumer of another team: follows orders until they are shipped, with a queue of its own.

It is written from shared/events alone. It prints one line once it is subscribed, and then each event.
python tests/outsiders/consumer.py shared/events TOPIC-ARN ORDER...
"""

import json
import sys
import uuid
from pathlib import Path

import boto3
from jsonschema import Draft202012Validator, FormatChecker

contracts, topic, orders = Path(sys.argv[1]), sys.argv[2], set(sys.argv[3:])
document = json.loads((contracts / "asyncapi.json").read_text())
schemas = {schema["$id"]: schema for schema in map(json.loads, map(Path.read_text, contracts.glob("schemas/*.json")))}
event_schema = json.loads((contracts / "schemas/Event.json").read_text())
[terms] = document["operations"]["receiveAsAnyone"]["bindings"]["sns"]["consumers"]
wanted = ["OrderCreated", "InventoryReserved", "PaymentProcessed", "ShipmentCreated"]
assert set(wanted) <= set(terms["filterPolicy"]["type"]), "the document has no such types"

sns, sqs = boto3.client("sns"), boto3.client("sqs")
queue = sqs.create_queue(QueueName=f"outsider-{uuid.uuid4()}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
allow["Condition"] = {"ArnEquals": {"aws:SourceArn": topic}}
policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
attributes = {
    "RawMessageDelivery": json.dumps(terms["rawMessageDelivery"]),
    "FilterPolicyScope": terms["filterPolicyScope"],
    "FilterPolicy": json.dumps({"type": wanted}),
}
subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)["SubscriptionArn"]
print("subscribed", flush=True)

seen, missing = set(), {(order, kind) for order in orders for kind in wanted}
while missing:
    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2)
    for message in received.get("Messages", []):
        event = json.loads(message["Body"])
        assert event["type"] in wanted, f"not asked for: {event}"
        for schema, instance in (event_schema, event), (schemas[event["dataschema"]], event["data"]):
            Draft202012Validator(schema, format_checker=FormatChecker()).validate(instance)
        if event["subject"] in orders and (event["source"], event["id"]) not in seen:
            print(json.dumps(event), flush=True)
        seen.add((event["source"], event["id"]))
        missing.discard((event["subject"], event["type"]))
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
sns.unsubscribe(SubscriptionArn=subscription)
sqs.delete_queue(QueueUrl=queue)
