"""What the tools of other teams make of our events and our schemas.

python tests/documents/outside.py shared/events
"""

import json
import sys
from pathlib import Path

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from dateutil.parser import isoparse
from jsonschema import Draft202012Validator, FormatChecker

contracts = Path(sys.argv[1])
schemas = {path.stem: json.loads(path.read_text()) for path in contracts.glob("schemas/*.json")}
for schema in schemas.values():
    Draft202012Validator.check_schema(schema)


def check(name, instance):
    """Holds a document against a schema, formats and all."""
    validator = Draft202012Validator(schemas[name], format_checker=FormatChecker())
    faults = [error.message for error in validator.iter_errors(instance)]
    assert not faults, (name, faults)


events = sorted(contracts.glob("golden/*.json"))
assert {path.stem for path in events} == schemas.keys() - {"Event"}, "each schema has an event"
for path in events:
    event = json.loads(path.read_text())
    check("Event", event)
    check(path.stem, event["data"])
    # The official SDK reads it, and writes the same again, though it has more digits for a second.
    read = JSONFormat().read(CloudEvent, path.read_text())
    written = json.loads(JSONFormat().write(read))
    check("Event", written)
    assert isoparse(written.pop("time")) == isoparse(event.pop("time")), path
    assert written == event, path

    broken = {**event, "id": ""}
    assert not Draft202012Validator(schemas["Event"]).is_valid(broken), path
    assert not Draft202012Validator(schemas[path.stem]).is_valid({**event["data"], "orderId": "a b"}), path
print(f"{len(events)} events are CloudEvents, and what their schemas say")
