//! Failures of a call to AWS, as each protocol says them, and the rights that it needs.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use orderflow_tests::{AwsService, Call};
use serde_json::{Value, json};

use crate::rights::Need;

/// Header in which SQS repeats the code of an error as its older protocol had it.
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// Header in which a service that speaks REST says the code of an error.
const REST_ERROR: HeaderName = HeaderName::from_static("x-amzn-errortype");

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

/// Right that its caller needs.
pub(crate) fn needs(call: &Call) -> Vec<Need> {
    let need = |prefix: &str, operation: &str, resource: &str| {
        // The right to do one is the right to do a batch.
        let action = format!("{prefix}:{}", operation.strip_suffix("Batch").unwrap_or(operation));
        Need { action, resource: resource.to_owned() }
    };
    let table = |of: &Value| of["TableName"].as_str().unwrap_or_default().to_owned();
    match call.service {
        AwsService::DynamoDb if call.operation == "TransactWriteItems" => {
            let body = call.json();
            let items = body["TransactItems"].as_array().into_iter().flatten().filter_map(Value::as_object).flatten();
            // A transaction is allowed by what is in it: Put, Update, Delete or ConditionCheck of an item.
            items.map(|(action, of)| need("dynamodb", &format!("{action}Item"), &table(of))).collect()
        }
        AwsService::DynamoDb if call.operation == "BatchGetItem" => {
            let body = call.json();
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            tables.map(|(table, _)| need("dynamodb", &call.operation, table)).collect()
        }
        AwsService::DynamoDb => vec![need("dynamodb", &call.operation, &table(&call.json()))],
        AwsService::Sqs => {
            let url = call.json()["QueueUrl"].as_str().unwrap_or_default().to_owned();
            vec![need("sqs", &call.operation, url.rsplit('/').next().unwrap_or_default())]
        }
        AwsService::Sns => {
            let topic = form_urlencoded::parse(&call.body).find(|(name, _)| name == "TopicArn");
            let topic = topic.map(|(_, arn)| arn.into_owned()).unwrap_or_default();
            vec![need("sns", &call.operation, topic.rsplit(':').next().unwrap_or_default())]
        }
        AwsService::Ses => vec![need("ses", &call.operation, "")],
        AwsService::Ssm => vec![need("ssm", &call.operation, "")],
        AwsService::SecretsManager => vec![need("secretsmanager", &call.operation, "")],
        AwsService::Lambda => vec![need("lambda", "InvokeFunction", call.function())],
        AwsService::Connections => vec![need("execute-api", &call.operation, "")],
    }
}

/// True if its request has that text in it, such as the name of a table.
pub(crate) fn mentions(call: &Call, text: &str) -> bool {
    call.body.windows(text.len()).any(|window| window == text.as_bytes())
}

/// True if another transaction could be in its way.
pub(crate) fn may_conflict(call: &Call) -> bool {
    call.service == AwsService::DynamoDb
        && matches!(call.operation.as_str(), "PutItem" | "UpdateItem" | "TransactWriteItems")
}

/// The answer of a service that has this trouble with the call.
pub(crate) fn failed(call: &Call, trouble: Trouble) -> Response<Bytes> {
    match call.service {
        AwsService::DynamoDb => failed_at_dynamodb(call, trouble),
        AwsService::Sqs => {
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
        AwsService::Ssm | AwsService::SecretsManager => match trouble {
            Trouble::Throttled => json_answer(400, &json!({ "__type": "ThrottlingException", "message": "made up" })),
            Trouble::Broken | Trouble::Conflict => {
                json_answer(500, &json!({ "__type": "InternalServerError", "message": "made up" }))
            }
        },
        AwsService::Lambda | AwsService::Connections => {
            let (status, code) = match (call.service, trouble) {
                (AwsService::Connections, Trouble::Throttled) => (429, "LimitExceededException"),
                (_, Trouble::Throttled) => (429, "TooManyRequestsException"),
                (_, Trouble::Broken | Trouble::Conflict) => (500, "ServiceException"),
            };
            let mut response = json_answer(status, &json!({ "Type": "User", "Message": "made up" }));
            response.headers_mut().insert(REST_ERROR, HeaderValue::from_static(code));
            response
        }
        AwsService::Sns | AwsService::Ses => {
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

fn failed_at_dynamodb(call: &Call, trouble: Trouble) -> Response<Bytes> {
    let error =
        |code: &str| json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "made up" });
    match trouble {
        Trouble::Throttled => json_answer(400, &error("ProvisionedThroughputExceededException")),
        Trouble::Broken => json_answer(500, &error("InternalServerError")),
        Trouble::Conflict if call.operation == "TransactWriteItems" => {
            let mut body = error("TransactionCanceledException");
            body["Message"] = body["message"].take();
            // The first item is the order's row, which nobody else writes in a transaction.
            let mut reasons = vec![json!({ "Code": "None" }); transaction_items(call)];
            if let Some(last) = reasons.last_mut() {
                *last = json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" });
            }
            body["CancellationReasons"] = json!(reasons);
            json_answer(400, &body)
        }
        Trouble::Conflict => json_answer(400, &error("TransactionConflictException")),
    }
}

fn transaction_items(call: &Call) -> usize {
    let body = call.json();
    body["TransactItems"].as_array().map_or(0, Vec::len)
}

/// The same call with one entry of its batch left out, and the id of that entry; `None` if it has no batch of at
/// least two. SNS says with status 200 that it has not published an entry.
pub(crate) fn without_one_entry(call: &Call, choose: impl FnOnce(usize) -> usize) -> Option<(Call, String)> {
    const ENTRIES: &str = "PublishBatchRequestEntries.member.";
    if (call.service, call.operation.as_str()) != (AwsService::Sns, "PublishBatch") {
        return None;
    }
    let fields = call.form();
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
    Some((Call { body: form.finish().into(), ..call.clone() }, id))
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
