//! The deployed HTTP API.

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::client::http::{http_client, innermost};

/// Failure to get an answer.
#[derive(Debug, thiserror::Error)]
#[error("the API does not answer: {}", innermost(.0))]
pub struct ApiError(#[from] reqwest::Error);

/// A client of the orders and inventory APIs.
#[derive(Clone, Debug)]
pub struct Api {
    url: String,
    http: Client,
    token: Option<String>,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, or null if that is not JSON.
    pub body: Value,
}

impl Api {
    /// A client of the API at `url`, the stack's output `ApiUrl`. It keeps connections of its own: make one for each
    /// async runtime.
    ///
    /// # Errors
    ///
    /// If the system refuses to open what an HTTP client needs.
    pub fn at(url: impl Into<String>) -> Result<Self, ApiError> {
        Ok(Self { url: url.into(), http: http_client()?, token: None })
    }

    /// The same client, whose requests have that access token.
    #[must_use]
    pub fn with_token(self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// The same client, whose requests have none.
    #[must_use]
    pub fn without_token(self) -> Self {
        Self { token: None, ..self }
    }

    /// A request to be completed by the caller; `path` starts with a slash.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// `POST /orders`
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn place_order(&self, order: &Value, idempotency_key: Option<&str>) -> Result<Reply, ApiError> {
        let request = self.request(Method::POST, "/orders").json(order);
        Reply::to(match idempotency_key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        })
        .await
    }

    /// `GET /orders/{orderId}`
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn order(&self, order_id: &str) -> Result<Reply, ApiError> {
        Reply::to(self.request(Method::GET, &format!("/orders/{order_id}"))).await
    }

    /// `POST /orders/{orderId}/cancel`
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn cancel_order(&self, order_id: &str) -> Result<Reply, ApiError> {
        Reply::to(self.request(Method::POST, &format!("/orders/{order_id}/cancel"))).await
    }

    /// `POST /orders/{orderId}/withdrawals`
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn withdraw(&self, order_id: &str) -> Result<Reply, ApiError> {
        Reply::to(self.request(Method::POST, &format!("/orders/{order_id}/withdrawals"))).await
    }

    /// `POST /orders/{orderId}/returns`
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn take_goods_back(&self, order_id: &str) -> Result<Reply, ApiError> {
        Reply::to(self.request(Method::POST, &format!("/orders/{order_id}/returns"))).await
    }

    /// `PUT /inventory/{sku}`
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn set_stock(&self, sku: &str, on_hand: u64) -> Result<Reply, ApiError> {
        let stock = serde_json::json!({"onHand": on_hand});
        Reply::to(self.request(Method::PUT, &format!("/inventory/{sku}")).json(&stock)).await
    }

    /// `PUT /prices/{sku}`, in euro cents.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn set_price(&self, sku: &str, cents: u64) -> Result<Reply, ApiError> {
        let price = serde_json::json!({"unitPrice": {"amount": cents, "currency": "EUR"}});
        Reply::to(self.request(Method::PUT, &format!("/prices/{sku}")).json(&price)).await
    }

    /// `GET /inventory/{sku}`
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn stock(&self, sku: &str) -> Result<Reply, ApiError> {
        Reply::to(self.request(Method::GET, &format!("/inventory/{sku}"))).await
    }
}

impl Reply {
    /// The answer to a request.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn to(request: RequestBuilder) -> Result<Self, ApiError> {
        let reply = request.send().await?;
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let body = serde_json::from_slice(&reply.bytes().await?).unwrap_or_default();
        Ok(Self { status, headers, body })
    }

    /// True of a status of success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
