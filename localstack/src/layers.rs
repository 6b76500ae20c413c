//! The order of the folders: each knows those after it alone. That no two files know each other is a rule of the house.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders from the roof to the ground, and beneath all of them the file that knows where the workspace is.
const LAYERS: [&str; 7] = ["commands", "scaffold", "stack", "emulator", "client", "terminal", "workspace"];

#[test]
fn no_folder_knows_one_above_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (index, layer) in LAYERS.iter().enumerate() {
        let mut files = vec![source.join(format!("{layer}.rs"))];
        files.extend(files_in(&source.join(layer)));
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for above in &LAYERS[..index] {
                assert!(!text.contains(&format!("crate::{above}::")), "{} knows {above}", file.display());
            }
        }
    }
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}
