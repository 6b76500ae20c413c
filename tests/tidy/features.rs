//! Features of the dependencies: the same, whichever packages are selected, so that no selection compiles them anew.

use std::collections::{BTreeMap, BTreeSet};

use crate::cargo::{cargo, metadata};
use crate::{assert_none, assert_one};

/// The crate that evens features out. Nobody selects it.
const EVENER: &str = "workspace-hack";

/// Crates that are small enough to compile alone, and that nobody should have to compile an SDK for.
const ALONE: [&str; 2] = ["onewrite-envelope", "orderflow-events"];

/// Sets of features of each dependency, by name and version; more than one where it is compiled more than once.
type Features = BTreeMap<String, BTreeSet<String>>;

/// Features that a selection of packages gives to the dependencies, less the crates of the workspace.
fn features(selection: &[&str], edges: &str, ours: &BTreeSet<String>) -> Features {
    let format = ["tree", "--edges", edges, "--prefix", "none", "--format", "{p}|{f}"];
    read(&cargo(&[&format, selection].concat()), ours)
}

fn read(tree: &str, ours: &BTreeSet<String>) -> Features {
    let mut features = Features::new();
    for (package, of) in tree.lines().filter_map(|line| line.split_once('|')) {
        let mut words = package.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if !ours.contains(name) {
            // The mark of what was told before.
            let of = of.trim_end_matches(" (*)").to_owned();
            features.entry(format!("{name} {version}")).or_default().insert(of);
        }
    }
    features
}

/// Dependencies that a selection compiles with other features than the whole workspace does.
fn compiled_anew(selection: &str, selected: &Features, whole: &Features) -> Vec<String> {
    let none = BTreeSet::new();
    let mut faults = Vec::new();
    for (dependency, of) in selected {
        let known = whole.get(dependency).unwrap_or(&none);
        for features in of.difference(known) {
            faults.push(format!("{selection} compiles {dependency} with [{features}], the workspace with {known:?}"));
        }
    }
    faults
}

#[test]
fn no_selection_of_packages_compiles_a_dependency_anew() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages").iter();
    let ours: BTreeSet<String> = packages.map(|package| package["name"].as_str().expect("a name").to_owned()).collect();
    let whole = features(&["--workspace"], "normal,build,dev", &ours);
    let commands = features(&["--workspace"], "normal,build", &ours);
    let mut faults = compiled_anew("cargo build", &commands, &whole);
    for package in ours.iter().filter(|package| **package != EVENER && !ALONE.contains(&package.as_str())) {
        let selected = features(&["--package", package], "normal,build,dev", &ours);
        faults.extend(compiled_anew(package, &selected, &whole));
    }
    for fault in &mut faults {
        fault.push_str(": tests/workspace-hack evens that out");
    }
    assert_none(&faults);
}

#[test]
fn a_dependency_that_is_compiled_anew_is_found() {
    let ours = BTreeSet::from(["ours".to_owned()]);
    let whole = read(
        "ours v1 (/ours)|default\nserde v1.0.0|derive,std\nsyn v2.0.0 (proc-macro)|full\nserde v1.0.0|derive,std (*)\n",
        &ours,
    );
    let compiled_anew = |tree| compiled_anew("ours", &read(tree, &ours), &whole);
    assert_none(&compiled_anew("ours v1 (/ours)|\nserde v1.0.0|derive,std\n"));
    assert_one(&compiled_anew("serde v1.0.0|derive,std\nserde v1.0.0|std\n"), "serde v1.0.0 with [std]");
    assert_one(&compiled_anew("serde v2.0.0|derive,std\n"), "serde v2.0.0");
}
