//! A call to AWS as it is on the wire, and how each protocol says that it failed.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::rights::Need;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
/// Header in which SQS repeats the code of an error as its older protocol had it.
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// The service that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// JSON.
    DynamoDb,
    /// JSON.
    Sqs,
    /// Forms in, XML out.
    Sns,
    /// Forms in, XML out.
    Ses,
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) operation: String,
    pub(crate) body: Bytes,
}

/// A call that failed, in the words of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It takes no more calls at the moment.
    Throttled,
    /// It has an error of its own.
    Broken,
    /// Another transaction is at work on one of the items.
    Conflict,
}

impl Call {
    /// `None` if it is no call that a function of ours makes.
    pub(crate) fn read(headers: &HeaderMap, body: Bytes) -> Option<Self> {
        if let Some(target) = headers.get(TARGET) {
            let (service, operation) = target.to_str().ok()?.split_once('.')?;
            let service = match service {
                "DynamoDB_20120810" => Service::DynamoDb,
                "AmazonSQS" => Service::Sqs,
                _ => return None,
            };
            return Some(Self { service, operation: operation.to_owned(), body });
        }
        let field = |wanted: &str| form_urlencoded::parse(&body).find(|(name, _)| name == wanted);
        let operation = field("Action")?.1.into_owned();
        let service = match &*field("Version")?.1 {
            "2010-03-31" => Service::Sns,
            "2010-12-01" => Service::Ses,
            _ => return None,
        };
        Some(Self { service, operation, body })
    }

    /// Right that its caller needs.
    pub(crate) fn needs(&self) -> Vec<Need> {
        let json = || serde_json::from_slice::<Value>(&self.body).unwrap_or_default();
        let need = |prefix: &str, operation: &str, resource: &str| {
            // The right to do one is the right to do a batch.
            let action = format!("{prefix}:{}", operation.strip_suffix("Batch").unwrap_or(operation));
            Need { action, resource: resource.to_owned() }
        };
        let table = |of: &Value| of["TableName"].as_str().unwrap_or_default().to_owned();
        match self.service {
            Service::DynamoDb if self.operation == "TransactWriteItems" => {
                let body = json();
                let items =
                    body["TransactItems"].as_array().into_iter().flatten().filter_map(Value::as_object).flatten();
                // A transaction is allowed by what is in it: Put, Update, Delete or ConditionCheck of an item.
                items.map(|(action, of)| need("dynamodb", &format!("{action}Item"), &table(of))).collect()
            }
            Service::DynamoDb => vec![need("dynamodb", &self.operation, &table(&json()))],
            Service::Sqs => {
                let url = json()["QueueUrl"].as_str().unwrap_or_default().to_owned();
                vec![need("sqs", &self.operation, url.rsplit('/').next().unwrap_or_default())]
            }
            Service::Sns => {
                let topic = form_urlencoded::parse(&self.body).find(|(name, _)| name == "TopicArn");
                let topic = topic.map(|(_, arn)| arn.into_owned()).unwrap_or_default();
                vec![need("sns", &self.operation, topic.rsplit(':').next().unwrap_or_default())]
            }
            Service::Ses => vec![need("ses", &self.operation, "")],
        }
    }

    /// True if its request has that text in it, such as the name of a table.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        self.body.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// True if another transaction could be in its way.
    pub(crate) fn may_conflict(&self) -> bool {
        self.service == Service::DynamoDb
            && matches!(self.operation.as_str(), "PutItem" | "UpdateItem" | "TransactWriteItems")
    }

    /// The answer of a service that has this trouble with the call.
    pub(crate) fn failed(&self, trouble: Trouble) -> Response<Bytes> {
        match self.service {
            Service::DynamoDb => self.failed_at_dynamodb(trouble),
            Service::Sqs => {
                let (status, code, fault) = match trouble {
                    Trouble::Throttled => (400, "RequestThrottled", "Sender"),
                    Trouble::Broken | Trouble::Conflict => (500, "InternalError", "Receiver"),
                };
                let body = json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": "made up" });
                let mut response = json_answer(status, &body);
                if let Ok(value) = HeaderValue::from_str(&format!("{code};{fault}")) {
                    response.headers_mut().insert(QUERY_ERROR, value);
                }
                response
            }
            Service::Sns | Service::Ses => {
                let (status, code, fault) = match trouble {
                    Trouble::Throttled => (400, "Throttling", "Sender"),
                    Trouble::Broken | Trouble::Conflict => (500, "InternalFailure", "Receiver"),
                };
                xml_answer(
                    status,
                    &format!(
                        "<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code><Message>made up</Message></Error>\
                         <RequestId>chaos</RequestId></ErrorResponse>"
                    ),
                )
            }
        }
    }

    fn failed_at_dynamodb(&self, trouble: Trouble) -> Response<Bytes> {
        let error =
            |code: &str| json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "made up" });
        match trouble {
            Trouble::Throttled => json_answer(400, &error("ProvisionedThroughputExceededException")),
            Trouble::Broken => json_answer(500, &error("InternalServerError")),
            Trouble::Conflict if self.operation == "TransactWriteItems" => {
                let mut body = error("TransactionCanceledException");
                body["Message"] = body["message"].take();
                // The first item is the order's row, which nobody else writes in a transaction.
                let mut reasons = vec![json!({ "Code": "None" }); self.transaction_items()];
                if let Some(last) = reasons.last_mut() {
                    *last = json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" });
                }
                body["CancellationReasons"] = json!(reasons);
                json_answer(400, &body)
            }
            Trouble::Conflict => json_answer(400, &error("TransactionConflictException")),
        }
    }

    fn transaction_items(&self) -> usize {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["TransactItems"].as_array().map_or(0, Vec::len)
    }

    /// The same call with one entry of its batch left out, and the id of that entry; `None` if it has no batch of at
    /// least two. SNS says with status 200 that it has not published an entry.
    pub(crate) fn without_one_entry(&self, choose: impl FnOnce(usize) -> usize) -> Option<(Self, String)> {
        const ENTRIES: &str = "PublishBatchRequestEntries.member.";
        if (self.service, self.operation.as_str()) != (Service::Sns, "PublishBatch") {
            return None;
        }
        let fields: Vec<(String, String)> = form_urlencoded::parse(&self.body).into_owned().collect();
        let place = |name: &str| {
            let (number, rest) = name.strip_prefix(ENTRIES)?.split_once('.')?;
            Some((number.parse::<usize>().ok()?, rest.to_owned()))
        };
        let count = fields.iter().filter_map(|(name, _)| Some(place(name)?.0)).max().filter(|count| *count >= 2)?;
        let left_out = choose(count) + 1;
        let mut id = String::new();
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &fields {
            match place(name) {
                Some((number, rest)) if number == left_out => {
                    if rest == "Id" {
                        id.clone_from(value);
                    }
                }
                // The entries are numbered without a gap.
                Some((number, rest)) if number > left_out => {
                    form.append_pair(&format!("{ENTRIES}{}.{rest}", number - 1), value);
                }
                _ => {
                    form.append_pair(name, value);
                }
            }
        }
        Some((Self { body: form.finish().into(), ..self.clone() }, id))
    }
}

/// The answer to a batch, with one entry more that was not published.
pub(crate) fn with_failed_entry(answer: &[u8], id: &str) -> Option<Bytes> {
    let answer = std::str::from_utf8(answer).ok()?;
    let failed = format!(
        "<Failed><member><Id>{id}</Id><Code>InternalError</Code><Message>made up</Message>\
         <SenderFault>false</SenderFault></member>"
    );
    let with_it = answer.replacen("<Failed>", &failed, 1);
    (with_it != answer).then(|| with_it.into())
}

fn json_answer(status: u16, body: &Value) -> Response<Bytes> {
    answer(status, "application/x-amz-json-1.0", body.to_string())
}

fn xml_answer(status: u16, body: &str) -> Response<Bytes> {
    answer(status, "text/xml", body.to_owned())
}

fn answer(status: u16, content_type: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
