//! Functions: what they are built of, and what they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use onewrite::config::Environment;
use orderflow_registry::SERVICES;
use serde_json::{Value as Json, json};

use crate::stack::{FUNCTION, GONE, QUEUE, ROOT, Stack, check, members, plain, reference, unlike, unpaired};

const CONFIG: &str = "shared/onewrite/src/config.rs";
const ACCESS: &str = "shared/onewrite/src/access/settings.rs";
const CORS: &str = "shared/onewrite/src/http/cors.rs";
const RUN: &str = "shared/onewrite/src/aws/run.rs";
const METRICS: &str = "shared/onewrite/src/telemetry/metrics.rs";
const GUESTS: &str = "functions/orders/src/guests.rs";
const WEBHOOKS: &str = "functions/webhooks/src/aws.rs";
const POST: &str = "functions/operations/src/settings.rs";

/// Calls that read variables for the binary that makes them, and where: the file, and the start of the code.
const TOOLKIT: [(&str, &str, &str); 16] = [
    ("onewrite::", METRICS, "pub fn read(environment"),
    ("onewrite::main!(|environment", CONFIG, "pub fn read(environment"),
    ("onewrite::main!(orderflow_", CONFIG, "pub fn read(environment"),
    ("onewrite::main!(orderflow_", RUN, "pub fn table("),
    ("aws.ledger(", RUN, "pub fn table("),
    ("aws.ledger_with_open_index(", RUN, "pub fn table("),
    ("aws.keys(", RUN, "pub fn keys("),
    ("aws.table(", RUN, "pub fn table("),
    ("aws::relay(", RUN, "pub async fn relay("),
    ("aws.access(", ACCESS, "pub fn read(environment"),
    ("onewrite::http_main!(", CORS, "pub fn read(environment"),
    (".settings::<", CONFIG, "const SETTINGS"),
    ("Guests::read(", GUESTS, "pub fn read(environment"),
    ("Post::read(", POST, "pub fn read(environment"),
    ("loopback_of(environment)", WEBHOOKS, "pub fn loopback_of("),
    ("mailer_of(environment", WEBHOOKS, "pub fn mailer_of("),
];

#[test]
fn every_binary_is_a_function() {
    check(
        "What is not in the template is not deployed.",
        functions,
        &[
            ("RelayFunction @Metadata/BuildProperties/Binary", json!("relais"), "relais"),
            ("RelayFunction", GONE, "relay"),
            ("Journal Parameters/Service", json!("diary"), "diary"),
        ],
    );
}

fn functions(stack: &Stack) -> Vec<String> {
    let deployed: Vec<String> = stack.functions().map(|function| binary_of(stack, function)).collect();
    let (written, mut faults) = binaries();
    let (deployed, written) = (deployed.iter().map(String::as_str), written.keys().map(String::as_str));
    faults.extend(unpaired("a function and a file in src/bin", deployed, written));
    faults
}

#[test]
fn functions_have_exactly_the_variables_that_they_read() {
    check(
        "A variable that is missing stops the function at its start; one that nobody reads misleads whoever sets it.",
        variables,
        &[
            ("Function Environment/Variables/MAX_BACKOFF_SECONDS", GONE, "OrdersFunction"),
            ("RelayFunction Environment/Variables/QUEUE_URL", reference("RelayDlq"), "OrdersRelayFunction"),
            ("OrdersApiFunction Environment", GONE, "OrdersApiFunction"),
            ("Payment Parameters/Settings", json!("providerTableName"), "PaymentFunction"),
            ("Shipping Parameters/Settings", json!("{\"carrierTable\": \"c\"}"), "ShippingFunction"),
            ("Journal Parameters/Settings", json!("{\"tableName\": \"t\"}"), "JournalFunction"),
            ("NoticesFunction Environment/Variables/SETTINGS", json!("{\"notices\": []}"), "NoticesFunction"),
            ("template Parameters/SenderEmail/AllowedPattern", json!(".+@.+"), "NotificationFunction"),
            ("template Parameters/ConfigurationSet/AllowedPattern", json!(".*"), "NotificationFunction"),
            ("template Parameters/SmsCountries/AllowedPattern", GONE, "NotificationFunction"),
            ("template Parameters/ShopUrl/AllowedPattern", GONE, "NotificationFunction"),
            ("OrdersApiFunction Environment/Variables/SHOP_URL", GONE, "OrdersApiFunction"),
            ("WebhooksSendFunction Environment/Variables/SENDER_EMAIL", GONE, "WebhooksSendFunction"),
            ("template Globals/Function/Environment", json!({"Variables": {"RUST_LOG": "info"}}), "OrdersApiFunction"),
        ],
    );
}

fn variables(stack: &Stack) -> Vec<String> {
    // With guests there are some more.
    let stack = &stack.with([("GuestOrders", json!("yes")), ("ShopUrl", json!("https://shop.example"))]);
    let (sources, mut faults) = binaries();
    // They stand in texts of the SETTINGS.
    for (name, pattern) in [
        ("SenderEmail", r#"[^@\s"\\]+@[^@\s"\\]+"#),
        ("ConfigurationSet", "[A-Za-z0-9_-]{0,64}"),
        ("SmsCountries", "([A-Z]{2}(,[A-Z]{2})*)?"),
        ("ShopUrl", r#"(https?://[^\s"?#\\]+)?"#),
        ("PricingProducers", r#"(\*|[^\s"\\*,]+(,[^\s"\\*,]+)*)?"#),
    ] {
        if plain(&stack.parameter(name, "AllowedPattern")) != pattern {
            faults.push(format!("NotificationFunction: {name} may end the text that it stands in"));
        }
    }
    for function in stack.functions() {
        let read = sources.get(&binary_of(stack, function)).map(|source| names_read(source)).unwrap_or_default();
        // Every service has some, and not every one reads them.
        let set = members(stack.variables(function)).filter(|(name, value)| *name != "SETTINGS" || **value != "{}");
        let set: BTreeSet<String> = set.map(|(name, _)| name.clone()).collect();
        faults.extend(read.difference(&set).map(|name| format!("{function}: {name} is read, but not set")));
        faults.extend(set.difference(&read).map(|name| format!("{function}: {name} is set, but not read")));
    }
    for service in SERVICES {
        let function = format!("{}Function", service.id);
        let variables = stack.variables(&function).clone();
        let read = Environment::new(move |name| variables.get(name).map(plain))
            .read(|environment| service.read_settings(environment));
        faults.extend(read.err().map(|error| format!("{function}: {error}")));
    }
    let settings = plain(&stack.variables("NoticesFunction")["SETTINGS"]);
    let read = Environment::new(move |name| (name == "SETTINGS").then(|| settings.clone()))
        .read(Environment::settings::<orderflow_notices::Settings>);
    faults.extend(read.err().map(|error| format!("NoticesFunction: {error}")));
    faults
}

#[test]
fn calls_of_a_round_are_not_repeated_by_lambda() {
    check(
        "The next round is the next attempt; Lambda's own two would only double the work of what is down.",
        rounds,
        &[
            ("WebhooksInvokes", GONE, "WebhooksFunction"),
            ("WebhooksSendInvokes MaximumRetryAttempts", json!(2), "WebhooksSendFunction"),
            ("NoticesInvokes FunctionName", reference("JobsFunction"), "NoticesFunction"),
        ],
    );
}

/// Functions that work in rounds, of what is on record as left to do.
const OF_ROUNDS: [&str; 3] = ["NoticesFunction", "WebhooksFunction", "WebhooksSendFunction"];

fn rounds(stack: &Stack) -> Vec<String> {
    let once = json!({"Qualifier": "$LATEST", "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60});
    let mut faults = Vec::new();
    for function in OF_ROUNDS {
        let of_function = |(_, invokes): &(&str, &Json)| invokes["FunctionName"] == reference(function);
        match stack.of_type("AWS::Lambda::EventInvokeConfig").find(of_function) {
            Some((_, invokes)) => faults.extend(unlike(function, invokes, &once)),
            None => faults.push(format!("{function}: Lambda repeats its calls")),
        }
    }
    faults
}

#[test]
fn nothing_is_made_for_notices_or_a_partner_that_nobody_wants() {
    check(
        "Whoever has no notices, and no partner with a queue, pays nothing for them.",
        unwanted,
        &[
            ("NoticesFunction @Condition", GONE, "NoticesFunction"),
            ("NoticesTable @Condition", GONE, "NoticesTable"),
            ("PartnerSubscription @Condition", GONE, "PartnerSubscription"),
            ("template Parameters/PartnerQueueArn/Default", json!("arn:aws:sqs:a:1:b"), "PartnerUndeliverableQueue"),
        ],
    );
}

fn unwanted(stack: &Stack) -> Vec<String> {
    let stack = stack.without_notices();
    let unwanted = stack.resources().filter(|(id, _)| id.starts_with("Notices") || id.starts_with("Partner"));
    unwanted.map(|(id, _)| format!("{id}: is there, though nobody wants it")).collect()
}

#[test]
fn mails_are_paced_by_as_many_functions_as_the_queue_lets_run() {
    check(
        "Each function sends its share. With another number of functions than they are told of, mails are too fast or too slow.",
        pacing,
        &[
            ("Notification Parameters/MaximumConcurrency", json!(2), "NotificationFunction"),
            (
                "Notification Parameters/Settings",
                json!({"Fn::Sub": "{\"mailsPerSecond\": ${MailsPerSecond}, \"functionsAtOnce\": 2}"}),
                "NotificationFunction",
            ),
            ("template Parameters/MailsPerSecond/Default", json!(14), "MailsPerSecond"),
        ],
    );
}

fn pacing(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    if stack.parameter("MailsPerSecond", "Default") != 1 {
        faults.push("MailsPerSecond: is more than a new account may send".to_owned());
    }
    let stack = stack.with([("MailsPerSecond", json!(7)), ("NotificationMaximumConcurrency", json!(30))]);
    let settings: Json =
        serde_json::from_str(&plain(&stack.variables("NotificationFunction")["SETTINGS"])).unwrap_or_default();
    faults.extend(unlike("NotificationFunction", &settings, &json!({"mailsPerSecond": 7, "functionsAtOnce": 30})));
    let source = stack.sources(QUEUE).find(|(function, ..)| *function == "NotificationFunction");
    let source = source.map(|(.., properties)| properties.clone()).unwrap_or_default();
    faults.extend(unlike("NotificationFunction", &source, &json!({"ScalingConfig": {"MaximumConcurrency": 30}})));
    faults
}

#[test]
fn concurrency_is_reserved_for_the_orders_api_alone_and_only_where_it_is_wanted() {
    check(
        "What is reserved is taken from all others, and a new account has nothing to reserve.",
        reserved,
        &[
            ("OrdersApiFunction ReservedConcurrentExecutions", json!(5), "OrdersApiFunction"),
            ("OrdersApiFunction ReservedConcurrentExecutions", GONE, "OrdersApiFunction"),
            ("Function ReservedConcurrentExecutions", json!(5), "OrdersFunction"),
            ("template Parameters/ReservedConcurrency/Default", json!(1), "OrdersApiFunction"),
        ],
    );
}

fn reserved(stack: &Stack) -> Vec<String> {
    let faults_with = |stack: &Stack, of_orders_api: &Json| -> Vec<String> {
        let reserved = |function: &str| if function == "OrdersApiFunction" { of_orders_api.clone() } else { GONE };
        let functions = stack.of_type(FUNCTION);
        let faults = functions.flat_map(|(function, properties)| {
            unlike(function, properties, &json!({"ReservedConcurrentExecutions": reserved(function)}))
        });
        faults.collect()
    };
    let mut faults = faults_with(stack, &GONE);
    faults.extend(faults_with(&stack.with([("ReservedConcurrency", json!(20))]), &json!(20)));
    faults
}

#[test]
fn metrics_are_in_the_namespace_of_the_stack_and_of_the_service() {
    check(
        "Metrics of two stacks in one namespace are added up, and an alarm on a service that has another name never sounds.",
        metrics,
        &[
            ("Function Environment/Variables/METRICS_NAMESPACE", json!("orderflow"), "OrdersFunction"),
            ("RelayFunction Environment/Variables/SERVICE", json!("relay"), "OrdersRelayFunction"),
            ("LettersFunction Environment/Variables/METRICS_NAMESPACE", GONE, "OrdersLettersFunction"),
            ("OrdersApiFunction Environment/Variables/SERVICE", json!("orders"), "OrdersApiFunction"),
            ("JobsFunction Environment/Variables/METRICS_NAMESPACE", reference("Stage"), "JobsFunction"),
        ],
    );
}

/// A service's relay and its collector speak for it; other functions for themselves.
fn metrics(stack: &Stack) -> Vec<String> {
    let faults = stack.functions().flat_map(|function| {
        let binary = binary_of(stack, function);
        let service = match binary.as_str() {
            "relay" => function.trim_end_matches("RelayFunction").to_lowercase(),
            "letters" => function.trim_end_matches("LettersFunction").to_lowercase(),
            _ => binary,
        };
        let expected = json!({ "METRICS_NAMESPACE": reference("AWS::StackName"), "SERVICE": service });
        unlike(function, stack.variables(function), &expected)
    });
    faults.collect()
}

#[test]
fn spans_are_exported_by_all_that_make_them_and_only_where_somebody_collects_them() {
    check(
        "A function without the variables is a hole in every trace, and X-Ray takes nothing of a role without the right.",
        spans,
        &[
            ("Function Environment/Variables/OTEL_EXPORTER_OTLP_ENDPOINT", GONE, "OrdersFunction"),
            ("RelayFunction Environment/Variables/OTEL_SERVICE_NAME", GONE, "OrdersRelayFunction"),
            ("OrdersApiFunction Environment/Variables/OTEL_SERVICE_NAME", json!("orders"), "OrdersApiFunction"),
            ("Payment Parameters/TracedShare", json!(1), "PaymentFunction"),
            ("Journal Parameters/OtlpEndpoint", GONE, "JournalFunction"),
            ("template Parameters/OtlpEndpoint/Default", json!("http://collector:4318"), "OrdersFunction"),
            ("RelayRole Policies/~relay/PolicyDocument/Statement/~PutTraceSegments", GONE, "OrdersRelayFunction"),
            (
                "OrdersApiRole Policies/~orders-api/PolicyDocument/Statement/~PutTraceSegments",
                json!({"Effect": "Allow", "Action": "xray:PutTraceSegments", "Resource": "*"}),
                "OrdersApiFunction",
            ),
        ],
    );
}

/// Name of a relay in traces: its service's, and `-relay`.
fn relay_of(function: &str) -> String {
    format!("{}-relay", function.trim_end_matches("RelayFunction").to_lowercase())
}

/// Functions that neither handle nor commit events: those that a clock calls, each minute, and those of whoever watches.
const WITHOUT_SPANS: [&str; 6] =
    ["JobsFunction", "LiveFunction", "LivePushFunction", "NoticesFunction", "WebhooksFunction", "WebhooksSendFunction"];

/// All functions make spans but those, and the collectors of dead letters.
fn spans(stack: &Stack) -> Vec<String> {
    const X_RAY: &str = "https://xray.${AWS::Region}.amazonaws.com";
    let mut faults = Vec::new();
    for endpoint in ["", "http://collector:4318", X_RAY] {
        // Where it is not said, it is off.
        let stack = if endpoint.is_empty() {
            stack.with([])
        } else {
            stack.with([("OtlpEndpoint", json!(endpoint)), ("TracedShare", json!(0.1))])
        };
        for function in stack.functions() {
            let has_spans =
                !endpoint.is_empty() && !function.ends_with("LettersFunction") && !WITHOUT_SPANS.contains(&function);
            let told = |value: Json| if has_spans { value } else { GONE };
            let service = binary_of(&stack, function).replace("relay", &relay_of(function));
            let expected = json!({
                "OTEL_EXPORTER_OTLP_ENDPOINT": told(json!(endpoint)),
                "OTEL_SERVICE_NAME": told(json!(service)),
                "OTEL_TRACES_SAMPLER": told(json!("parentbased_traceidratio")),
                "OTEL_TRACES_SAMPLER_ARG": told(json!(0.1)),
            });
            faults.extend(unlike(function, stack.variables(function), &expected));
            let role = stack.properties(&function.replace("Function", "Role")).to_string();
            if role.contains("xray:PutTraceSegments") != (has_spans && endpoint == X_RAY) {
                faults.push(format!("{function}: its right to X-Ray is not as it should be with {endpoint:?}"));
            }
        }
    }
    faults
}

/// The variables that a binary reads, without those that Lambda sets.
fn names_read(source: &str) -> BTreeSet<String> {
    let code_of = |(_, file, start): &(&str, &str, &str)| {
        let text = read_text(file);
        let code = text.split_once(start).unwrap_or_else(|| panic!("{file} has no {start}")).1;
        let ends = ["\n    }\n", "\n}\n", ";\n\n"].into_iter().filter_map(|end| code.find(end));
        code[..ends.min().unwrap_or(code.len())].to_owned()
    };
    let called = TOOLKIT.iter().filter(|(call, ..)| source.contains(call)).map(code_of);
    let mut names = BTreeSet::new();
    for code in called.chain([source.to_owned()]) {
        for call in [".text(\"", ".optional(\"", ".number(\"", ".source(\"", ": &str = \""] {
            let read = code.split(call).skip(1).filter_map(|rest| rest.split('"').next());
            names.extend(read.filter(|name| !name.starts_with("AWS_LAMBDA_")).map(ToOwned::to_owned));
        }
    }
    names
}

#[test]
fn the_source_text_says_what_is_read() {
    let names = |binary: &str| names_read(&binaries().0[binary]).into_iter().collect::<Vec<_>>();
    let queue = [
        "DEAD_LETTER_QUEUE_URL",
        "MAX_BACKOFF_SECONDS",
        "MAX_RECEIVE_COUNT",
        "METRICS_NAMESPACE",
        "QUEUE_URL",
        "SERVICE",
    ];
    assert_eq!(names("orders"), [&queue[..], &["TABLE_NAME"]].concat());
    assert_eq!(names("payment"), [&queue[..], &["SETTINGS", "TABLE_NAME"]].concat());
    let access = ["TOKEN_AUDIENCE", "TOKEN_ISSUER", "TOKEN_KEY_SET_URL", "TOKEN_SCOPE_PREFIX"];
    let api = ["ACCESS", "ALLOWED_ORIGIN", "METRICS_NAMESPACE", "SERVICE", "SETTINGS", "TABLE_NAME"];
    assert_eq!(names("inventory-api"), [&api, &access[..]].concat());
    assert_eq!(names("relay"), ["DEAD_LETTER_QUEUE_URL", "METRICS_NAMESPACE", "SERVICE", "SOURCE", "TOPIC_ARN"]);
}

fn binary_of(stack: &Stack, function: &str) -> String {
    plain(&stack.resource(function)["Metadata"]["BuildProperties"]["Binary"])
}

/// Name and source text of every function's binary; a folder that has none is a fault.
fn binaries() -> (BTreeMap<String, String>, Vec<String>) {
    let (mut binaries, mut faults) = (BTreeMap::new(), Vec::new());
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for folder in entries(&Path::new(ROOT).join("functions")).filter(|path| path.is_dir()) {
        let files: Vec<PathBuf> = entries(&folder.join("src/bin")).collect();
        if files.is_empty() {
            faults.push(format!("{}: has no binary in src/bin", folder.display()));
        }
        for file in files {
            let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
            binaries.insert(name, fs::read_to_string(&file).expect("a source text"));
        }
    }
    (binaries, faults)
}

fn read_text(file: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(file)).expect("a source text")
}
