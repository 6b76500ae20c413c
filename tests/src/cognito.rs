//! User pool of Cognito on the emulator, as the template makes one, and what signs in at it.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::calls::cognito;
use crate::shop::{Shop, unique};

/// Prefix of the API's scopes at the pool: its resource server.
const PREFIX: &str = "orderflow/";

/// Password of every user.
const PASSWORD: &str = "Analytical-Engine-1843";

/// A user pool with a client for customers' pages and one for a program.
pub struct UserPool {
    id: String,
    customers: String,
    program: Value,
}

impl UserPool {
    /// A pool whose program may ask for those scopes, with commas between them.
    pub async fn with_scopes(shop: &Shop, scopes: &[&str]) -> Self {
        let pool = cognito(shop, "CreateUserPool", json!({ "PoolName": unique() })).await;
        let id = pool["UserPool"]["Id"].as_str().expect("an id").to_owned();
        let all: Vec<Value> =
            scopes.iter().map(|scope| json!({ "ScopeName": scope, "ScopeDescription": scope })).collect();
        let server =
            json!({ "UserPoolId": id, "Identifier": PREFIX.trim_end_matches('/'), "Name": "API", "Scopes": all });
        cognito(shop, "CreateResourceServer", server).await;
        let client = json!({
            "UserPoolId": id, "ClientName": "customers",
            "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        });
        let customers = cognito(shop, "CreateUserPoolClient", client).await["UserPoolClient"]["ClientId"].take();
        let scopes: Vec<String> = scopes.iter().map(|scope| format!("{PREFIX}{scope}")).collect();
        let client = json!({
            "UserPoolId": id, "ClientName": "warehouse", "GenerateSecret": true, "AllowedOAuthFlowsUserPoolClient": true,
            "AllowedOAuthFlows": ["client_credentials"], "AllowedOAuthScopes": scopes,
        });
        let program = cognito(shop, "CreateUserPoolClient", client).await["UserPoolClient"].take();
        Self { id, customers: customers.as_str().expect("an id").to_owned(), program }
    }

    /// Variables of a function that takes its tokens, as the template writes them. The keys are at the emulator.
    #[must_use]
    pub fn variables(&self, shop: &Shop) -> [(&'static str, String); 5] {
        [
            ("ACCESS", "signed-in".to_owned()),
            ("TOKEN_ISSUER", format!("https://cognito-idp.us-east-1.amazonaws.com/{}", self.id)),
            ("TOKEN_AUDIENCE", format!("{},{}", self.customers, self.program_id())),
            ("TOKEN_KEY_SET_URL", format!("{}/{}/.well-known/jwks.json", shop.endpoint, self.id)),
            ("TOKEN_SCOPE_PREFIX", PREFIX.to_owned()),
        ]
    }

    fn program_id(&self) -> &str {
        self.program["ClientId"].as_str().expect("an id")
    }

    /// A new user: the subject, and an access token.
    pub async fn sign_up(&self, shop: &Shop, name: &str) -> (String, String) {
        let user = json!({ "UserPoolId": self.id, "Username": name, "MessageAction": "SUPPRESS" });
        let created = cognito(shop, "AdminCreateUser", user).await;
        let attributes = created["User"]["Attributes"].as_array().expect("attributes");
        let subject = attributes.iter().find(|attribute| attribute["Name"] == "sub").expect("a subject");
        let subject = subject["Value"].as_str().expect("a text").to_owned();
        let password = json!({ "UserPoolId": self.id, "Username": name, "Password": PASSWORD, "Permanent": true });
        cognito(shop, "AdminSetUserPassword", password).await;
        let attempt = json!({
            "ClientId": self.customers, "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": { "USERNAME": name, "PASSWORD": PASSWORD },
        });
        let tokens = cognito(shop, "InitiateAuth", attempt).await["AuthenticationResult"].take();
        (subject, tokens["AccessToken"].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned())
    }

    /// Token of the program with those scopes.
    pub async fn token(&self, shop: &Shop, scope: &str) -> String {
        let secret = self.program["ClientSecret"].as_str().expect("a secret");
        let secret = BASE64.encode(format!("{}:{secret}", self.program_id()).as_bytes());
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials").append_pair("client_id", self.program_id());
        form.append_pair("scope", &format!("{PREFIX}{scope}"));
        let request = shop.http.post(format!("{}/oauth2/token", shop.endpoint)).body(form.finish());
        let request = request.header("Authorization", format!("Basic {secret}"));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let tokens = request.send().await.expect("an answer").text().await.expect("a text");
        let tokens: Value = serde_json::from_str(&tokens).unwrap_or_else(|_| panic!("{tokens}"));
        tokens["access_token"].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned()
    }
}
