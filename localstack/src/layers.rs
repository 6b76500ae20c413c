//! The order of the files: each folder knows those after it alone, and no two files know each other, however far round.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Folders from the roof to the ground, and beneath all of them the file that knows where the workspace is.
const LAYERS: [&str; 6] = ["commands", "stack", "emulator", "client", "terminal", "workspace"];

/// Modules that each module names, by their paths such as `stack::build`.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_file_knows_one_that_knows_it() {
    assert_eq!(circle_in(&graph_of_this_crate()), None);
}

#[test]
fn no_folder_knows_one_above_it() {
    let layer = |module: &str| LAYERS.iter().position(|layer| module.split("::").next() == Some(layer));
    for (module, known) in graph_of_this_crate() {
        for other in known {
            assert!(layer(&module) <= layer(&other), "{module} knows {other}");
        }
    }
}

#[test]
fn a_circle_is_found_however_long_it_is() {
    let graph = |edges: &[(&str, &[&str])]| -> Graph {
        let known = |known: &[&str]| known.iter().map(|&other| other.to_owned()).collect();
        edges.iter().map(|(module, others)| ((*module).to_owned(), known(others))).collect()
    };
    assert_eq!(circle_in(&graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])), None);
    let circle = circle_in(&graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &["b"])]));
    assert_eq!(circle.unwrap(), ["b", "c", "d", "b"]);
}

#[test]
fn a_module_is_found_in_every_way_to_name_it() {
    let modules = ["stack", "stack::build", "stack::sam"].map(str::to_owned).into();
    for (text, expected) in [
        ("use crate::stack::build::{Profile, build};", &["stack::build"][..]),
        ("use crate::stack::{build, sam::SamBuild};", &["stack::build", "stack::sam"]),
        ("use crate::stack::Stack;", &["stack"]),
        ("let it = crate::stack::sam::HOST;", &["stack::sam"]),
        ("use other::stack::Stack;", &[]),
    ] {
        assert_eq!(named_in(text, &modules).into_iter().collect::<Vec<_>>(), expected, "{text}");
    }
}

fn graph_of_this_crate() -> Graph {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut texts = BTreeMap::new();
    read(&root, "", &mut texts);
    let modules = texts.keys().cloned().collect();
    let known = |(module, text): (&String, &String)| {
        (module.clone(), &named_in(text, &modules) | &declared_in(text, module, &modules))
    };
    texts.iter().map(known).collect()
}

fn read(dir: &Path, parent: &str, texts: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let module = if parent.is_empty() { name.to_owned() } else { format!("{parent}::{name}") };
        if path.is_dir() {
            read(&path, &module, texts);
        } else if !["lib", "main", "layers"].contains(&module.as_str()) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.replace("use super::*;", "").contains("super::"), "{module} names another without crate::");
            texts.insert(module, text);
        }
    }
}

/// Modules that a text names after `crate::`, each as far as it is a file.
fn named_in(text: &str, modules: &BTreeSet<String>) -> BTreeSet<String> {
    text.split("crate::").skip(1).flat_map(paths_at_start).filter_map(|path| file_of(&path, modules)).collect()
}

/// Modules below this one: it may name them without `crate::`.
fn declared_in(text: &str, module: &str, modules: &BTreeSet<String>) -> BTreeSet<String> {
    let names =
        text.lines().filter_map(|line| line.trim_start_matches("pub(crate) ").strip_prefix("mod ")?.strip_suffix(';'));
    names.map(|name| format!("{module}::{name}")).filter(|below| modules.contains(below)).collect()
}

/// The path at the start of a text, or, before braces, one for each of their members.
fn paths_at_start(text: &str) -> Vec<String> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || "_:".contains(c))).unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    match rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((members, _)) => members.split(',').map(|member| format!("{path}{}", member.trim())).collect(),
        None => vec![path.to_owned()],
    }
}

fn file_of(path: &str, modules: &BTreeSet<String>) -> Option<String> {
    let ends = path.match_indices("::").map(|(at, _)| at).chain([path.len()]);
    ends.map(|end| &path[..end]).filter(|start| modules.contains(*start)).last().map(str::to_owned)
}

/// Modules of which each knows the next, and the last the first.
fn circle_in(graph: &Graph) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    graph.keys().find_map(|module| circle_from(module, graph, &mut Vec::new(), &mut done))
}

fn circle_from<'a>(
    module: &'a str,
    graph: &'a Graph,
    way: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<String>> {
    if let Some(start) = way.iter().position(|passed| *passed == module) {
        return Some(way[start..].iter().chain([&module]).map(|&module| module.to_owned()).collect());
    }
    if !done.insert(module) {
        return None;
    }
    way.push(module);
    let others = graph.get(module).into_iter().flatten();
    let found = others.filter(|other| *other != module).find_map(|other| circle_from(other, graph, way, done));
    way.pop();
    found
}
