"""What schemathesis has to know of the API beyond its document. In the end, `seen.txt` has what was answered to what."""

import atexit
import json
import re
import time
from pathlib import Path

import requests
import schemathesis
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi import stateful

seen = set()
atexit.register(lambda: Path("seen.txt").write_text("\n".join(sorted(seen))))

# What a sequence of requests begins with. Left alone, it takes `shippingAddress` for the id of something that nobody makes,
# and never places an order there.
assert stateful.is_likely_root_transition
stateful.is_likely_root_transition = lambda operation, *_: operation.method in ("post", "put") and "}/" not in operation.path


@schemathesis.hook
def before_call(_, case, _kwargs):
    """No schema can say that the lines of an order have one currency and a sum: without this, hardly an order would be accepted.

    Nor which two letters are a country, or which domains IDNA takes. What is right or wrong by the schema stays so.
    """
    body = case.body if isinstance(case.body, dict) else {}
    customer, lines = body.get("customer"), body.get("lines")
    rule = Draft202012Validator(case.operation.schema.raw_schema["components"]["schemas"]["Email"])
    email = customer.get("email") if isinstance(customer, dict) else None
    # To Python, `$` is before a last line break, too.
    if rule.is_valid(email) and not email.endswith("\n"):
        customer["email"] = "somebody@example.com"
    schemas, address = case.operation.schema.raw_schema["components"]["schemas"], body.get("shippingAddress")
    country = address.get("country") if isinstance(address, dict) else None
    # Those that the schema names have rules of their own. Antigua and Barbuda asks for nothing.
    if isinstance(country, str) and re.fullmatch("[A-Z]{2}", country) and f'"{country}"' not in json.dumps(schemas["Address"]):
        address["country"] = "AG"
    lines = lines if isinstance(lines, list) else []
    # Goods without a price in the table have one if they are named with it.
    for line in lines:
        if isinstance(line, dict) and line.get("unitPrice") is None:
            line["unitPrice"] = {"amount": 100, "currency": "EUR"}
    priced = [body, *lines]
    for price in (one.get("unitPrice") for one in priced if isinstance(one, dict)):
        if not isinstance(price, dict):
            continue
        if isinstance(price.get("currency"), str) and re.fullmatch("[A-Z]{3}", price["currency"]):
            price["currency"] = "EUR"
        if type(price.get("amount")) is int and 0 <= price["amount"] <= 99_999_999:
            price["amount"] %= 200


def is_too_slow(response):
    return response.status_code == 504 or response.status_code == 502 and b"timed out" in response.content.lower()


@schemathesis.hook
def after_call(_, case, response):
    """As the API asks of every client, it tries again: what is refused twice is not for the slowness of a machine. For a function
    that is too slow API Gateway answers, who asks for nothing."""
    if response.status_code == 503 and "retry-after" in response.headers or is_too_slow(response):
        time.sleep(int(response.headers.get("retry-after", ["1"])[0]))
        again = requests.Session().send(response.request, timeout=60)
        headers = {name: [value] for name, value in again.headers.items()}
        elapsed, reason = again.elapsed.total_seconds(), again.reason
        response.__init__(again.status_code, headers, again.content, again.request, elapsed, response.verify, reason)
    seen.add(f"{case.operation.definition.raw['operationId']} {response.status_code}")


@schemathesis.hook
def before_load_schema(_, document):
    """By JSON Schema a format is a note, and the pattern beside it the rule; schemathesis enforces both."""
    document["components"]["schemas"]["Email"].pop("format", None)
