//! A consumer that comes and goes, in a copy of the files that it changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use orderflow_events::EventType;
use tempfile::TempDir;

use super::*;
use crate::scaffold::consumer::{BUDGETS, EVENTS, REGISTRY, REGISTRY_MANIFEST, TEMPLATE, TYPES};
use crate::scaffold::name::EventName;

const FILES: [&str; 6] = [TYPES, EVENTS, TEMPLATE, REGISTRY, REGISTRY_MANIFEST, BUDGETS];

fn copy() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in FILES {
        let to = copy.path().join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file), to).unwrap();
    }
    for folder in ["functions/orders/src/bin", "shared/events/golden", "shared/events/schemas"] {
        fs::create_dir_all(copy.path().join(folder)).unwrap();
    }
    fs::write(copy.path().join("functions/orders/src/bin/orders-api.rs"), "").unwrap();
    copy
}

fn files_in(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_in(&path));
        } else {
            files.insert(path.clone(), fs::read_to_string(path).unwrap());
        }
    }
    files
}

fn consumer(name: &str, publishes: Option<&str>) -> Consumer {
    let publishes = publishes.map(|event| event.parse::<EventName>().unwrap());
    Consumer {
        name: name.parse().unwrap(),
        on: vec![EventType::PaymentProcessed, EventType::PaymentRefunded],
        publishes,
    }
}

#[test]
fn a_consumer_that_goes_leaves_everything_as_it_was() {
    let copy = copy();
    let root = copy.path();
    let before = files_in(root);
    let (greetings, gifts) = (consumer("greetings", Some("GreetingSent")), consumer("gift-cards", None));
    greetings.draft(root).unwrap().write().unwrap();
    let with_one = files_in(root);
    assert!(with_one[&root.join(TEMPLATE)].contains("\n  Greetings:\n"));
    assert!(with_one[&root.join(TEMPLATE)].contains(", Greetings, Journal]"));
    assert!(with_one[&root.join(TYPES)].contains("GreetingSent from GREETINGS: { 1: GreetingSent },"));
    gifts.draft(root).unwrap().write().unwrap();
    assert!(fs::read_to_string(root.join(REGISTRY)).unwrap().contains("<orderflow_gift_cards::GiftCards>"));
    // In their absence `cargo measure` has added their budgets.
    let budgets = fs::read_to_string(root.join(BUDGETS)).unwrap();
    let own = "    \"gift-cards\": {\n      \"calls\": 2.0\n    },\n    \"intake\"";
    fs::write(root.join(BUDGETS), budgets.replacen("    \"intake\"", own, 1)).unwrap();
    removal::draft(root, &gifts.name).unwrap().write().unwrap();
    assert_eq!(files_in(root), with_one);
    removal::draft(root, &greetings.name).unwrap().write().unwrap();
    assert_eq!(files_in(root), before);
    assert!(!root.join("functions/greetings").exists());
}

#[test]
fn a_name_is_taken_once() {
    let copy = copy();
    let taken = |consumer: Consumer| consumer.draft(copy.path()).unwrap_err().to_string();
    assert_eq!(taken(consumer("orders", None)), "there is a service orders already");
    assert_eq!(taken(consumer("orders-api", None)), "there is a binary orders-api already");
    assert!(taken(consumer("greetings", Some("OrderCreated"))).starts_with("there is a type OrderCreated already"));
}

#[test]
fn a_service_that_others_know_stays() {
    let copy = copy();
    let root = copy.path();
    assert_eq!(
        removal::draft(root, &"greetings".parse().unwrap()).unwrap_err().to_string(),
        "there is no service greetings"
    );
    consumer("greetings", Some("GreetingSent")).draft(root).unwrap().write().unwrap();
    let user = root.join("functions/orders/src/lib.rs");
    fs::write(user, "use orderflow_events::GreetingSent;\n").unwrap();
    let error = removal::draft(root, &"greetings".parse().unwrap()).unwrap_err().to_string();
    assert!(error.ends_with("  functions/orders/src/lib.rs:1: use orderflow_events::GreetingSent;"), "{error}");
}

#[test]
fn what_is_no_service_stays() {
    let copy = copy();
    fs::create_dir_all(copy.path().join("functions/relay")).unwrap();
    let error = removal::draft(copy.path(), &"relay".parse().unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("relay is no service of the registry"), "{error}");
}

#[test]
fn a_file_without_the_place_for_it_is_named_and_nothing_is_written() {
    let copy = copy();
    let root = copy.path();
    fs::write(root.join(REGISTRY), "// no services\n").unwrap();
    let before = files_in(root);
    let error = consumer("greetings", None).draft(root).unwrap_err().to_string();
    assert!(error.starts_with("tests/registry/src/lib.rs has no line"), "{error}");
    assert_eq!(files_in(root), before);
}
