//! A twin of a function: the same program beside it, with variables and rights of its own.

use data_encoding::BASE64;
use reqwest::Method;
use serde_json::{Value, json};

use crate::calls::{answer, iam, lambda};
use crate::function::{set_variables, settled};
use crate::shop::Shop;

/// The one policy of a twin's role.
const POLICY: &str = "twin";

/// Twin of a function. Nothing invokes it but what a test lets invoke it.
pub struct Twin {
    name: String,
    variables: Value,
    has_role: bool,
}

impl Twin {
    /// Twin of that function under a name that no other has; some of its variables are others. `rights` are a statement of a policy
    /// with all that it may do. Without them it may do what the function may.
    pub async fn of(
        shop: &Shop,
        function: &str,
        name: &str,
        rights: Option<&Value>,
        timeout_seconds: u32,
        variables: &[(&str, String)],
    ) -> Self {
        let mut original = answer(lambda(shop, Method::GET, &format!("functions/{function}"))).await;
        let code = original["Code"]["Location"].as_str().expect("where the code is").to_owned();
        let code = shop.http.get(code).send().await.expect("an answer").bytes().await.expect("the code");
        let role = match rights {
            Some(rights) => json!(role(shop, name, rights).await),
            None => original["Configuration"]["Role"].take(),
        };
        let own = original["Configuration"]["Environment"]["Variables"].take();
        let mut twin = Self { name: name.to_owned(), variables: own, has_role: rights.is_some() };
        twin.set(variables);
        let configuration = json!({
            "FunctionName": twin.name,
            "Runtime": original["Configuration"]["Runtime"],
            "Handler": original["Configuration"]["Handler"],
            "Role": role,
            "Architectures": original["Configuration"]["Architectures"],
            "Timeout": timeout_seconds,
            "Environment": { "Variables": twin.variables },
            "Code": { "ZipFile": BASE64.encode(&code) },
        });
        answer(lambda(shop, Method::POST, "functions").json(&configuration)).await;
        settled(shop, &format!("functions/{}/configuration", twin.name)).await;
        twin
    }

    fn set(&mut self, variables: &[(&str, String)]) {
        for (name, value) in variables {
            self.variables[*name] = json!(value);
        }
    }

    /// Sets some of its variables; from then on it is told these.
    pub async fn configure(&mut self, shop: &Shop, variables: &[(&str, String)]) {
        self.set(variables);
        set_variables(shop, &self.name, &self.variables).await;
    }

    /// Invokes it with an event: its answer, or what Lambda says where it has failed.
    pub async fn invoke(&self, shop: &Shop, event: &Value) -> Value {
        let path = format!("functions/{}/invocations", self.name);
        answer(lambda(shop, Method::POST, &path).json(event)).await
    }

    /// Removes it from the emulator.
    pub async fn remove(self, shop: &Shop) {
        answer(lambda(shop, Method::DELETE, &format!("functions/{}", self.name))).await;
        if self.has_role {
            iam(shop, "DeleteRolePolicy", &[("RoleName", &self.name), ("PolicyName", POLICY)]).await;
            iam(shop, "DeleteRole", &[("RoleName", &self.name)]).await;
        }
    }
}

/// A role with these rights: its ARN. That of the original knows what is the original's alone.
async fn role(shop: &Shop, name: &str, rights: &Value) -> String {
    let policy = |statement: &Value| json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    let trust =
        json!({ "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole" });
    let created = iam(shop, "CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &policy(&trust))]).await;
    let rights = policy(rights);
    iam(shop, "PutRolePolicy", &[("RoleName", name), ("PolicyName", POLICY), ("PolicyDocument", &rights)]).await;
    created.text("Arn").to_owned()
}
