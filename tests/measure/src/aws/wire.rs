//! A call as it is on the wire, and the answer to it: JSON of DynamoDB and SQS, forms and XML of SNS and SES.

use std::fmt::Write as _;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::dynamo::Refused;

/// One call to AWS.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// Name of the operation, such as `PutItem`.
    pub(crate) operation: String,
    /// An attempt after the first, by the SDK.
    pub(crate) is_retry: bool,
    pub(crate) request: Request,
}

/// Body of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    DynamoDb(Value),
    Sqs(Value),
    /// Names and values of a form: SNS, SES.
    Form(Vec<(String, String)>),
}

impl Call {
    /// Reads a call; `None` if it is none of these services.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        // `attempt=2; max=3`
        let attempt = headers.get("amz-sdk-request").and_then(|attempt| attempt.to_str().ok());
        let is_retry = attempt.is_some_and(|attempt| !attempt.starts_with("attempt=1"));
        if let Some(target) = headers.get("x-amz-target") {
            let (service, operation) = target.to_str().ok()?.split_once('.')?;
            let body = serde_json::from_slice(body).ok()?;
            let request = match service {
                "DynamoDB_20120810" => Request::DynamoDb(body),
                "AmazonSQS" => Request::Sqs(body),
                _ => return None,
            };
            return Some(Self { operation: operation.to_owned(), is_retry, request });
        }
        let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let operation = form.iter().find(|(name, _)| name == "Action")?.1.clone();
        Some(Self { operation, is_retry, request: Request::Form(form) })
    }
}

/// Entries of a batch in a form: the values of that field, in order.
pub(crate) fn entries<'a>(form: &'a [(String, String)], field: &str) -> Vec<&'a str> {
    let is_it = |name: &str| name.strip_suffix(field).is_some_and(|before| before.ends_with('.'));
    form.iter().filter(|(name, _)| is_it(name)).map(|(_, value)| value.as_str()).collect()
}

pub(crate) type Answer = Response<Full<Bytes>>;

/// An answer of DynamoDB, with the checksum of its body.
pub(crate) fn dynamodb(answer: Result<Value, Refused>) -> Answer {
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(Refused { code, details: mut body }) => {
            body["__type"] = format!("com.amazonaws.dynamodb.v20120810#{code}").into();
            (StatusCode::BAD_REQUEST, body)
        }
    };
    let body = body.to_string();
    let checksum = crc32fast::hash(body.as_bytes()).to_string();
    let mut answer = json(status, body);
    if let Ok(checksum) = checksum.parse() {
        answer.headers_mut().insert("x-amz-crc32", checksum);
    }
    answer
}

/// An answer of SQS.
pub(crate) fn sqs(body: &Value) -> Answer {
    json(StatusCode::OK, body.to_string())
}

fn json(status: StatusCode, body: String) -> Answer {
    answer(status, "application/x-amz-json-1.0", body)
}

/// An answer of SNS or SES, whose result is that XML.
pub(crate) fn xml(operation: &str, result: &str) -> Answer {
    let mut body = format!("<{operation}Response><{operation}Result>{result}</{operation}Result>");
    let _ =
        write!(body, "<ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata></{operation}Response>");
    answer(StatusCode::OK, "text/xml", body)
}

/// An answer to what is not understood.
pub(crate) fn not_understood() -> Answer {
    answer(StatusCode::BAD_REQUEST, "text/plain", "the stub of AWS does not know this call".to_owned())
}

const REQUEST_ID: &str = "7a62c49f-347e-4fc4-9331-6e8e7a96aa73";

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    headers.insert("x-amzn-requestid", hyper::header::HeaderValue::from_static(REQUEST_ID));
    answer
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn headers(target: &'static str) -> HeaderMap {
        HeaderMap::from_iter([("x-amz-target".parse().unwrap(), target.parse().unwrap())])
    }

    #[test]
    fn calls_are_read_in_both_protocols() {
        let call = Call::read(&headers("DynamoDB_20120810.PutItem"), br#"{"TableName": "t"}"#).unwrap();
        assert_eq!((call.operation.as_str(), call.request), ("PutItem", Request::DynamoDb(json!({"TableName": "t"}))));
        let call = Call::read(&headers("AmazonSQS.SendMessage"), b"{}").unwrap();
        assert_eq!((call.operation.as_str(), call.request), ("SendMessage", Request::Sqs(json!({}))));
        let body = b"Action=PublishBatch&Version=2010-03-31&PublishBatchRequestEntries.member.1.Id=0\
                     &PublishBatchRequestEntries.member.1.Message=%7B%22a%22%3A+1%7D\
                     &PublishBatchRequestEntries.member.1.MessageGroupId=g";
        let call = Call::read(&HeaderMap::new(), body).unwrap();
        assert_eq!(call.operation, "PublishBatch");
        let Request::Form(form) = call.request else { panic!("it is a form") };
        assert_eq!(entries(&form, "Id"), ["0"]);
        assert_eq!(entries(&form, "Message"), [r#"{"a": 1}"#]);
    }

    #[test]
    fn a_repeated_call_is_told_from_a_first_one() {
        for (attempt, expected) in [("attempt=1; max=3", false), ("attempt=2; max=3", true)] {
            let mut headers = headers("AmazonSQS.SendMessage");
            headers.insert("amz-sdk-request", attempt.parse().unwrap());
            assert_eq!(Call::read(&headers, b"{}").unwrap().is_retry, expected, "{attempt}");
        }
    }

    #[test]
    fn what_is_no_call_is_not_understood() {
        assert_eq!(Call::read(&headers("Logs_20140328.PutLogEvents"), b"{}"), None);
        assert_eq!(Call::read(&headers("DynamoDB_20120810.PutItem"), b"no JSON"), None);
        assert_eq!(Call::read(&HeaderMap::new(), b"a=b"), None);
    }
}
