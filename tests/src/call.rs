//! A call to AWS as it is on the wire: JSON of DynamoDB and SQS, forms of SNS and SES.

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName};
use serde_json::Value;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
/// `attempt=2; max=3`
const ATTEMPT: HeaderName = HeaderName::from_static("amz-sdk-request");

/// Path of the functions of Lambda.
const FUNCTIONS: &str = "/2015-03-31/functions/";

/// Piece of the paths of a WebSocket API's connections.
const CONNECTIONS: &str = "/@connections/";

/// The service that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AwsService {
    /// JSON.
    DynamoDb,
    /// JSON.
    Sqs,
    /// Forms in, XML out.
    Sns,
    /// Forms in, XML out.
    Ses,
    /// JSON.
    SecretsManager,
    /// JSON.
    Ssm,
    /// The function in the path.
    Lambda,
    /// The connection of a WebSocket API in the path.
    Connections,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The service that is called.
    pub service: AwsService,
    /// Name of the operation, such as `PutItem`.
    pub operation: String,
    /// Path of the request.
    pub path: String,
    /// An attempt after the first, by the SDK.
    pub is_retry: bool,
    /// Body of the request.
    pub body: Bytes,
}

impl Call {
    /// Reads a call. `None` if it is no call that a function of ours makes.
    #[must_use]
    pub fn read(path: &str, headers: &HeaderMap, body: Bytes) -> Option<Self> {
        let attempt = headers.get(ATTEMPT).and_then(|attempt| attempt.to_str().ok());
        let is_retry = attempt.is_some_and(|attempt| !attempt.starts_with("attempt=1"));
        if let Some(target) = headers.get(TARGET) {
            let (service, operation) = target.to_str().ok()?.split_once('.')?;
            let service = match service {
                "DynamoDB_20120810" => AwsService::DynamoDb,
                "AmazonSQS" => AwsService::Sqs,
                "AmazonSSM" => AwsService::Ssm,
                "secretsmanager" => AwsService::SecretsManager,
                _ => return None,
            };
            let (operation, path) = (operation.to_owned(), path.to_owned());
            return Some(Self { service, operation, path, is_retry, body });
        }
        if path.starts_with(FUNCTIONS) && path.ends_with("/invocations") {
            let (operation, path) = ("Invoke".to_owned(), path.to_owned());
            return Some(Self { service: AwsService::Lambda, operation, path, is_retry, body });
        }
        if path.contains(CONNECTIONS) {
            let (operation, path) = ("ManageConnections".to_owned(), path.to_owned());
            return Some(Self { service: AwsService::Connections, operation, path, is_retry, body });
        }
        let field = |wanted: &str| form_urlencoded::parse(&body).find(|(name, _)| name == wanted);
        let operation = field("Action")?.1.into_owned();
        let service = match &*field("Version")?.1 {
            "2010-03-31" => AwsService::Sns,
            "2010-12-01" => AwsService::Ses,
            _ => return None,
        };
        Some(Self { service, operation, path: path.to_owned(), is_retry, body })
    }

    /// Name of the function that is invoked; empty where none is.
    #[must_use]
    pub fn function(&self) -> &str {
        self.path.strip_prefix(FUNCTIONS).and_then(|rest| rest.split('/').next()).unwrap_or_default()
    }

    /// Body of a service that speaks JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Body of a service that takes forms: names and values, in order.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// Entries of a batch in a form: the values of that field, in order.
#[must_use]
pub fn entries<'a>(form: &'a [(String, String)], field: &str) -> Vec<&'a str> {
    let is_it = |name: &str| name.strip_suffix(field).is_some_and(|before| before.ends_with('.'));
    form.iter().filter(|(name, _)| is_it(name)).map(|(_, value)| value.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn headers(target: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(TARGET, target.parse().unwrap())])
    }

    #[test]
    fn calls_are_read_in_both_protocols() {
        let call = Call::read("/", &headers("DynamoDB_20120810.PutItem"), Bytes::from_static(br#"{"TableName": "t"}"#));
        let call = call.unwrap();
        assert_eq!((call.service, call.operation.as_str()), (AwsService::DynamoDb, "PutItem"));
        assert_eq!(call.json(), json!({"TableName": "t"}));
        let call = Call::read("/", &headers("AmazonSQS.SendMessage"), Bytes::from_static(b"{}")).unwrap();
        assert_eq!((call.service, call.operation.as_str()), (AwsService::Sqs, "SendMessage"));
        let body = b"Action=PublishBatch&Version=2010-03-31&PublishBatchRequestEntries.member.1.Id=0\
                     &PublishBatchRequestEntries.member.1.Message=%7B%22a%22%3A+1%7D\
                     &PublishBatchRequestEntries.member.1.MessageGroupId=g";
        let call = Call::read("/", &HeaderMap::new(), Bytes::from_static(body)).unwrap();
        assert_eq!((call.service, call.operation.as_str()), (AwsService::Sns, "PublishBatch"));
        let form = call.form();
        assert_eq!(entries(&form, "Id"), ["0"]);
        assert_eq!(entries(&form, "Message"), [r#"{"a": 1}"#]);
    }

    #[test]
    fn what_is_sent_to_a_connection_is_known_by_its_path() {
        for path in ["/_aws/execute-api/a/dev/@connections/c%3D", "/a/dev/@connections/c"] {
            let call = Call::read(path, &HeaderMap::new(), Bytes::from_static(b"text")).unwrap();
            assert_eq!((call.service, call.operation.as_str()), (AwsService::Connections, "ManageConnections"));
        }
    }

    #[test]
    fn an_invocation_is_known_by_its_path() {
        let path = "/2015-03-31/functions/orderflow-PaymentFunction-1/invocations";
        let call = Call::read(path, &HeaderMap::new(), Bytes::from_static(b"{}")).unwrap();
        assert_eq!((call.service, call.function()), (AwsService::Lambda, "orderflow-PaymentFunction-1"));
        assert_eq!(Call::read("/2015-03-31/functions/", &HeaderMap::new(), Bytes::new()), None);
    }

    #[test]
    fn a_repeated_call_is_told_from_a_first_one() {
        for (attempt, expected) in [("attempt=1; max=3", false), ("attempt=2; max=3", true)] {
            let mut headers = headers("AmazonSQS.SendMessage");
            headers.insert(ATTEMPT, attempt.parse().unwrap());
            assert_eq!(Call::read("/", &headers, Bytes::from_static(b"{}")).unwrap().is_retry, expected, "{attempt}");
        }
    }

    #[test]
    fn what_is_no_call_is_not_understood() {
        assert_eq!(Call::read("/", &headers("Logs_20140328.PutLogEvents"), Bytes::from_static(b"{}")), None);
        assert_eq!(Call::read("/", &HeaderMap::new(), Bytes::from_static(b"a=b")), None);
    }
}
