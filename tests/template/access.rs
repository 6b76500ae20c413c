//! Sign-in: who has to be, by whose tokens, and what does not become a stack.

use std::collections::BTreeSet;

use orderflow_events::scope::SCOPES;
use serde_json::json;

use crate::stack::{GONE, Stack, check, plain, reference, unlike};

/// Parameters, and the rule that they break.
type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

const PROD: (&str, &str) = ("Stage", "prod");
const ISSUER: (&str, &str) = ("TokenIssuer", "https://id.example");
const AUDIENCE: (&str, &str) = ("TokenAudience", "orders");
const USER_POOL: (&str, &str) = ("UserPool", "create");
const OPEN: (&str, &str) = ("Access", "open");
const PLAY_MONEY: (&str, &str) = ("SimulatedProviders", "payment-and-carrier");
const SHOP: (&str, &str) = ("PricingProducers", "https://shop.example");
const NOBODY: (&str, &str) = ("PricingProducers", "");

const ROWS: [Row<'_>; 10] = [
    (&[], &["WhoIsSignedInHasAnIssuer"]),
    (&[ISSUER], &["WhoIsSignedInHasAnIssuer"]),
    (&[ISSUER, AUDIENCE], &[]),
    (&[USER_POOL], &[]),
    (&[OPEN], &[]),
    (&[PROD, OPEN, PLAY_MONEY, SHOP], &["ProdIsForThoseWhoAreSignedIn"]),
    (&[PROD, USER_POOL, SHOP], &["ProdHasNoProvidersThatPretend"]),
    (&[PROD, USER_POOL, PLAY_MONEY], &["ProdHasNamedProducersStatePrices"]),
    (&[PROD, USER_POOL, PLAY_MONEY, SHOP], &[]),
    (&[PROD, USER_POOL, PLAY_MONEY, NOBODY], &[]),
];

#[test]
fn what_is_not_meant_is_not_deployed() {
    check(
        "Nobody opens the shop, or ships without money, by leaving a parameter out.",
        rules,
        &[
            ("template Rules/ProdIsForThoseWhoAreSignedIn", GONE, "ProdIsForThoseWhoAreSignedIn"),
            ("template Rules/ProdHasNoProvidersThatPretend/Assertions/0/Assert", json!(true), "ProdHasNo"),
            ("template Rules/ProdHasNamedProducersStatePrices", GONE, "ProdHasNamedProducersStatePrices"),
            ("template Rules/WhoIsSignedInHasAnIssuer/Assertions/1", GONE, "WhoIsSignedInHasAnIssuer"),
            ("template Parameters/Access/Default", json!("open"), "WhoIsSignedInHasAnIssuer"),
            ("template Parameters/SimulatedProviders/Default", json!("payment-and-carrier"), "ProdHasNo"),
        ],
    );
}

fn rules(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    for (parameters, expected) in ROWS {
        let deployed =
            parameters.iter().fold(stack.with([]), |stack, (name, value)| stack.with([(name, json!(value))]));
        let (broken, expected): (BTreeSet<&str>, _) =
            (deployed.broken_rules().into_iter().collect(), expected.iter().copied().collect());
        faults.extend(broken.difference(&expected).map(|rule| format!("{rule}: forbids {parameters:?}")));
        faults.extend(expected.difference(&broken).map(|rule| format!("{rule}: allows {parameters:?}")));
    }
    faults
}

#[test]
fn every_api_takes_the_tokens_that_the_stack_is_for() {
    check(
        "A function verifies tokens itself, so each has to know whose.",
        variables,
        &[
            ("InventoryApiFunction Environment/Variables/TOKEN_ISSUER", json!("https://a"), "InventoryApiFunction"),
            ("OrdersApiFunction Environment/Variables/TOKEN_SCOPE_PREFIX", json!(""), "OrdersApiFunction"),
            ("UserScopes Scopes/0", GONE, "UserScopes"),
            ("UserScopes Scopes/0/ScopeDescription", json!("Everything"), "UserScopes"),
            ("StaffClient AllowedOAuthScopes/0", json!("openid"), "StaffClient"),
            ("CustomerClient GenerateSecret", json!(true), "CustomerClient"),
        ],
    );
}

fn variables(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    let others = stack.with([("TokenIssuer", json!("https://id.example")), ("TokenAudience", json!("orders"))]);
    let own = stack.with([("UserPool", json!("create"))]);
    let of_others = json!({"ACCESS": "signed-in", "TOKEN_ISSUER": "https://id.example", "TOKEN_AUDIENCE": "orders"});
    let of_own = json!({
        "TOKEN_ISSUER": "https://cognito-idp.${AWS::Region}.amazonaws.com/${Users}",
        "TOKEN_AUDIENCE": "${CustomerClient},${StaffClient}", "TOKEN_SCOPE_PREFIX": "orderflow/",
    });
    for function in ["OrdersApiFunction", "InventoryApiFunction", "OperationsApiFunction"] {
        faults.extend(unlike(function, others.variables(function), &of_others));
        faults.extend(unlike(function, own.variables(function), &of_own));
    }
    let scopes = SCOPES.map(|(name, does)| json!({"ScopeName": name, "ScopeDescription": does}));
    let expected = json!({"UserPoolId": reference("Users"), "Identifier": "orderflow", "Scopes": scopes});
    faults.extend(unlike("UserScopes", own.properties("UserScopes"), &expected));
    let all = SCOPES.map(|(name, _)| format!("orderflow/{name}"));
    faults.extend(unlike("StaffClient", own.properties("StaffClient"), &json!({"AllowedOAuthScopes": all})));
    // What runs on the customers' own devices keeps no secret.
    faults.extend(unlike("CustomerClient", own.properties("CustomerClient"), &json!({"GenerateSecret": null})));
    let is_alone = others.of_type("AWS::Cognito::UserPool").next().is_none();
    faults.extend((!is_alone).then(|| format!("Users: {}", plain(others.properties("Users")))));
    faults
}
