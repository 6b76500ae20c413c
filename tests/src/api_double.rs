//! Doubles of the functions behind the API, which take the tokens of another issuer, or read another table.

use reqwest::Method;
use serde_json::{Value, json};

use crate::calls::{FUNCTIONS, answer, lambda};
use crate::shop::{Shop, unique};
use crate::twin::Twin;

/// Time-out of a double.
const TIMEOUT_SECONDS: u32 = 10;

/// The same program as a function of the API, with other variables. It has no gateway before it: it is invoked with what a
/// gateway would hand over.
pub struct ApiDouble {
    twin: Twin,
}

impl ApiDouble {
    /// Double of the function whose name has `part` in it, such as `OrdersApi`.
    pub async fn of(shop: &Shop, part: &str) -> Self {
        Self::with(shop, part, None).await
    }

    /// The same, which may do nothing but what that statement of a policy says.
    pub async fn with_rights(shop: &Shop, part: &str, rights: &Value) -> Self {
        Self::with(shop, part, Some(rights)).await
    }

    async fn with(shop: &Shop, part: &str, rights: Option<&Value>) -> Self {
        let functions = answer(lambda(shop, Method::GET, FUNCTIONS)).await;
        // Others may have stacks on the same emulator; the function that is meant has this stack's table.
        let tables = ["OrdersTableName", "InventoryTableName", "CountTableName"].map(|name| shop.output(name));
        let is_it = |function: &&Value| {
            let variables = function["Environment"]["Variables"].to_string();
            function["FunctionName"].as_str().is_some_and(|name| name.contains(part))
                && tables.iter().any(|table| variables.contains(*table))
        };
        let original = functions["Functions"].as_array().expect("functions").iter().find(is_it).expect("the original");
        let function = original["FunctionName"].as_str().expect("a name");
        let name = format!("double-{part}-{}", unique());
        Self { twin: Twin::of(shop, function, &name, rights, TIMEOUT_SECONDS, &[]).await }
    }

    /// Sets some of its variables; from then on it is told these.
    pub async fn configure(&mut self, shop: &Shop, variables: &[(&str, String)]) {
        self.twin.configure(shop, variables).await;
    }

    /// Asks for `path`, one of the route `resource`: status, headers and body of the answer.
    pub async fn ask(
        &self,
        shop: &Shop,
        request: (&str, &str, &str),
        token: &str,
        body: &Value,
    ) -> (u64, Value, Value) {
        let (method, resource, path) = request;
        let headers = json!({ "Authorization": format!("Bearer {token}"), "Content-Type": "application/json" });
        let event = json!({
            "resource": resource, "path": path, "httpMethod": method, "headers": headers,
            "multiValueHeaders": { "Authorization": [headers["Authorization"]], "Content-Type": ["application/json"] },
            "requestContext": {
                "resourcePath": resource, "path": format!("/dev{path}"), "httpMethod": method, "stage": "dev",
                "requestId": unique(), "identity": {},
            },
            "body": if body.is_null() { Value::Null } else { json!(body.to_string()) }, "isBase64Encoded": false,
        });
        let reply = self.twin.invoke(shop, &event).await;
        let headers = ["headers", "multiValueHeaders"].into_iter().map(|name| reply[name].to_string().to_lowercase());
        let body = serde_json::from_str(reply["body"].as_str().unwrap_or_default()).unwrap_or_default();
        (reply["statusCode"].as_u64().expect("a status"), json!(headers.collect::<String>()), body)
    }

    /// Removes it from the emulator.
    pub async fn remove(self, shop: &Shop) {
        self.twin.remove(shop).await;
    }
}
