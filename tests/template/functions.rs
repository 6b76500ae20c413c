//! Functions: what they are built of, what they log, and what they are told.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::stack::{
    FUNCTION, GONE, Stack, TABLE, binaries, check, differing, members, plain, read_text, reference, unlike,
};

/// A part of the toolkit that reads variables for the binary that calls it, and its file.
const TOOLKIT: [(&str, &str); 2] =
    [("QueueSettings::read", "shared/onewrite/src/config.rs"), ("telemetry::init", "shared/onewrite/src/telemetry.rs")];

#[test]
fn every_function_is_a_traced_binary_for_either_processor() {
    check(
        "One parameter moves all functions between arm64 and x86_64; a trace that misses a function ends there.",
        functions,
        &[
            ("template Globals/Function/Architectures", json!(["arm64"]), "OrdersApiFunction"),
            ("Payment Parameters/Architecture", json!("arm64"), "PaymentFunction"),
            ("RelayFunction Architectures", json!(["arm64"]), "OrdersRelayFunction"),
            ("template Globals/Function/Runtime", json!("provided.al2"), "OrdersApiFunction"),
            ("Function Handler", json!("main"), "OrdersFunction"),
            ("RelayFunction TracingConfig/Mode", json!("PassThrough"), "OrdersRelayFunction"),
            ("Function Code", json!("."), "OrdersFunction"),
            ("Function @Metadata/BuildMethod", json!("makefile"), "OrdersFunction"),
            ("RelayFunction @Metadata/BuildProperties/Binary", json!("relais"), "relais"),
            ("RelayFunction", GONE, "relay"),
            ("Journal Parameters/Service", json!("diary"), "diary"),
            ("template Parameters/Architecture/AllowedValues/~x86_64", GONE, "Architecture"),
        ],
    );
}

fn functions(stack: &Stack) -> Vec<String> {
    let allowed = [("/AllowedValues", json!(["arm64", "x86_64"]))];
    let mut faults = unlike("Architecture", &stack.files.template["Parameters"]["Architecture"], &allowed);
    for architecture in ["arm64", "x86_64"] {
        let stack = stack.with("Architecture", architecture);
        for (function, resource) in stack.resources().filter(|(_, resource)| resource["Type"] == FUNCTION) {
            // The workspace, from where the template is.
            let workspace = if function.ends_with("ApiFunction") { "." } else { ".." };
            let expected = [
                ("/Properties/Architectures", json!([architecture])),
                ("/Properties/Runtime", json!("provided.al2023")),
                ("/Properties/Handler", json!("bootstrap")),
                ("/Properties/TracingConfig/Mode", json!("Active")),
                ("/Properties/Code", json!(workspace)),
                ("/Metadata/BuildMethod", json!("rust-cargolambda")),
            ];
            faults.extend(unlike(function, resource, &expected));
        }
    }
    let deployed: Vec<String> = stack.functions().map(|function| stack.binary(function)).collect();
    let (written, missing) = binaries();
    let unknown = differing(deployed.iter().map(String::as_str), written.keys().map(String::as_str));
    faults.extend(unknown.iter().map(|binary| format!("{binary}: is only one of a function and a file in src/bin")));
    faults.extend(missing);
    faults
}

#[test]
fn every_log_is_json_in_a_group_of_its_own_that_forgets() {
    check(
        "A log group that Lambda makes keeps its logs, and their cost, for ever.",
        logs,
        &[
            ("LogGroup RetentionInDays", GONE, "OrdersLogGroup"),
            ("RelayLogGroup RetentionInDays", json!(30), "OrdersRelayLogGroup"),
            ("OrdersApiLogGroup LogGroupName", json!("/aws/lambda/orders-api"), "OrdersApiLogGroup"),
            (
                "RelayLogGroup LogGroupName",
                json!({"Fn::Sub": "/aws/lambda/${Application}/relay"}),
                "PaymentRelayLogGroup",
            ),
            ("Function LoggingConfig", GONE, "OrdersFunction"),
            ("Function LoggingConfig/LogGroup", reference("RelayLogGroup"), "OrdersFunction"),
            ("template Globals/Function/LoggingConfig/LogFormat", json!("Text"), "OrdersApiFunction"),
        ],
    );
}

fn logs(stack: &Stack) -> Vec<String> {
    let stack = stack.with("LogRetentionDays", 7);
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for (id, properties) in stack.of_type("AWS::Logs::LogGroup") {
        faults.extend(unlike(id, properties, &[("/RetentionInDays", json!(7))]));
        let name = plain(&properties["LogGroupName"]);
        if !name.starts_with("/aws/lambda/${AWS::StackName}/") || !names.insert(name.clone()) {
            faults.push(format!("{id}: {name} is not the stack's, or another's, too"));
        }
    }
    for function in stack.functions() {
        let group = function.replace("Function", "LogGroup");
        let expected = [("/LogFormat", json!("JSON")), ("/LogGroup", reference(&group))];
        faults.extend(unlike(function, &stack.properties(function)["LoggingConfig"], &expected));
    }
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
            ("template Globals/Function/Environment", json!({"Variables": {"RUST_LOG": "info"}}), "OrdersApiFunction"),
        ],
    );
}

fn variables(stack: &Stack) -> Vec<String> {
    let (sources, mut faults) = binaries();
    for function in stack.functions() {
        let Some(source) = sources.get(&stack.binary(function)) else {
            faults.push(format!("{function}: has no binary"));
            continue;
        };
        let toolkit = TOOLKIT.iter().filter(|(call, _)| source.contains(call)).map(|(_, file)| read_text(file));
        let read: BTreeSet<String> = toolkit.chain([source.clone()]).flat_map(|text| names_read(&text)).collect();
        let set: BTreeSet<String> = members(stack.variables(function)).map(|(name, _)| name.clone()).collect();
        faults.extend(read.difference(&set).map(|name| format!("{function}: {name} is read, but not set")));
        faults.extend(set.difference(&read).map(|name| format!("{function}: {name} is set, but not read")));
    }
    faults
}

/// The variables that a source text reads, without those that Lambda sets.
fn names_read(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let reads = [".text(\"", ".number(\""].into_iter().flat_map(|call| code.split(call).skip(1));
    let names = reads.filter_map(|rest| rest.split('"').next()).filter(|name| !name.starts_with("AWS_LAMBDA_"));
    names.map(ToOwned::to_owned).collect()
}

#[test]
fn the_source_text_says_what_is_read() {
    assert_eq!(names_read(&read_text(TOOLKIT[0].1)).len(), 4, "QueueSettings reads four variables");
    assert_eq!(names_read(&binaries().0["relay"]), ["SOURCE", "TOPIC_ARN", "DEAD_LETTER_QUEUE_URL"]);
}

#[test]
fn settings_are_one_object_that_names_tables_of_the_stack() {
    check(
        "A service reads them as one type, and fails at its start where they are none.",
        settings,
        &[
            ("Payment Parameters/Settings", json!("{\"providerTableName\": }"), "PaymentFunction"),
            ("Shipping Parameters/Settings", json!("{\"carrierTableName\": \"CarrierTable\"}"), "ShippingFunction"),
            ("Notification Parameters/Settings", json!("{\"sender_email\": \"\"}"), "NotificationFunction"),
            ("template Parameters/SenderEmail/AllowedPattern", json!(".*"), "SenderEmail"),
        ],
    );
}

fn settings(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    // In the text of a JSON string they would end it.
    if !plain(&stack.parameter("SenderEmail", "AllowedPattern")).contains(r#"[^@\s"\\]+@"#) {
        faults.push("SenderEmail: may have a quotation mark or a backslash in it".to_owned());
    }
    for function in stack.functions() {
        let Some(text) = stack.variables(function)["SETTINGS"].as_str() else { continue };
        let Ok(Json::Object(all)) = serde_json::from_str(text) else {
            faults.push(format!("{function}: its SETTINGS are no JSON object, but {text}"));
            continue;
        };
        for (name, value) in all {
            let table = plain(&value).trim_start_matches("${").trim_end_matches('}').to_owned();
            let is_table = stack.resource(&table)["Type"] == TABLE && value != *table;
            if name.ends_with("TableName") && !is_table || !name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
                faults.push(format!("{function}: its setting {name} is {value}"));
            }
        }
    }
    faults
}
