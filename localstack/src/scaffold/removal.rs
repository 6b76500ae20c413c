//! Removal of a consumer: its files, and its lines in the files of all.

use std::fs;
use std::path::{Path, PathBuf};

use crate::scaffold::consumer::{BUDGETS, EVENTS, REGISTRY, REGISTRY_MANIFEST, TEMPLATE, TYPES};
use crate::scaffold::draft::{Draft, DraftError};
use crate::scaffold::error::ScaffoldError;
use crate::scaffold::name::Name;

/// Folders with code that may know a service.
const CODE: [&str; 3] = ["functions", "shared", "tests"];

/// The workspace without that consumer.
///
/// # Errors
///
/// There is none; or others know it or its types, and would not compile without it.
pub(crate) fn draft(root: &Path, name: &Name) -> Result<Draft, ScaffoldError> {
    let folder = PathBuf::from("functions").join(name.kebab());
    if !root.join(&folder).is_dir() {
        return Err(ScaffoldError::Taken(format!("there is no service {name}")));
    }
    // The relay's crate is none of a service, and no service's crate knows it: all of them need it.
    let registry = fs::read_to_string(root.join(REGISTRY));
    let registry = registry.map_err(|source| DraftError::File { path: REGISTRY.into(), source })?;
    if !registry.contains(&format!("<orderflow_{}::", name.snake())) {
        return Err(ScaffoldError::Taken(format!("{name} is no service of the registry, {REGISTRY}")));
    }
    let types = types_of(root, name)?;
    refuse_if_in_use(root, name, &types)?;

    let mut draft = Draft::of(root);
    draft.delete(&folder)?;
    let module = format!("{}_events", name.snake());
    draft.delete(format!("shared/events/src/{module}.rs"))?;
    for event in &types {
        for folder in ["golden", "schemas"] {
            for file in files_in(&root.join("shared/events").join(folder)) {
                let file_name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if file_name.split('.').next() == Some(event) {
                    draft.delete(format!("shared/events/{folder}/{file_name}"))?;
                }
            }
        }
    }
    draft.edit(EVENTS, |lines| {
        lines.remove(|line| line == format!("mod {module};\n") || line.starts_with(&format!("pub use {module}::")));
    })?;
    draft.edit(TYPES, |lines| {
        lines.remove(|line| line.starts_with(&format!("use crate::{module}::")));
        let entry = format!(" from {}: ", name.shouting());
        while let Some(place) = lines.0.iter().position(|line| line.contains(&entry)) {
            let comment = lines.0[..place].iter().rev().take_while(|line| line.trim_start().starts_with("///")).count();
            lines.0.drain(place - comment..=place);
        }
    })?;
    let (pascal, snake) = (name.pascal(), name.snake());
    draft.edit(TEMPLATE, |lines| {
        let heading = format!("  # ── {} ─", name.title());
        lines
            .remove_from(|line| line.starts_with(&heading), |line| line.starts_with("  # ── ") || line == "Outputs:\n");
        lines.replace(&format!(", {pascal}, "), ", ");
        let (first, all) = (format!("  {pascal}QueueUrl:"), format!("  {pascal}"));
        let is_after = |line: &str| !line.trim().is_empty() && !line.starts_with(&all);
        lines.remove_from(|line| line.starts_with(&first), is_after);
        // Its metrics in the dashboard.
        lines.remove(|line| line.contains(&format!("{{\"label\": \"{name}\"")));
    })?;
    draft.edit(REGISTRY, |lines| {
        let entry = format!("<orderflow_{snake}::");
        lines.remove_from(
            |line| line.trim_start().starts_with("Service::") && line.contains(&entry),
            |line| line.trim_start().starts_with("Service::") || line.starts_with(']'),
        );
    })?;
    draft.edit(REGISTRY_MANIFEST, |lines| {
        lines.remove(|line| line.starts_with(&format!("orderflow-{name} = ")));
    })?;
    draft.edit(BUDGETS, |lines| {
        let first = format!("    \"{name}\": {{\n");
        lines.remove_from(|line| line == first, |line| line.starts_with("    \"") || line.starts_with("  }"));
        // Of the last entry the comma before it has to go, too.
        if let Some(end) = lines.0.windows(2).position(|pair| pair[0] == "    },\n" && pair[1].starts_with("  }")) {
            "    }\n".clone_into(&mut lines.0[end]);
        }
    })?;
    Ok(draft)
}

/// Types that count from that service.
fn types_of(root: &Path, name: &Name) -> Result<Vec<String>, DraftError> {
    let path = root.join(TYPES);
    let text = fs::read_to_string(&path).map_err(|source| DraftError::File { path: TYPES.into(), source })?;
    let entry = format!(" from {}: ", name.shouting());
    Ok(text.lines().filter_map(|line| Some(line.split_once(&entry)?.0.trim().to_owned())).collect())
}

fn refuse_if_in_use(root: &Path, name: &Name, types: &[String]) -> Result<(), ScaffoldError> {
    let crates = [format!("orderflow_{}", name.snake()), format!("orderflow-{name}")];
    let words: Vec<&str> = crates.iter().chain(types).map(String::as_str).collect();
    let own = [format!("functions/{name}/"), format!("shared/events/src/{}_events.rs", name.snake())];
    let mut places = Vec::new();
    for file in CODE.into_iter().flat_map(|folder| files_in(&root.join(folder))) {
        let path = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
        let is_code = file.extension().is_some_and(|end| end == "rs" || end == "toml");
        let is_changed = [EVENTS, TYPES, REGISTRY, REGISTRY_MANIFEST].contains(&path.as_str());
        if !is_code || is_changed || own.iter().any(|own| path.starts_with(own)) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap_or_default();
        let knows = |line: &str| {
            if line.trim_start().starts_with("//") {
                return false;
            }
            let mut found = line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'));
            found.any(|word| words.contains(&word))
        };
        let lines = text.lines().enumerate().filter(|(_, line)| knows(line));
        places.extend(lines.map(|(index, line)| format!("  {path}:{}: {}", index + 1, line.trim())));
    }
    if places.is_empty() { Ok(()) } else { Err(ScaffoldError::InUse { name: name.to_string(), places }) }
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    let is_ours = |path: &PathBuf| !path.ends_with("target") && !path.ends_with("node_modules");
    let entries = entries.into_iter().filter(is_ours);
    entries.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}
