//! Calls to an emulator's services for which a test needs no client: Lambda, `CloudWatch` and its Logs, and IAM and STS, which speak XML.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// Attempts of a call that may fail without a reason.
const ATTEMPTS: usize = 10;

/// Path of the list of all functions. A page of usual length may not have them all: there are those of the tests, too.
pub(crate) const FUNCTIONS: &str = "functions/?MaxItems=1000";

/// Way to an emulator's services.
pub(crate) trait Reach {
    /// The client of HTTP.
    fn http(&self) -> &reqwest::Client;

    /// The emulator's own URL, without a slash at its end.
    fn endpoint(&self) -> &str;
}

/// Request to Lambda.
pub(crate) fn lambda(shop: &impl Reach, method: Method, path: &str) -> RequestBuilder {
    let request = shop.http().request(method, format!("{}/2015-03-31/{path}", shop.endpoint()));
    request.header("Authorization", authorization("lambda"))
}

/// Answer of a request that has to succeed.
pub(crate) async fn answer(request: RequestBuilder) -> Value {
    let reply = request.send().await.expect("an answer");
    let (status, url) = (reply.status(), reply.url().clone());
    let text = reply.text().await.expect("a text");
    assert!(status.is_success(), "{url}: {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

/// Calls the user pools of Cognito.
pub(crate) async fn cognito(shop: &impl Reach, action: &str, input: Value) -> Value {
    let request = shop.http().post(shop.endpoint()).header("Authorization", authorization("cognito-idp"));
    let request = request.header("X-Amz-Target", format!("AWSCognitoIdentityProviderService.{action}"));
    answer(request.header("Content-Type", "application/x-amz-json-1.1").body(input.to_string())).await
}

/// Calls `CloudWatch` Logs. Where a function begins to write while it looks, the emulator may fail.
pub(crate) async fn logs(shop: &impl Reach, operation: &str, body: &Value) -> Value {
    let request = || {
        let request = shop.http().post(shop.endpoint()).header("Authorization", authorization("logs"));
        let request = request.header("X-Amz-Target", format!("Logs_20140328.{operation}"));
        request.header("Content-Type", "application/x-amz-json-1.1").body(body.to_string())
    };
    for _ in 1..ATTEMPTS {
        let reply = request().send().await.expect("an answer");
        if reply.status().is_success() {
            return reply.json().await.unwrap_or_default();
        }
    }
    answer(request()).await
}

/// Calls Secrets Manager.
pub(crate) async fn secrets(shop: &impl Reach, operation: &str, body: &Value) -> Value {
    let request = shop.http().post(shop.endpoint()).header("Authorization", authorization("secretsmanager"));
    let request = request.header("X-Amz-Target", format!("secretsmanager.{operation}"));
    answer(request.header("Content-Type", "application/x-amz-json-1.1").body(body.to_string())).await
}

/// Asks S3 for a bucket, or for an object in it.
pub(crate) async fn s3(shop: &impl Reach, path: &str) -> Xml {
    let request = shop.http().get(format!("{}/{path}", shop.endpoint())).header("Authorization", authorization("s3"));
    let reply = request.send().await.expect("an answer");
    let (status, text) = (reply.status(), reply.text().await.expect("a text"));
    assert!(status.is_success(), "{path}: {text}");
    Xml(text)
}

/// Calls `CloudWatch`.
pub(crate) async fn cloudwatch(shop: &impl Reach, operation: &str, body: &Value) -> Value {
    let request = shop.http().post(shop.endpoint()).header("Authorization", authorization("monitoring"));
    let request = request.header("X-Amz-Target", format!("GraniteServiceVersion20100801.{operation}"));
    answer(request.header("Content-Type", "application/x-amz-json-1.0").body(body.to_string())).await
}

/// Calls IAM, as its root user.
pub(crate) async fn iam(shop: &impl Reach, action: &str, parameters: &[(&str, &str)]) -> Xml {
    query(shop, "iam", "2010-05-08", action, parameters).await
}

/// Calls STS, as the root user.
pub(crate) async fn sts(shop: &impl Reach, action: &str, parameters: &[(&str, &str)]) -> Xml {
    query(shop, "sts", "2011-06-15", action, parameters).await
}

async fn query(shop: &impl Reach, service: &str, version: &str, action: &str, parameters: &[(&str, &str)]) -> Xml {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", version).extend_pairs(parameters);
    let request = shop.http().post(shop.endpoint()).header("Authorization", authorization(service));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form.finish());
    let reply = request.send().await.expect("an answer");
    let (status, text) = (reply.status(), reply.text().await.expect("a text"));
    assert!(status.is_success(), "{action}: {text}");
    Xml(text)
}

/// Header by which an emulator knows which service is meant. It looks at nothing else of it where the key is `test`.
fn authorization(service: &str) -> String {
    let scope = format!("20260101/us-east-1/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential=test/{scope}, SignedHeaders=host, Signature=0")
}

/// Answer in XML.
pub(crate) struct Xml(pub(crate) String);

impl Xml {
    /// Texts of all elements of that name.
    pub(crate) fn all(&self, element: &str) -> Vec<&str> {
        let start = format!("<{element}>");
        self.0.split(&start).skip(1).map(|rest| rest.split('<').next().unwrap_or_default()).collect()
    }

    /// Text of the first element of that name.
    pub(crate) fn text(&self, element: &str) -> &str {
        let start =
            self.0.split_once(&format!("<{element}>")).unwrap_or_else(|| panic!("no {element} in {}", self.0)).1;
        start.split('<').next().unwrap_or_default()
    }
}
