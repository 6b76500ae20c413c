//! Issuers of tokens that nobody here has written, started for a test.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;

use reqwest::redirect::Policy;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::patience::eventually;
use crate::shop::Shop;

/// The client, and so the audience, of all tokens.
const CLIENT: &str = "orderflow";

/// Page that a customer comes back to.
const PAGE: &str = "http://shop.example/";

/// A server of OpenID Connect on this machine. It ends when it is dropped.
pub struct Issuer {
    child: Child,
    port: u16,
    http: reqwest::Client,
}

impl Issuer {
    /// `oidc-provider-mock`, written in Python, on that port: each start of it has a new key, which its tokens do not name.
    pub async fn of_python(shop: &Shop, port: u16) -> Self {
        let mut python = shop.python().await;
        python.args(["-m", "oidc_provider_mock", "--port", &port.to_string(), "--user", "ada", "--user", "grace"]);
        Self::start(python, port).await
    }

    /// `oauth2-mock-server`, written for Node, from the folder with the packages: its keys are for ES256.
    pub async fn of_node(packages: PathBuf, port: u16) -> Self {
        let mut node = Command::new("node");
        node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/outsiders/issuer.mjs")).arg(packages).arg(port.to_string());
        Self::start(node, port).await
    }

    async fn start(mut command: Command, port: u16) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().expect("it starts");
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().expect("a client");
        let issuer = Self { child, port, http };
        eventually("the issuer answers", async || {
            let reply = issuer.http.get(issuer.url("/jwks")).send().await;
            if reply.is_ok_and(|reply| reply.status().is_success()) { Ok(()) } else { Err(json!("silence")) }
        })
        .await;
        issuer
    }

    /// A port on which nobody listens.
    #[must_use]
    pub fn free_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Variables of a function that takes its tokens.
    #[must_use]
    pub fn variables(port: u16, host: &str) -> [(&'static str, String); 4] {
        [
            ("ACCESS", "signed-in".to_owned()),
            ("TOKEN_ISSUER", format!("http://{host}:{port}")),
            ("TOKEN_AUDIENCE", CLIENT.to_owned()),
            ("TOKEN_KEY_SET_URL", format!("http://127.0.0.1:{port}/jwks")),
        ]
    }

    /// Token of a user who signs in by the page of the issuer and comes back with a code, as a browser would.
    pub async fn sign_in(&self, subject: &str, client: &str) -> String {
        let page = format!("/oauth2/authorize?client_id={client}&redirect_uri={PAGE}&response_type=code&scope=openid");
        let reply = self.post(&page, &[("sub", subject)]).await;
        let back = reply.headers()["location"].to_str().expect("a URL").to_owned();
        let code = back.split_once("code=").expect("a code").1.split('&').next().unwrap_or_default();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("client_id", client),
            ("client_secret", "any"),
            ("redirect_uri", PAGE),
        ];
        let reply = self.post("/oauth2/token", &form).await;
        let tokens: Value = reply.json().await.expect("JSON");
        // Its access tokens are no JSON Web Tokens; its ID tokens have the client as their audience.
        tokens["id_token"].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned()
    }

    /// Token of a program with those scopes.
    pub async fn token(&self, scopes: &str, audience: &str) -> String {
        let form =
            [("grant_type", "client_credentials"), ("client_id", "warehouse"), ("scope", scopes), ("aud", audience)];
        let reply = self.post("/token", &form).await;
        let tokens: Value = reply.json().await.expect("JSON");
        tokens["access_token"].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned()
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> reqwest::Response {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(self.url(path)).header("Content-Type", "application/x-www-form-urlencoded");
        request.body(form).send().await.expect("an answer")
    }

    /// Lets it have one more key, and sign by that.
    pub async fn rotate(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("an input");
        stdin.write_all(b"rotate\n").await.expect("it listens");
        let mut lines = BufReader::new(self.child.stdout.as_mut().expect("an output")).lines();
        assert_eq!(lines.next_line().await.expect("a line").as_deref(), Some("rotated"));
    }

    /// Stops it.
    pub async fn stop(mut self) {
        self.child.kill().await.expect("it ends");
    }
}
