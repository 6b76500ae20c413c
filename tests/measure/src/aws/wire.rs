//! Answers as they are on the wire: JSON of DynamoDB and SQS, XML of SNS and SES, nothing of API Gateway.

use std::fmt::Write as _;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::dynamo::Refused;

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

/// An answer without a body, as of API Gateway to what is sent to a connection.
pub(crate) fn empty() -> Answer {
    answer(StatusCode::OK, "application/json", String::new())
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
