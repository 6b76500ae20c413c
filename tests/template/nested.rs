//! The stack nested and flat: AWS gets a nested stack for each service, an emulator all of them in one template.

use std::path::Path;

use orderflow_local::TemplateFiles;
use serde_json::{Value as Json, json};

use crate::stack::{Files, GONE, ROOT, Stack, list, plain};

#[test]
fn the_flat_template_has_the_same_resources_and_outputs() {
    let template = TemplateFiles::read(&Path::new(ROOT).join("template.yaml")).expect("the templates");
    let template = template.expanded().expect("a flat template");
    let (nested, flat) = (Files::read(), Files { template, service: GONE });
    for stage in ["dev", "prod"] {
        let [nested, flat] = [&nested, &flat].map(|files| {
            Stack::new(files).with([
                ("Stage", json!(stage)),
                ("Architecture", json!("x86_64")),
                ("LogRetentionDays", json!(7)),
                ("MaximumConcurrency", json!(50)),
                ("BatchingWindowSeconds", json!(5)),
                ("SenderEmail", json!("shop@example.org")),
            ])
        });
        let ids = |stack: &Stack| stack.resources().map(|(id, _)| id.to_owned()).collect::<Vec<_>>();
        assert_eq!(ids(&flat), ids(&nested), "on {stage}");
        for (id, resource) in nested.resources() {
            let flat = flat.resource(id);
            for attribute in ["Type", "Metadata", "DeletionPolicy", "UpdateReplacePolicy", "Properties"] {
                let [flat, nested] = [flat, resource].map(|resource| as_texts(&resource[attribute]));
                assert_eq!(flat, nested, "{attribute} of {id} on {stage}");
            }
            // A flat resource waits for what its nested stack waits for, too.
            let missed = list(&resource["DependsOn"]).into_iter().find(|awaited| {
                !nested.resource(&plain(awaited)).is_null() && !list(&flat["DependsOn"]).contains(awaited)
            });
            assert_eq!(missed, None, "{id} has to wait for it on {stage}");
        }
        assert_eq!(as_texts(&flat.outputs), as_texts(&nested.outputs), "on {stage}");
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
