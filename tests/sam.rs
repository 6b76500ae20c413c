//! Packages that `sam build` compiles, as `Cargo.toml` tells cargo-lambda.

#![expect(clippy::expect_used, reason = "all of it is tests, though Clippy does not see any")]

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value as Json;

/// The packages of the workspace, and what it tells other programs.
fn metadata() -> Json {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let answer = Command::new(env!("CARGO")).args(arguments).output().expect("cargo runs");
    serde_json::from_slice(&answer.stdout).expect("the workspace's metadata")
}

#[test]
fn it_compiles_all_functions_at_once_and_nothing_that_stays_here() {
    let metadata = metadata();
    let build = &metadata["metadata"]["lambda"]["build"];
    assert_eq!((&build["workspace"], &build["bins"]), (&Json::Bool(true), &Json::Bool(true)));

    let root = metadata["workspace_root"].as_str().expect("a path");
    let is_deployed = |package: &Json| {
        let manifest = package["manifest_path"].as_str().and_then(|path| path.strip_prefix(root)).expect("a path");
        // The simulator asks the toolkit for what is for tests, and the operator's command runs where the operator is.
        let stays_here = ["/shared/simulator/", "/shared/orderctl/"].iter().any(|folder| manifest.starts_with(folder));
        manifest.starts_with("/functions/") || (manifest.starts_with("/shared/") && !stays_here)
    };
    let names = |packages: &mut dyn Iterator<Item = &Json>| -> BTreeSet<String> {
        packages.map(|name| name.as_str().expect("a name").to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().expect("packages");
    let tools = names(&mut packages.iter().filter(|package| !is_deployed(package)).map(|package| &package["name"]));
    let excluded = names(&mut build["exclude"].as_array().expect("packages").iter());
    assert_eq!(excluded, tools, "[workspace.metadata.lambda.build] in Cargo.toml has to exclude what is no function");
}
