//! A function as a deployment changes it: its variables, and whether it gets messages.

use reqwest::Method;
use serde_json::{Value, json};

use crate::calls::{answer, lambda};
use crate::patience::eventually;
use crate::shop::Shop;

/// Sets the environment variables of a function, all of them, and waits until they have taken effect.
pub(crate) async fn set_variables(shop: &Shop, function: &str, variables: &Value) {
    let path = format!("functions/{function}/configuration");
    settled(shop, &path).await;
    let configuration = json!({ "Environment": { "Variables": variables } });
    answer(lambda(shop, Method::PUT, &path).json(&configuration)).await;
    settled(shop, &path).await;
}

/// Waits until the last change of a function has taken effect: until then no other is taken.
pub(crate) async fn settled(shop: &Shop, path: &str) {
    eventually("the function is as it was told", async || {
        let function = answer(lambda(shop, Method::GET, path)).await;
        let is_settled = function["State"] != "Pending" && function["LastUpdateStatus"] != "InProgress";
        if is_settled { Ok(()) } else { Err(function) }
    })
    .await;
}

impl Shop {
    /// Sets one environment variable of a function, as a deployment does, and answers its value before.
    pub async fn deploy(&self, function: &str, variable: &str, value: &str) -> String {
        let path = format!("functions/{function}/configuration");
        let mut variables = answer(lambda(self, Method::GET, &path)).await["Environment"]["Variables"].take();
        let before = variables[variable].as_str().unwrap_or_else(|| panic!("{function} has no {variable}")).to_owned();
        variables[variable] = json!(value);
        set_variables(self, function, &variables).await;
        before
    }

    /// Lets a function have the messages of its queue, or not.
    pub async fn switch(&self, function: &str, is_on: bool) {
        let path = format!("event-source-mappings/?FunctionName={function}");
        let mappings = answer(lambda(self, Method::GET, &path)).await;
        for mapping in mappings["EventSourceMappings"].as_array().expect("event sources") {
            let path = format!("event-source-mappings/{}", mapping["UUID"].as_str().expect("an id"));
            answer(lambda(self, Method::PUT, &path).json(&json!({ "Enabled": is_on }))).await;
        }
    }
}
