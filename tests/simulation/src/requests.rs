//! Requests of those who use the HTTP API, and the answers.

use std::collections::HashMap;

use lambda_http::http::Method;
use lambda_http::{Body, Request, RequestExt, Response};
use serde_json::Value;

/// Most attempts of somebody at what did not work out.
pub(crate) const MAX_ATTEMPTS: u32 = 60;

/// A `POST`, with an idempotency key or without.
pub(crate) fn post(path: &str, body: String, key: Option<&str>) -> Request {
    request(&Method::POST, path, body, key)
}

/// A request, with an idempotency key or without.
#[expect(clippy::expect_used, reason = "a request that is made here is one")]
pub(crate) fn request(method: &Method, path: &str, body: String, key: Option<&str>) -> Request {
    let mut request =
        lambda_http::http::Request::builder().method(method).uri(path).header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    request.body(Body::Text(body)).expect("a request").with_raw_http_path(path)
}

/// The same request, by the `access` of a link.
pub(crate) fn by_link(request: Request, access: &str) -> Request {
    request.with_query_string_parameters(HashMap::from([("access".to_owned(), vec![access.to_owned()])]))
}

/// The status and the body.
#[expect(clippy::needless_pass_by_value, reason = "it is mapped over answers that nobody needs any more")]
pub(crate) fn read(response: Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_slice(response.body().as_ref()).unwrap_or(Value::Null))
}
