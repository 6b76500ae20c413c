//! Functions: what they are built of, and what they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use crate::stack::{GONE, ROOT, Stack, check, members, plain, reference, unpaired};

/// A part of the toolkit that reads variables for the binary that calls it, and its file.
const TOOLKIT: [(&str, &str); 2] =
    [("QueueSettings::read", "shared/onewrite/src/config.rs"), ("telemetry::init", "shared/onewrite/src/telemetry.rs")];

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
            ("template Parameters/SenderEmail/AllowedPattern", json!(".+@.+"), "NotificationFunction"),
            ("template Globals/Function/Environment", json!({"Variables": {"RUST_LOG": "info"}}), "OrdersApiFunction"),
        ],
    );
}

fn variables(stack: &Stack) -> Vec<String> {
    let (sources, mut faults) = binaries();
    // It stands in a text of the SETTINGS.
    if !plain(&stack.parameter("SenderEmail", "AllowedPattern")).contains(r#"[^@\s"\\]+@"#) {
        faults.push("NotificationFunction: SenderEmail may end the text that it stands in".to_owned());
    }
    for function in stack.functions() {
        let Some(source) = sources.get(&binary_of(stack, function)) else {
            faults.push(format!("{function}: has no binary"));
            continue;
        };
        let toolkit = TOOLKIT.iter().filter(|(call, _)| source.contains(call)).map(|(_, file)| read_text(file));
        let read: BTreeSet<String> = toolkit.chain([source.clone()]).flat_map(|text| names_read(&text)).collect();
        let set: BTreeSet<String> = members(stack.variables(function)).map(|(name, _)| name.clone()).collect();
        faults.extend(read.difference(&set).map(|name| format!("{function}: {name} is read, but not set")));
        faults.extend(set.difference(&read).map(|name| format!("{function}: {name} is set, but not read")));
        let settings = stack.variables(function)["SETTINGS"].as_str().map(serde_json::from_str::<Map<String, Json>>);
        faults.extend(settings.and_then(Result::err).map(|error| format!("{function}: SETTINGS: {error}")));
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
