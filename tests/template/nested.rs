//! The stack nested and flat: AWS gets a nested stack for each service, an emulator all of them in one template.

use std::collections::BTreeSet;
use std::path::Path;

use orderflow_local::TemplateFiles;
use serde_json::{Value as Json, json};

use crate::stack::{Files, GONE, ROOT, Stack, check, plain, unlike};

#[test]
fn the_flat_template_has_the_same_resources_and_outputs() {
    let flat = TemplateFiles::read(&Path::new(ROOT).join("template.yaml")).expect("the templates");
    let flat = flat.expanded().expect("a flat template");
    let files = Files::read();
    let stack = Stack::new(&files);
    for stage in ["dev", "prod"] {
        // A value of every type, and none of them a default.
        let stack = stack.with("Stage", stage).with("Architecture", "x86_64").with("MaximumConcurrency", 7);
        let stack = stack.with("SenderEmail", "shop@example.org").with("BatchingWindowSeconds", 5);
        let (resources, outputs) = stack.of_flat(&flat);
        let ids = |all: &mut dyn Iterator<Item = &str>| all.map(ToOwned::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(
            ids(&mut resources.keys().map(String::as_str)),
            ids(&mut stack.resources().map(|(id, _)| id)),
            "on {stage}"
        );
        for (id, nested) in stack.resources() {
            let flat = &resources[id];
            for attribute in ["Type", "Metadata", "DeletionPolicy", "UpdateReplacePolicy", "Properties"] {
                assert_eq!(as_texts(&flat[attribute]), as_texts(&nested[attribute]), "{attribute} of {id} on {stage}");
            }
            // A flat resource waits for what its nested stack waits for, too.
            let awaited = |resource: &Json| resource["DependsOn"].as_array().cloned().unwrap_or_default();
            for of in awaited(nested).iter().filter(|of| !stack.resource(&plain(of)).is_null()) {
                assert!(awaited(flat).contains(of), "{id} does not wait for {of} on {stage}");
            }
        }
        assert_eq!(as_texts(&outputs), as_texts(&stack.outputs), "outputs on {stage}");
    }
}

/// `CloudFormation` takes a number, and what is true, as a text, too.
fn as_texts(value: &Json) -> Json {
    match value {
        Json::Array(items) => items.iter().map(as_texts).collect(),
        Json::Object(all) => all.iter().map(|(name, value)| (name.clone(), as_texts(value))).collect(),
        Json::Number(_) | Json::Bool(_) => plain(value).into(),
        other => other.clone(),
    }
}

#[test]
fn nested_stacks_need_no_transform_and_have_room() {
    check(
        "A transform in a nested stack, or another than SAM's, cannot be shown as a change set. A parameter has 4,096 \
         bytes.",
        transforms,
        &[
            ("service Transform", json!("AWS::LanguageExtensions"), "service"),
            ("template Transform", json!(["AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"]), "template"),
            ("Payment Parameters/Settings", json!("x".repeat(4_097)), "PaymentFunction"),
        ],
    );
}

fn transforms(stack: &Stack) -> Vec<String> {
    let mut faults = unlike("service", &stack.files.service, &[("/Transform", GONE)]);
    faults.extend(unlike("template", &stack.files.template, &[("/Transform", json!("AWS::Serverless-2016-10-31"))]));
    for function in stack.functions() {
        if stack.variables(function)["SETTINGS"].as_str().is_some_and(|settings| settings.len() > 4_096) {
            faults.push(format!("{function}: its SETTINGS are too long for a parameter"));
        }
    }
    faults
}
