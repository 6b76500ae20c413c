//! Doubles of the functions behind the API, which take the tokens of another issuer.

use data_encoding::BASE64;
use reqwest::Method;
use serde_json::{Value, json};

use crate::calls::{answer, lambda};
use crate::function::set_variables;
use crate::shop::{Shop, unique};

/// The same program as a function of the API, with other variables. It has no gateway before it: it is invoked with what a
/// gateway would hand over.
pub struct ApiDouble {
    name: String,
    variables: Value,
}

impl ApiDouble {
    /// Double of the function whose name has `part` in it, such as `OrdersApi`.
    pub async fn of(shop: &Shop, part: &str) -> Self {
        let functions = answer(lambda(shop, Method::GET, "functions/?MaxItems=1000")).await;
        // Others may have stacks on the same emulator; the function that is meant has this stack's table.
        let tables = ["OrdersTableName", "InventoryTableName"].map(|name| shop.output(name));
        let is_it = |function: &&Value| {
            let table = function["Environment"]["Variables"]["TABLE_NAME"].as_str().unwrap_or_default();
            function["FunctionName"].as_str().is_some_and(|name| name.contains(part)) && tables.contains(&table)
        };
        let original = functions["Functions"].as_array().expect("functions").iter().find(is_it).expect("the original");
        let path = format!("functions/{}", original["FunctionName"].as_str().expect("a name"));
        let mut function = answer(lambda(shop, Method::GET, &path)).await;
        let code = function["Code"]["Location"].as_str().expect("where the code is").to_owned();
        let code = shop.http.get(code).send().await.expect("an answer").bytes().await.expect("the code");
        let variables = function["Configuration"]["Environment"]["Variables"].take();
        let name = format!("double-{part}-{}", unique());
        let configuration = json!({
            "FunctionName": name,
            "Runtime": function["Configuration"]["Runtime"],
            "Handler": function["Configuration"]["Handler"],
            "Role": function["Configuration"]["Role"],
            "Architectures": function["Configuration"]["Architectures"],
            "Timeout": 10,
            "Environment": { "Variables": variables },
            "Code": { "ZipFile": BASE64.encode(&code) },
        });
        answer(lambda(shop, Method::POST, "functions").json(&configuration)).await;
        Self { name, variables }
    }

    /// Sets some of its variables; from then on it is told these.
    pub async fn configure(&mut self, shop: &Shop, variables: &[(&str, String)]) {
        for (name, value) in variables {
            self.variables[*name] = json!(value);
        }
        set_variables(shop, &self.name, &self.variables).await;
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
        let path = format!("functions/{}/invocations", self.name);
        let reply = answer(lambda(shop, Method::POST, &path).json(&event)).await;
        let headers = ["headers", "multiValueHeaders"].into_iter().map(|name| reply[name].to_string().to_lowercase());
        let body = serde_json::from_str(reply["body"].as_str().unwrap_or_default()).unwrap_or_default();
        (reply["statusCode"].as_u64().expect("a status"), json!(headers.collect::<String>()), body)
    }

    /// Removes it from the emulator.
    pub async fn remove(self, shop: &Shop) {
        answer(lambda(shop, Method::DELETE, &format!("functions/{}", self.name))).await;
    }
}
