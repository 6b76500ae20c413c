//! Walls between the crates of the workspace: who may know whom.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::cargo::{cargo, metadata};
use crate::{assert_none, assert_one};

/// A crate of the workspace.
struct Crate {
    name: String,
    /// Folder, from the root of the workspace.
    folder: String,
    dependencies: Vec<Dependency>,
}

/// One line of a manifest.
#[derive(Clone)]
struct Dependency {
    name: String,
    is_optional: bool,
    is_dev: bool,
}

/// Crates of the workspace that those in a folder may depend on, for tests as well; `None` of a folder that may know all.
fn known(folder: &str) -> Option<&'static [&'static str]> {
    Some(match folder {
        // CloudEvents for anybody: no toolkit, no shop. The operator's command: the API alone.
        "shared/envelope" | "shared/orderctl" => &[],
        // The toolkit: no shop. The contract: no toolkit, for another team can depend on it alone.
        "shared/onewrite" | "shared/events" => &["onewrite-envelope"],
        "shared/simulator" => &["onewrite-envelope", "onewrite"],
        // Another application: the toolkit alone, and for its tests what simulates and deploys it.
        "tests/identity" => &["onewrite"],
        // Windows, and no services: they decide nothing, and show what services know.
        "functions/live" => &[
            "onewrite-envelope",
            "onewrite",
            "orderflow-analytics",
            "orderflow-events",
            "orderflow-inventory",
            "orderflow-journal",
            "orderflow-operations",
            "orderflow-orders",
        ],
        // And it sends mails as notification does.
        // Followers of the journal's feed, and no services: they decide nothing about an order, and send mails as notification does.
        "functions/webhooks" | "functions/notices" => {
            &["onewrite-envelope", "onewrite", "orderflow-events", "orderflow-journal", "orderflow-notification"]
        }
        _ if folder == "shared/simulated" || folder.starts_with("functions/") => {
            &["onewrite-envelope", "onewrite", "orderflow-events"]
        }
        _ => return None,
    })
}

/// Dependencies that go through a wall.
fn through_walls(crates: &[Crate]) -> Vec<String> {
    let ours: BTreeSet<&str> = crates.iter().map(|each| each.name.as_str()).collect();
    let mut faults = Vec::new();
    for each in crates {
        let Some(known) = known(&each.folder) else { continue };
        for dependency in each
            .dependencies
            .iter()
            .filter(|dependency| ours.contains(dependency.name.as_str()) && dependency.name != each.name)
        {
            // It is no code: see `features`.
            let is_evener = dependency.name == "workspace-hack" && dependency.is_dev;
            let is_feature = dependency.name == "orderflow-simulated"
                && each.folder.starts_with("functions/")
                && (dependency.is_optional || dependency.is_dev);
            let is_tool = each.folder == "tests/identity"
                && dependency.is_dev
                && ["onewrite-simulator", "orderflow-local"].contains(&dependency.name.as_str());
            if !is_evener && !is_feature && !is_tool && !known.contains(&dependency.name.as_str()) {
                faults.push(format!("{} must not depend on {}", each.name, dependency.name));
            }
        }
    }
    faults
}

/// Crates that no function may be made of: they belong to documents, tests and commands.
const NOT_IN_FUNCTIONS: [&str; 9] = [
    "clap",
    "jsonschema",
    "onewrite-simulator",
    "orderflow-local",
    "orderflow-registry",
    "orderflow-simulation",
    "orderflow-tests",
    "proptest",
    "schemars",
];

/// Lines of `cargo tree` with a crate that no function may be made of.
fn not_in_functions(tree: &str) -> Vec<String> {
    let name = |line: &str| line.split(' ').next().map(ToOwned::to_owned);
    let names: BTreeSet<String> = tree.lines().filter_map(name).collect();
    NOT_IN_FUNCTIONS
        .into_iter()
        .filter(|&forbidden| names.contains(forbidden))
        .map(|it| format!("functions are made of {it}"))
        .collect()
}

fn crates() -> Vec<Crate> {
    let metadata = metadata();
    let root = metadata["workspace_root"].as_str().expect("a path");
    let text = |json: &Json| json.as_str().expect("a text").to_owned();
    let dependency = |json: &Json| Dependency {
        name: text(&json["name"]),
        is_optional: json["optional"].as_bool().expect("a truth value"),
        is_dev: json["kind"] == "dev",
    };
    let package = |json: &Json| {
        let manifest = text(&json["manifest_path"]);
        let folder = manifest.strip_prefix(root).and_then(|path| path.strip_suffix("/Cargo.toml")).expect("a manifest");
        let dependencies = json["dependencies"].as_array().expect("dependencies").iter().map(dependency).collect();
        Crate { name: text(&json["name"]), folder: folder.trim_start_matches('/').to_owned(), dependencies }
    };
    metadata["packages"].as_array().expect("packages").iter().map(package).collect()
}

#[test]
fn no_crate_knows_one_behind_a_wall() {
    assert_none(&through_walls(&crates()));
}

#[test]
fn a_dependency_through_a_wall_is_found() {
    let runtime = Dependency { name: String::new(), is_optional: false, is_dev: false };
    let feature = Dependency { is_optional: true, ..runtime.clone() };
    let dev = Dependency { is_dev: true, ..runtime.clone() };
    let mut crates = vec![];
    for (name, folder) in [
        ("onewrite", "shared/onewrite"),
        ("onewrite-envelope", "shared/envelope"),
        ("onewrite-simulator", "shared/simulator"),
        ("orderctl", "shared/orderctl"),
        ("orderflow-events", "shared/events"),
        ("orderflow-identity", "tests/identity"),
        ("orderflow-live", "functions/live"),
        ("orderflow-local", "localstack"),
        ("orderflow-orders", "functions/orders"),
        ("orderflow-payment", "functions/payment"),
        ("orderflow-simulated", "shared/simulated"),
        ("orderflow-tests", "tests"),
        ("orderflow-webhooks", "functions/webhooks"),
        ("workspace-hack", "tests/workspace-hack"),
    ] {
        crates.push(Crate { name: name.to_owned(), folder: folder.to_owned(), dependencies: vec![] });
    }
    for (from, to, kind, is_allowed) in [
        ("onewrite-envelope", "serde", &runtime, true),
        ("onewrite-envelope", "onewrite", &runtime, false),
        ("onewrite-envelope", "orderflow-events", &dev, false),
        ("onewrite", "onewrite-envelope", &runtime, true),
        ("onewrite", "orderflow-events", &dev, false),
        ("onewrite-simulator", "onewrite", &runtime, true),
        ("onewrite-simulator", "orderflow-events", &runtime, false),
        ("orderctl", "serde", &runtime, true),
        ("orderctl", "workspace-hack", &dev, true),
        ("orderctl", "orderflow-local", &runtime, false),
        ("orderctl", "orderflow-events", &runtime, false),
        ("orderflow-events", "onewrite", &runtime, false),
        ("orderflow-identity", "onewrite", &runtime, true),
        ("orderflow-identity", "onewrite-simulator", &runtime, false),
        ("orderflow-identity", "onewrite-simulator", &dev, true),
        ("orderflow-identity", "orderflow-local", &dev, true),
        ("orderflow-identity", "orderflow-events", &dev, false),
        ("orderflow-live", "orderflow-orders", &runtime, true),
        ("orderflow-live", "orderflow-payment", &runtime, false),
        ("orderflow-orders", "orderflow-live", &dev, false),
        ("orderflow-payment", "onewrite", &runtime, true),
        ("orderflow-payment", "orderflow-orders", &dev, false),
        ("orderflow-payment", "orderflow-simulated", &runtime, false),
        ("orderflow-payment", "orderflow-simulated", &feature, true),
        ("orderflow-payment", "orderflow-simulated", &dev, true),
        ("orderflow-payment", "workspace-hack", &dev, true),
        ("orderflow-payment", "workspace-hack", &runtime, false),
        ("orderflow-tests", "orderflow-payment", &runtime, true),
        ("orderflow-webhooks", "orderflow-orders", &dev, false),
    ] {
        let of = crates.iter_mut().find(|each| each.name == from).expect("a crate");
        of.dependencies = vec![Dependency { name: to.to_owned(), ..kind.clone() }];
        let faults = through_walls(&crates);
        assert_eq!(faults.is_empty(), is_allowed, "{from} → {to}: {faults:?}");
        for each in &mut crates {
            each.dependencies.clear();
        }
    }
}

#[test]
fn functions_are_made_of_what_they_need_alone() {
    let crates = crates();
    let functions = crates.iter().filter(|each| each.folder.starts_with("functions/"));
    let packages = functions.flat_map(|each| ["--package", each.name.as_str()]);
    let options = ["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let tree = cargo(&options.into_iter().chain(packages).collect::<Vec<_>>());
    assert!(tree.lines().any(|line| line.starts_with("aws-sdk-dynamodb v")), "no tree of dependencies: {tree}");
    assert_none(&not_in_functions(&tree));
}

#[test]
fn a_crate_for_tests_in_a_function_is_found() {
    assert_none(&not_in_functions(
        "orderflow-payment v0.1.0 (/functions/payment)\nserde v1.0.0\nschemars_derive v1.0.0",
    ));
    assert_one(&not_in_functions("serde v1.0.0\nschemars v1.0.0\nschemars v1.0.0 (*)"), "schemars");
}
