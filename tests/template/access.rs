//! Sign-in: who has to be, by whose tokens, and what does not become a stack.

use std::collections::BTreeSet;

use orderflow_events::scope::SCOPES;
use serde_json::{Value as Json, json};

use crate::stack::{GONE, Stack, check, plain, reference, unlike};

/// Parameters, and the rule that they break.
type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

const PROD: (&str, &str) = ("Stage", "prod");
const ISSUER: (&str, &str) = ("TokenIssuer", "https://id.example");
const AUDIENCE: (&str, &str) = ("TokenAudience", "orders");
const USER_POOL: (&str, &str) = ("UserPool", "create");
const OPEN: (&str, &str) = ("Access", "open");
const GUESTS: (&str, &str) = ("GuestOrders", "yes");
const SHOP: (&str, &str) = ("ShopUrl", "https://shop.example");
const PLAY_MONEY: (&str, &str) = ("SimulatedProviders", "payment-and-carrier");
const PRODUCERS: (&str, &str) = ("PricingProducers", "https://shop.example");
const LOOPBACK: (&str, &str) = ("WebhookLoopback", "allowed");
const NOBODY: (&str, &str) = ("PricingProducers", "");

const ROWS: [Row<'_>; 15] = [
    (&[], &["WhoIsSignedInHasAnIssuer"]),
    (&[ISSUER], &["WhoIsSignedInHasAnIssuer"]),
    (&[ISSUER, AUDIENCE], &[]),
    (&[USER_POOL], &[]),
    (&[OPEN], &[]),
    (&[PROD, OPEN, PLAY_MONEY, PRODUCERS], &["ProdIsForThoseWhoAreSignedIn"]),
    (&[PROD, USER_POOL, PRODUCERS], &["ProdHasNoProvidersThatPretend"]),
    (&[PROD, USER_POOL, PLAY_MONEY], &["ProdHasNamedProducersStatePrices"]),
    (&[PROD, USER_POOL, PLAY_MONEY, PRODUCERS], &[]),
    (&[PROD, USER_POOL, PLAY_MONEY, NOBODY], &[]),
    (&[PROD, USER_POOL, PLAY_MONEY, NOBODY, LOOPBACK], &["ProdPostsToPublicAddresses"]),
    (&[USER_POOL, LOOPBACK], &[]),
    (&[USER_POOL, GUESTS], &["GuestsHaveAShopToGoTo"]),
    (&[USER_POOL, GUESTS, SHOP], &[]),
    (&[USER_POOL, SHOP], &[]),
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
            ("template Rules/ProdPostsToPublicAddresses", GONE, "ProdPostsToPublicAddresses"),
            ("template Rules/WhoIsSignedInHasAnIssuer/Assertions/1", GONE, "WhoIsSignedInHasAnIssuer"),
            ("template Parameters/Access/Default", json!("open"), "WhoIsSignedInHasAnIssuer"),
            ("template Rules/GuestsHaveAShopToGoTo", GONE, "GuestsHaveAShopToGoTo"),
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
    for function in [
        "OrdersApiFunction",
        "InventoryApiFunction",
        "ScreeningApiFunction",
        "AnalyticsApiFunction",
        "FeedApiFunction",
        "OperationsApiFunction",
        "GraphqlFunction",
        "LiveFunction",
        "WebhooksApiFunction",
    ] {
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

#[test]
fn flagged_orders_are_held_by_those_who_say_so_to_both() {
    check(
        "Screening says what may be shipped, and shipping waits for it: of one alone an order waits for ever, or for nothing.",
        held,
        &[
            ("template Parameters/HoldFlagged/Default", json!("yes"), "ShippingFunction"),
            (
                "Shipping Parameters/Settings",
                json!(r#"{"carrierTableName": "c", "holdFlagged": "no"}"#),
                "ShippingFunction",
            ),
            ("Screening Parameters/Settings", json!(r#"{"holdFlagged": "no"}"#), "ScreeningFunction"),
        ],
    );
}

fn held(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    for (stack, expected) in [(stack.with([]), "no"), (stack.with([("HoldFlagged", json!("yes"))]), "yes")] {
        for function in ["ScreeningFunction", "ShippingFunction"] {
            let settings: Json =
                serde_json::from_str(&plain(&stack.variables(function)["SETTINGS"])).unwrap_or_default();
            faults.extend(unlike(function, &settings, &json!({"holdFlagged": expected})));
        }
    }
    faults
}

#[test]
fn guests_come_in_where_they_are_wanted_alone() {
    check(
        "A link is as good as its key: there is none where nobody has links, and each function that signs or verifies them has the \
         same one.",
        guests,
        &[
            ("template Parameters/GuestOrders/Default", json!("yes"), "GuestLinkSecret"),
            ("GuestLinkSecret @Condition", GONE, "GuestLinkSecret"),
            ("GuestLinkSecret GenerateSecretString", GONE, "GuestLinkSecret"),
            ("GuestLinkSecret GenerateSecretString/PasswordLength", json!(16), "GuestLinkSecret"),
            ("GuestLinkSecret SecretString", json!("0123456789abcdef0123456789abcdef"), "GuestLinkSecret"),
            ("OrdersApiFunction Environment/Variables/GUEST_LINK_SECRET", reference("Users"), "OrdersApiFunction"),
            ("OrdersApiFunction Environment/Variables/GUEST_LINK_DAYS", json!(1), "OrdersApiFunction"),
            ("LiveFunction Environment/Variables/GUEST_LINK_DAYS", json!(1), "LiveFunction"),
            ("Notification Parameters/Settings", json!("{}"), "NotificationFunction"),
            ("template Outputs/GuestLinkSecretArn/Condition", GONE, "GuestLinkSecretArn"),
        ],
    );
}

fn guests(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    let settings = |stack: &Stack| -> Json {
        serde_json::from_str(&plain(&stack.variables("NotificationFunction")["SETTINGS"])).unwrap_or_default()
    };
    let none = json!({"GUEST_LINK_SECRET": null, "GUEST_LINK_DAYS": null, "SHOP_URL": null});
    for function in ["OrdersApiFunction", "LiveFunction"] {
        faults.extend(unlike(function, stack.variables(function), &none));
    }
    faults.extend(unlike("NotificationFunction", &settings(stack), &json!({"guestLinks": null})));
    let is_there = stack.resource("GuestLinkSecret").is_object();
    faults.extend(is_there.then(|| "GuestLinkSecret: is there without a guest".to_owned()));
    let is_told = stack.outputs.get("GuestLinkSecretArn").is_some();
    faults.extend(is_told.then(|| "GuestLinkSecretArn: is told without a guest".to_owned()));

    let days = ("GuestLinkDays", json!(7));
    let stack = stack.with([("GuestOrders", json!("yes")), ("ShopUrl", json!("https://shop.example")), days]);
    let secret = json!({"Fn::GetAtt": ["GuestLinkSecret", "Id"]});
    let expected = json!({"GUEST_LINK_SECRET": secret, "GUEST_LINK_DAYS": 7, "SHOP_URL": "https://shop.example"});
    for function in ["OrdersApiFunction", "LiveFunction"] {
        faults.extend(unlike(function, stack.variables(function), &expected));
    }
    let shop = "https://shop.example";
    let expected = json!({"secret": "${GuestLinkSecret.Id}", "days": 7, "shopUrl": shop});
    let expected = json!({"guestLinks": expected, "shopUrl": shop});
    faults.extend(unlike("NotificationFunction", &settings(&stack), &expected));
    let generated = json!({"PasswordLength": 64, "ExcludePunctuation": true});
    let expected = json!({"GenerateSecretString": generated, "SecretString": null, "Name": null});
    faults.extend(unlike("GuestLinkSecret", stack.properties("GuestLinkSecret"), &expected));
    faults.extend(unlike("GuestLinkSecretArn", &stack.outputs["GuestLinkSecretArn"], &secret));
    faults
}
