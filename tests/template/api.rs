//! The HTTP API, and the stack's outputs.

use std::collections::BTreeSet;

use orderflow_registry::SERVICES;
use serde_json::{Value as Json, json};

use crate::stack::{GONE, Stack, arn, check, members, plain, reference, unlike, unpaired};

/// Every answer that a REST API may give itself.
const GATEWAY_RESPONSES: &str = "
    ACCESS_DENIED API_CONFIGURATION_ERROR AUTHORIZER_CONFIGURATION_ERROR AUTHORIZER_FAILURE BAD_REQUEST_BODY
    BAD_REQUEST_PARAMETERS DEFAULT_4XX DEFAULT_5XX EXPIRED_TOKEN INTEGRATION_FAILURE INTEGRATION_TIMEOUT
    INVALID_API_KEY INVALID_SIGNATURE MISSING_AUTHENTICATION_TOKEN QUOTA_EXCEEDED REQUEST_TOO_LARGE
    RESOURCE_NOT_FOUND THROTTLED UNAUTHORIZED UNSUPPORTED_MEDIA_TYPE WAF_FILTERED
";

/// Method, path and function of each request.
const ROUTES: [&str; 80] = [
    "delete /operations/letters/{letterId} OperationsApiFunction",
    "delete /operations/reconciliations/{reconciliationId} OperationsApiFunction",
    "delete /operations/redrives/{redriveId} OperationsApiFunction",
    "delete /operations/replays/{replayId} OperationsApiFunction",
    "delete /orders/{orderId}/access OrdersApiFunction",
    "delete /webhooks/{webhookId} WebhooksApiFunction",
    "get /board OperationsApiFunction",
    "get /console OperationsApiFunction",
    "get /console/{file} OperationsApiFunction",
    "get /customers/{customerId}/export OrdersApiFunction",
    "get /events FeedApiFunction",
    "get /inventory/{sku} InventoryApiFunction",
    "get /operations/board AnalyticsApiFunction",
    "get /operations/groups OperationsApiFunction",
    "get /operations/journal OperationsApiFunction",
    "get /operations/letters OperationsApiFunction",
    "get /operations/letters/{letterId} OperationsApiFunction",
    "get /operations/orders/{orderId} OperationsApiFunction",
    "get /operations/reconciliations/{reconciliationId} OperationsApiFunction",
    "get /operations/redrives/{redriveId} OperationsApiFunction",
    "get /operations/replays/{replayId} OperationsApiFunction",
    "get /operations/status OperationsApiFunction",
    "get /orders/{orderId} OrdersApiFunction",
    "get /orders/{orderId}/withdrawal OrdersApiFunction",
    "get /prices/{sku} OrdersApiFunction",
    "get /webhooks WebhooksApiFunction",
    "get /webhooks/{webhookId} WebhooksApiFunction",
    "get /webhooks/{webhookId}/deliveries WebhooksApiFunction",
    "options /customers/{customerId}/erase OrdersApiFunction",
    "options /customers/{customerId}/export OrdersApiFunction",
    "options /events FeedApiFunction",
    "options /graphql GraphqlFunction",
    "options /inventory/{sku} InventoryApiFunction",
    "options /operations/board AnalyticsApiFunction",
    "options /operations/groups OperationsApiFunction",
    "options /operations/journal OperationsApiFunction",
    "options /operations/letters OperationsApiFunction",
    "options /operations/letters/{letterId} OperationsApiFunction",
    "options /operations/orders/{orderId} OperationsApiFunction",
    "options /operations/orders/{orderId}/clear ScreeningApiFunction",
    "options /operations/reconciliations OperationsApiFunction",
    "options /operations/reconciliations/{reconciliationId} OperationsApiFunction",
    "options /operations/redrives OperationsApiFunction",
    "options /operations/redrives/{redriveId} OperationsApiFunction",
    "options /operations/replays OperationsApiFunction",
    "options /operations/replays/{replayId} OperationsApiFunction",
    "options /operations/status OperationsApiFunction",
    "options /orders OrdersApiFunction",
    "options /orders/{orderId} OrdersApiFunction",
    "options /orders/{orderId}/access OrdersApiFunction",
    "options /orders/{orderId}/cancel OrdersApiFunction",
    "options /orders/{orderId}/returns InventoryApiFunction",
    "options /orders/{orderId}/withdrawals OrdersApiFunction",
    "options /prices/{sku} OrdersApiFunction",
    "options /webhooks WebhooksApiFunction",
    "options /webhooks/{webhookId} WebhooksApiFunction",
    "options /webhooks/{webhookId}/deliveries WebhooksApiFunction",
    "options /webhooks/{webhookId}/resend WebhooksApiFunction",
    "options /webhooks/{webhookId}/rotate WebhooksApiFunction",
    "options /webhooks/{webhookId}/test WebhooksApiFunction",
    "patch /webhooks/{webhookId} WebhooksApiFunction",
    "post /customers/{customerId}/erase OrdersApiFunction",
    "post /graphql GraphqlFunction",
    "post /operations/orders/{orderId}/clear ScreeningApiFunction",
    "post /operations/reconciliations OperationsApiFunction",
    "post /operations/redrives OperationsApiFunction",
    "post /operations/replays OperationsApiFunction",
    "post /orders OrdersApiFunction",
    "post /orders/{orderId} OrdersApiFunction",
    "post /orders/{orderId}/cancel OrdersApiFunction",
    "post /orders/{orderId}/returns InventoryApiFunction",
    "post /orders/{orderId}/withdrawal OrdersApiFunction",
    "post /orders/{orderId}/withdrawals OrdersApiFunction",
    "post /webhooks WebhooksApiFunction",
    "post /webhooks/{webhookId}/resend WebhooksApiFunction",
    "post /webhooks/{webhookId}/rotate WebhooksApiFunction",
    "post /webhooks/{webhookId}/test WebhooksApiFunction",
    "put /inventory/{sku} InventoryApiFunction",
    "put /operations/letters/{letterId} OperationsApiFunction",
    "put /prices/{sku} OrdersApiFunction",
];

#[test]
fn the_gateway_answers_with_problems_too() {
    check(
        "To a client, an answer of the gateway's is an answer of the API: application/problem+json, with its own status, and \
         to be read by the pages that may call it.",
        gateway_responses,
        &[
            ("Api GatewayResponses/THROTTLED", GONE, "THROTTLED"),
            ("Api GatewayResponses/THROTTLED/StatusCode", json!(503), "THROTTLED"),
            ("Api GatewayResponses/THROTTLED/ResponseParameters/Headers/Content-Type", GONE, "THROTTLED"),
            ("Api GatewayResponses/THROTTLED/ResponseParameters/Headers/Retry-After", GONE, "THROTTLED"),
            (
                "Api GatewayResponses/THROTTLED/ResponseParameters/Headers/Access-Control-Allow-Origin",
                GONE,
                "THROTTLED",
            ),
            (
                "Api GatewayResponses/INTEGRATION_FAILURE/ResponseParameters/Headers/Retry-After",
                GONE,
                "INTEGRATION_FAILURE",
            ),
            ("Api GatewayResponses/DEFAULT_4XX/ResponseTemplates/application~1json", json!("{"), "DEFAULT_4XX"),
            (
                "Api GatewayResponses/DEFAULT_5XX/ResponseTemplates/application~1json",
                json!(r#"{"type":"about:blank","title":"Internal Server Error","status":500}"#),
                "DEFAULT_5XX",
            ),
            ("Api GatewayResponses/UNKNOWN", json!({}), "UNKNOWN"),
        ],
    );
}

fn gateway_responses(stack: &Stack) -> Vec<String> {
    let with_pages = stack.with([("AllowedOrigin", json!("https://shop.example"))]);
    let responses = &stack.properties("Api")["GatewayResponses"];
    let given = members(responses).map(|(kind, _)| kind.as_str());
    let known = GATEWAY_RESPONSES.split_whitespace();
    let mut faults = unpaired("a response of the template and one of a REST API", given, known);
    for (kind, response) in members(responses) {
        let headers = &response["ResponseParameters"]["Headers"];
        let allowed = &with_pages.properties("Api")["GatewayResponses"][kind]["ResponseParameters"]["Headers"];
        faults.extend(unlike(kind, allowed, &json!({"Access-Control-Allow-Origin": "'https://shop.example'"})));
        let expected = json!({"Content-Type": "'application/problem+json'", "Access-Control-Allow-Origin": null});
        faults.extend(unlike(kind, headers, &expected));
        let is_worth_a_retry = [json!(429), json!(503)].contains(&response["StatusCode"]);
        let seconds =
            headers["Retry-After"].as_str().and_then(|seconds| seconds.trim_matches('\'').parse::<u32>().ok());
        faults
            .extend((is_worth_a_retry != seconds.is_some()).then(|| format!("{kind}: comes again after {seconds:?}")));
        let body = response["ResponseTemplates"]["application/json"].as_str().unwrap_or_default();
        // The gateway fills it in with its quotes.
        let body = body.replace("$context.error.messageString", "\"why\"");
        let body: Json = serde_json::from_str(&body).unwrap_or_default();
        faults.extend(unlike(kind, &body, &json!({"type": "about:blank", "status": response["StatusCode"]})));
        let silent = ["title", "detail"].into_iter().filter(|name| body[name].as_str().is_none_or(str::is_empty));
        faults.extend(silent.map(|name| format!("{kind}: has no {name}")));
    }
    faults
}

#[test]
fn the_gateway_refuses_before_the_functions_must() {
    check(
        "Of what Lambda has no room for, a client hears 503 at best. A stage without limits has the account's, which all APIs \
         of a region share.",
        throttles,
        &[
            ("Api MethodSettings", GONE, "Api"),
            ("Api MethodSettings", json!([]), "Api"),
            ("Api MethodSettings/0/ThrottlingRateLimit", GONE, "Api"),
            ("Api MethodSettings/0/ThrottlingBurstLimit", json!(5000), "Api"),
            ("Api MethodSettings/0/ResourcePath", json!("/orders"), "Api"),
        ],
    );
}

fn throttles(stack: &Stack) -> Vec<String> {
    let limits = json!([{
        "ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100,
    }]);
    unlike("Api", stack.properties("Api"), &json!({"MethodSettings": limits}))
}

#[test]
fn a_firewall_stands_before_the_api_where_it_is_wanted_and_nowhere_else() {
    check(
        "It costs by itself, and no emulator has one. One that is not associated, or lets pass what it has counted, costs as much.",
        firewall,
        &[
            ("Firewall @Condition", GONE, "Firewall"),
            ("FirewallAssociation @Condition", GONE, "FirewallAssociation"),
            ("template Parameters/RequestsPerAddress/Default", json!(2_000), "Firewall"),
            ("Firewall DefaultAction", json!({"Block": {}}), "Firewall"),
            ("Firewall Rules/0/Action", json!({"Count": {}}), "Firewall"),
            ("Firewall Rules/0/Statement/RateBasedStatement/Limit", json!(100), "Firewall"),
            ("Firewall Rules/0/VisibilityConfig/SampledRequestsEnabled", json!(true), "Firewall"),
            ("FirewallAssociation ResourceArn", arn("Api"), "FirewallAssociation"),
        ],
    );
}

fn firewall(stack: &Stack) -> Vec<String> {
    let [wall, association] = ["Firewall", "FirewallAssociation"];
    let there = [wall, association].into_iter().filter(|id| stack.resource(id).is_object());
    let mut faults: Vec<String> = there.map(|id| format!("{id}: is there, and nobody has asked for it")).collect();
    let stack = stack.with([("RequestsPerAddress", json!(500))]);
    let expected = json!({"Scope": "REGIONAL", "DefaultAction": {"Block": null}});
    faults.extend(unlike(wall, stack.properties(wall), &expected));
    let rule = json!({
        "Action": {"Block": {}, "Count": null},
        "Statement": {"RateBasedStatement": {"AggregateKeyType": "IP", "EvaluationWindowSec": 300, "Limit": 500}},
        "VisibilityConfig": {"SampledRequestsEnabled": false},
    });
    faults.extend(unlike(wall, &stack.properties(wall)["Rules"][0], &rule));
    let stage = "arn:${AWS::Partition}:apigateway:${AWS::Region}::/restapis/${Api}/stages/${Api.Stage}";
    let expected = json!({"WebACLArn": arn(wall), "ResourceArn": stage});
    faults.extend(unlike(association, stack.properties(association), &expected));
    faults
}

#[test]
fn the_api_has_the_routes_of_the_contract() {
    check(
        "Clients are written against them.",
        routes,
        &[
            ("OrdersApiFunction Events/Cancel", GONE, "post /orders/{orderId}/cancel"),
            ("OrdersApiFunction Events/Place/Properties/Method", json!("any"), "any /orders"),
        ],
    );
}

fn routes(stack: &Stack) -> Vec<String> {
    let mut given = Vec::new();
    for function in stack.functions() {
        let events = members(&stack.properties(function)["Events"]);
        for (_, event) in events.filter(|(_, event)| event["Type"] == "Api") {
            let route = &event["Properties"];
            given.push(format!("{} {} {function}", plain(&route["Method"]), plain(&route["Path"])));
        }
    }
    unpaired("a route of the template and one of the contract", given.iter().map(String::as_str), ROUTES)
}

#[test]
fn the_outputs_are_those_of_the_contract() {
    check(
        "Tests, the operator and other teams' tools find the stack's parts by them.",
        outputs,
        &[
            ("template Outputs/OrdersRelayDlqUrl", GONE, "OrdersRelayDlqUrl"),
            ("template Outputs/JournalRelayDlqUrl", json!({"Value": reference("Api")}), "JournalRelayDlqUrl"),
            ("service Outputs/QueueUrl/Value", reference("Dlq"), "OrdersQueueUrl"),
            ("service Outputs/TableName", GONE, "OrdersTableName"),
            ("template Outputs/ApiUrl/Value", json!({"Fn::Sub": "https://${Api}/${Stage}/"}), "ApiUrl"),
            ("template Outputs/IntakeTopicArn/Value", reference("EventsTopic"), "IntakeTopicArn"),
            ("Journal", GONE, "JournalFunctionName"),
        ],
    );
}

fn outputs(stack: &Stack) -> Vec<String> {
    let consumer = ["QueueUrl", "DlqUrl", "UndeliverableQueueUrl", "FunctionName"];
    let mut expected = BTreeSet::from(
        [
            "ApiUrl",
            "EventsTopicArn",
            "IntakeTopicArn",
            "OperatorRoleArn",
            "DiscardedBucketName",
            "StockTableName",
            "CountTableName",
        ]
        .map(ToOwned::to_owned),
    );
    expected.extend(
        [
            "PriceTableName",
            "CustomerKeysName",
            "LettersTableName",
            "LettersDlqUrl",
            "JobsFunctionName",
            "NoticesFunctionName",
            "OpenOrdersFunctionName",
            "AlarmTopicArn",
            "LiveTableName",
            "LiveUrl",
            "WebhooksTableName",
            "WebhooksFunctionName",
            "WebhooksSendFunctionName",
        ]
        .map(ToOwned::to_owned),
    );
    expected.extend(consumer.map(|part| format!("Intake{part}")));
    for service in SERVICES {
        let relay = if service.sends().is_empty() { &[][..] } else { &["RelayDlqUrl", "RelayFunctionName"] };
        let parts = consumer.iter().chain(relay).chain(&["TableName"]);
        expected.extend(parts.map(|part| format!("{}{part}", service.id)));
    }
    let given = members(&stack.outputs).map(|(name, _)| name.as_str());
    let of_contract = expected.iter().map(String::as_str);
    let mut faults = unpaired("an output of the template and one of the contract", given, of_contract);
    let url = json!("https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/dev");
    for (name, value) in members(&stack.outputs) {
        let id = ["Url", "Name", "Arn"].iter().find_map(|what| name.strip_suffix(what)).unwrap_or(name);
        let is_there = ["Api", "Live"].contains(&id) || stack.resource(id).is_object();
        let expected = match id {
            "Api" => url.clone(),
            "Live" => json!("wss://${LiveApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/dev"),
            "OperatorRole" => arn(id),
            _ => reference(id),
        };
        faults.extend(unlike(name, value, &expected));
        faults.extend((!is_there).then(|| format!("{name}: there is no {id}")));
    }
    faults
}
