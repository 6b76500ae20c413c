//! Payloads of invocations, as API Gateway, SQS and DynamoDB Streams send them to Lambda.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::aws::Change;
use crate::sign_in;
use crate::stack::REGION;

/// One request to a REST API.
#[derive(Clone, Debug)]
pub(crate) struct HttpRequest {
    pub(crate) method: &'static str,
    /// Route of the API, such as `/orders/{orderId}`.
    pub(crate) route: &'static str,
    /// Value of the route's parameter; ignored where it has none.
    pub(crate) parameter: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) body: Option<Value>,
}

impl HttpRequest {
    /// A request without a key and a body.
    pub(crate) fn new(method: &'static str, route: &'static str, parameter: impl Into<String>) -> Self {
        Self { method, route, parameter: parameter.into(), idempotency_key: None, body: None }
    }

    /// The same with a body.
    pub(crate) fn with_body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// The event of a Lambda proxy integration.
    pub(crate) fn payload(&self) -> Bytes {
        let name = self.route.split_once('{').and_then(|(_, rest)| Some(rest.split_once('}')?.0));
        let path = name
            .map_or_else(|| self.route.to_owned(), |name| self.route.replace(&format!("{{{name}}}"), &self.parameter));
        let mut headers = json!({
            "Accept": "application/json", "Authorization": sign_in::authorization(), "Content-Type": "application/json", "Host": HOST, "User-Agent": "curl/8.14.1",
            "X-Amzn-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700", "X-Forwarded-For": "203.0.113.7",
            "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https",
        });
        if let Some(key) = &self.idempotency_key {
            headers["Idempotency-Key"] = key.as_str().into();
        }
        let every = headers.as_object().into_iter().flatten();
        let every: Map<_, _> = every.map(|(name, value)| (name.clone(), json!([value]))).collect();
        let request = json!({
            "resource": self.route, "path": path, "httpMethod": self.method, "headers": headers, "multiValueHeaders": every,
            "queryStringParameters": null, "multiValueQueryStringParameters": null, "stageVariables": null,
            "pathParameters": name.map(|name| json!({name: self.parameter})),
            "requestContext": {
                "resourceId": "x4cv2n", "apiId": "1a2b3c4d5e", "resourcePath": self.route, "httpMethod": self.method,
                "extendedRequestId": "CfmbSG5SjoEEWlQ=", "requestTime": "01/Jan/2026:00:00:00 +0000",
                "requestTimeEpoch": SENT_MS, "path": format!("/dev{path}"), "accountId": crate::stack::ACCOUNT,
                "protocol": "HTTP/1.1", "stage": "dev", "domainPrefix": "1a2b3c4d5e", "domainName": HOST,
                "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
                "identity": {"sourceIp": "203.0.113.7", "userAgent": "curl/8.14.1"},
            },
            "body": self.body.as_ref().map(Value::to_string), "isBase64Encoded": false,
        });
        Bytes::from(request.to_string())
    }
}

const HOST: &str = "1a2b3c4d5e.execute-api.us-east-1.amazonaws.com";

/// The first of January 2026.
const SENT_MS: u64 = 1_767_225_600_000;

/// A message of a queue, the how-manieth one it is of all.
pub(crate) fn message(queue_arn: &str, number: usize, body: &Value, text: &str) -> Value {
    let mut attributes = json!({
        "ApproximateReceiveCount": "1", "SentTimestamp": SENT_MS.to_string(), "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": (SENT_MS + 1).to_string(),
        "AWSTraceHeader": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
    });
    if queue_arn.rsplit_once('.').is_some_and(|(_, end)| end == "fifo") {
        attributes["MessageGroupId"] = body["subject"].clone();
        attributes["MessageDeduplicationId"] = body["id"].clone();
        attributes["SequenceNumber"] = format!("{number:020}").into();
    }
    json!({
        "messageId": format!("059f36b4-87a3-44ab-83d2-{number:012x}"),
        "receiptHandle": format!("AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a{number:0100x}"),
        "body": text, "attributes": attributes, "messageAttributes": {}, "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs", "eventSourceARN": queue_arn, "awsRegion": REGION,
    })
}

/// A record of a table's stream, which sends new images only.
pub(crate) fn stream_record(change: &Change, number: usize) -> Value {
    let mut dynamodb = json!({
        "ApproximateCreationDateTime": SENT_MS / 1_000, "Keys": change.keys, "SizeBytes": 1_024,
        "SequenceNumber": format!("{number:021}"), "StreamViewType": "NEW_IMAGE",
    });
    if change.name != "REMOVE" {
        dynamodb["NewImage"] = Value::Object(Map::clone(&change.item));
    }
    let table = format!("arn:aws:dynamodb:{REGION}:{}:table/{}", crate::stack::ACCOUNT, change.table);
    json!({
        "eventID": format!("c4ca4238a0b923820dcc509a{number:08x}"), "eventName": change.name, "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": REGION, "dynamodb": dynamodb,
        "eventSourceARN": format!("{table}/stream/2026-01-01T00:00:00.000"),
    })
}

/// An event of a WebSocket API: a client connects by the protocol of GraphQL, or says something.
pub(crate) fn web_socket(connection: &str, message: Option<&Value>) -> Bytes {
    let (route, event_type) = if message.is_some() { ("$default", "MESSAGE") } else { ("$connect", "CONNECT") };
    let mut event = json!({
        "requestContext": {
            "routeKey": route, "eventType": event_type, "connectionId": connection, "messageDirection": "IN",
            "extendedRequestId": "CfmbSG5SjoEEWlQ=", "requestTime": "01/Jan/2026:00:00:00 +0000",
            "requestTimeEpoch": SENT_MS, "connectedAt": SENT_MS, "stage": "dev", "apiId": "1a2b3c4d5e",
            "domainName": HOST, "requestId": "CfmbSG5SjoEEWlQ=",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "node"},
        },
        "isBase64Encoded": false,
    });
    match message {
        Some(message) => event["body"] = message.to_string().into(),
        None => event["headers"] = json!({"Host": HOST, "Sec-WebSocket-Protocol": "graphql-transport-ws"}),
    }
    Bytes::from(event.to_string())
}

/// A batch of messages or records.
pub(crate) fn batch(records: &[Value]) -> Bytes {
    Bytes::from(json!({"Records": records}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_its_route_and_its_path() {
        let request = HttpRequest::new("POST", "/orders/{orderId}/cancel", "ord_1").with_body(json!({}));
        let payload: Value = serde_json::from_slice(&request.payload()).unwrap();
        assert_eq!(payload["path"], "/orders/ord_1/cancel");
        assert_eq!(payload["pathParameters"], json!({"orderId": "ord_1"}));
        assert_eq!(payload["body"], "{}");
        let request = HttpRequest { route: "/orders", idempotency_key: Some("k".to_owned()), ..request };
        let payload: Value = serde_json::from_slice(&request.payload()).unwrap();
        assert_eq!(payload["path"], "/orders");
        assert_eq!(payload["pathParameters"], Value::Null);
        assert_eq!(payload["multiValueHeaders"]["Idempotency-Key"], json!(["k"]));
    }

    #[test]
    fn a_client_connects_by_a_header_and_then_says_something() {
        let event = |message: Option<&Value>| serde_json::from_slice::<Value>(&web_socket("c1", message)).unwrap();
        let connect = event(None);
        assert_eq!(connect["requestContext"]["eventType"], "CONNECT");
        assert_eq!(connect["headers"]["Sec-WebSocket-Protocol"], "graphql-transport-ws");
        let says = event(Some(&json!({"type": "ping"})));
        assert_eq!(
            (&says["requestContext"]["connectionId"], &says["body"]),
            (&json!("c1"), &json!(r#"{"type":"ping"}"#))
        );
        assert_eq!(says.get("headers"), None);
    }

    #[test]
    fn only_a_fifo_queue_has_groups() {
        let body = json!({"id": "e", "subject": "ord_1"});
        let fifo = message("arn:aws:sqs:us-east-1:1:Q.fifo", 1, &body, "");
        assert_eq!(fifo["attributes"]["MessageGroupId"], "ord_1");
        let standard = message("arn:aws:sqs:us-east-1:1:Q", 1, &body, "");
        assert_eq!(standard["attributes"].get("MessageGroupId"), None);
    }
}
