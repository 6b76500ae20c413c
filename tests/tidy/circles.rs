//! Circles of files within a crate: two files that need each other, however far round, are read as one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde_json::Value as Json;

use crate::assert_none;
use crate::cargo::metadata;
use crate::markdown::plain;
use crate::repository::Repository;

/// Files, each with the files that it names.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Names from the root of the crate, such as `["aws", "dynamo"]`.
type ModulePath = Vec<String>;

/// Modules of one crate, without its tests.
struct Crate<'a> {
    repository: &'a Repository,
    modules: BTreeMap<ModulePath, Module>,
    /// Files of the macros, which are found without a path.
    macros: BTreeMap<String, String>,
}

/// Names in one module.
#[derive(Default)]
struct Module {
    file: String,
    /// Folder of the files of its children.
    folder: PathBuf,
    children: BTreeSet<String>,
    /// Items that are written here.
    defined: BTreeSet<String>,
    /// Items that are brought here by `use`, with where from.
    imported: BTreeMap<String, Vec<String>>,
    /// Modules that all is brought from.
    globs: Vec<Vec<String>>,
    /// Paths in its code, those of `use` among them.
    named: Vec<Vec<String>>,
    /// Macros that are called.
    called: BTreeSet<String>,
}

impl<'a> Crate<'a> {
    fn read(repository: &'a Repository, root: &str) -> Self {
        let mut of = Self { repository, modules: BTreeMap::new(), macros: BTreeMap::new() };
        of.add_file(vec![], root, parent(root));
        of
    }

    /// Adds the module that a file is, and those in and under it. The files of its children are in the folder.
    fn add_file(&mut self, path: ModulePath, file: &str, folder: &Path) {
        let text = self.repository.text(file).unwrap_or_else(|| panic!("{file} is not there"));
        let tokens = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.add(path, file, folder, tokens);
    }

    fn add(&mut self, path: ModulePath, file: &str, folder: &Path, tokens: TokenStream) {
        let mut module = Module { file: file.to_owned(), folder: folder.to_owned(), ..Module::default() };
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        let mut attributes = Vec::new();
        while let [first, after @ ..] = rest {
            if is_sign(first, '#') {
                // Of an inner attribute, `#![…]`, which belongs to no item.
                let is_inner = after.first().is_some_and(|token| is_sign(token, '!'));
                let length = if is_inner { 2 } else { 1 };
                attributes.extend(after.first().filter(|_| !is_inner).map(ToString::to_string));
                rest = after.get(length..).unwrap_or_default();
                continue;
            }
            let item = &rest[..end_of_item(rest)];
            rest = &rest[item.len()..];
            if !attributes.iter().any(|attribute| is_of_tests(attribute)) {
                self.add_item(&path, &mut module, item, &attributes);
            }
            attributes.clear();
        }
        self.modules.insert(path, module);
    }

    fn add_item(&mut self, path: &ModulePath, module: &mut Module, item: &[TokenTree], attributes: &[String]) {
        let item = without_visibility(item);
        let words: Vec<String> = item.iter().take(3).map(ToString::to_string).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match (words.as_slice(), item) {
            (["mod", name, ";"], _) => {
                module.children.insert((*name).to_owned());
                let (file, folder) = module.file_of_child(self.repository, name, attributes);
                self.add_file(child(path, name), &file, &folder);
            }
            (["mod", name, ..], [_, _, TokenTree::Group(body)]) => {
                module.children.insert((*name).to_owned());
                self.add(child(path, name), &module.file, &module.folder.join(name), body.stream());
            }
            (["use", ..], [_, tree @ ..]) => module.import(&[], tree),
            (["macro_rules", "!", name], [_, _, _, body @ ..]) => {
                self.macros.insert((*name).to_owned(), module.file.clone());
                module.name_paths(body);
            }
            _ => {
                let keyword = |word: &&str| ITEMS.contains(word);
                if let Some(at) = words.iter().position(keyword) {
                    module.defined.extend(item.get(at + 1).map(ToString::to_string));
                }
                module.name_paths(item);
            }
        }
    }

    /// Files, with those that each names.
    fn graph(&self) -> Graph {
        let mut graph = Graph::new();
        for (path, module) in &self.modules {
            let paths = module.named.iter().filter_map(|named| self.file_of(path, named, 8));
            let macros = module.called.iter().filter_map(|name| self.macros.get(name).cloned());
            let named = graph.entry(module.file.clone()).or_default();
            named.extend(paths.chain(macros).filter(|file| *file != module.file));
        }
        graph
    }

    /// File in which the item of a path is written, followed through what is brought elsewhere by `use`; `None` of another
    /// crate's.
    fn file_of(&self, from: &ModulePath, path: &[String], patience: usize) -> Option<String> {
        let (at, rest) = self.start(from, path)?;
        let (at, rest) = self.descend(at, rest);
        let module = self.modules.get(&at)?;
        let Some(name) = rest.first().filter(|_| patience > 0) else { return Some(module.file.clone()) };
        if module.defined.contains(name) {
            return Some(module.file.clone());
        }
        let imported = module
            .imported
            .get(name)
            .filter(|import| *import != path)
            .and_then(|import| self.file_of(&at, import, patience - 1));
        let by_glob = || module.globs.iter().find_map(|glob| self.file_by_glob(&at, glob, name));
        let is_macro = || self.macros.get(name).filter(|_| at.is_empty()).cloned();
        imported.or_else(by_glob).or_else(is_macro).or_else(|| Some(module.file.clone()))
    }

    /// Module that a path begins at, and the rest of it.
    fn start<'p>(&self, from: &ModulePath, path: &'p [String]) -> Option<(ModulePath, &'p [String])> {
        match path.first()?.as_str() {
            "crate" => Some((vec![], &path[1..])),
            "self" => Some((from.clone(), &path[1..])),
            "super" => {
                let supers = path.iter().take_while(|name| *name == "super").count();
                Some((from[..from.len().checked_sub(supers)?].to_vec(), &path[supers..]))
            }
            name => self.modules.get(from)?.children.contains(name).then(|| (from.clone(), path)),
        }
    }

    fn descend<'p>(&self, mut at: ModulePath, mut path: &'p [String]) -> (ModulePath, &'p [String]) {
        while let [name, rest @ ..] = path
            && self.modules.contains_key(&child(&at, name))
        {
            at.push(name.clone());
            path = rest;
        }
        (at, path)
    }

    fn file_by_glob(&self, from: &ModulePath, glob: &[String], name: &str) -> Option<String> {
        let (at, rest) = self.start(from, glob)?;
        let (at, rest) = self.descend(at, rest);
        let module = self.modules.get(&at).filter(|_| rest.is_empty())?;
        module.defined.contains(name).then(|| module.file.clone())
    }
}

/// Words before the name of an item.
const ITEMS: [&str; 8] = ["const", "enum", "fn", "static", "struct", "trait", "type", "union"];

impl Module {
    /// File of a module that is declared here, and the folder for those that are declared there.
    fn file_of_child(&self, repository: &Repository, name: &str, attributes: &[String]) -> (String, PathBuf) {
        if let Some(path) = attributes.iter().find_map(|attribute| attribute.strip_prefix("[path = ")) {
            let file =
                plain(&parent(&self.file).join(path.trim_matches(['"', ']']))).expect("a path in the repository");
            let folder = parent(&file).to_owned();
            return (file, folder);
        }
        let folder = self.folder.join(name);
        let [file, in_folder] =
            [folder.with_extension("rs"), folder.join("mod.rs")].map(|file| file.display().to_string());
        (if repository.has(&file) { file } else { in_folder }, folder)
    }

    /// Takes the tree of a `use`.
    fn import(&mut self, prefix: &[String], tree: &[TokenTree]) {
        for branch in tree.split(|token| is_sign(token, ',') || is_sign(token, ';')) {
            let mut path = prefix.to_vec();
            let mut alias = None;
            let mut tokens = branch.iter().peekable();
            while let Some(token) = tokens.next() {
                match token {
                    TokenTree::Ident(word) if *word == "as" => alias = tokens.next().map(ToString::to_string),
                    TokenTree::Ident(word) => path.push(word.to_string()),
                    TokenTree::Group(group) => {
                        self.import(&path, &group.stream().into_iter().collect::<Vec<_>>());
                        path.clear();
                    }
                    TokenTree::Punct(sign) if sign.as_char() == '*' => {
                        self.named.push(path.clone());
                        self.globs.push(std::mem::take(&mut path));
                    }
                    _ => {}
                }
            }
            if path.last().is_some_and(|name| name == "self") {
                path.pop();
            }
            if let Some(name) = alias.or_else(|| path.last().cloned()) {
                self.named.push(path.clone());
                self.imported.insert(name, path);
            }
        }
    }

    /// Takes the paths and the macros of code.
    fn name_paths(&mut self, tokens: &[TokenTree]) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if colons == 2 && !path.is_empty() => path.push(name.to_string()),
                TokenTree::Punct(sign) if sign.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(name) => {
                    self.keep(std::mem::replace(&mut path, vec![name.to_string()]));
                }
                TokenTree::Punct(sign) if sign.as_char() == '!' && path.len() == 1 => {
                    self.called.extend(path.drain(..));
                }
                TokenTree::Group(group) => {
                    self.keep(std::mem::take(&mut path));
                    self.name_paths(&group.stream().into_iter().collect::<Vec<_>>());
                }
                _ => self.keep(std::mem::take(&mut path)),
            }
            colons = 0;
        }
        self.keep(path);
    }

    fn keep(&mut self, path: Vec<String>) {
        self.named.extend((path.len() > 1).then_some(path));
    }
}

/// Length of the item that tokens begin with: to its `;`, or to its braces, unless they are those of a `use`.
fn end_of_item(tokens: &[TokenTree]) -> usize {
    let is_use = without_visibility(tokens).first().is_some_and(|word| word.to_string() == "use");
    let is_end = |token: &TokenTree| {
        let is_braces = matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        is_sign(token, ';') || (is_braces && !is_use)
    };
    tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1)
}

fn without_visibility(tokens: &[TokenTree]) -> &[TokenTree] {
    match tokens {
        [TokenTree::Ident(word), TokenTree::Group(_), rest @ ..] | [TokenTree::Ident(word), rest @ ..]
            if *word == "pub" =>
        {
            rest
        }
        _ => tokens,
    }
}

fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

/// True of `test`, `cfg(test)`, `cfg(all(test, …))`; tests may know all that they test with.
fn is_of_tests(attribute: &str) -> bool {
    let words: Vec<&str> = attribute.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    matches!(words.as_slice(), ["test"])
        || words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not")
}

fn child(path: &ModulePath, name: &str) -> ModulePath {
    path.iter().cloned().chain([name.to_owned()]).collect()
}

fn parent(file: &str) -> &Path {
    Path::new(file).parent().unwrap_or(Path::new(""))
}

/// Each group of files that all need each other, with the shortest way round from the first of them.
fn circles(graph: &Graph) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for start in graph.keys() {
        if seen.contains(start) {
            continue;
        }
        if let Some(circle) = way_round(graph, start) {
            let from_start = reachable(graph, start);
            let group = from_start.iter().filter(|file| reachable(graph, file).contains(start));
            let before = seen.len();
            seen.extend(group.cloned());
            faults.push(format!("{} ({} files in all)", circle.join(" → "), seen.len() - before));
        }
    }
    faults
}

fn reachable(graph: &Graph, start: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![start.to_owned()];
    while let Some(file) = open.pop() {
        for next in graph.get(&file).into_iter().flatten() {
            if found.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    found
}

/// Shortest way from a file to itself.
fn way_round(graph: &Graph, start: &str) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([vec![start.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in graph.get(way.last()?).into_iter().flatten() {
            let longer: Vec<String> = way.iter().chain([next]).cloned().collect();
            if next == start {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                ways.push_back(longer);
            }
        }
    }
    None
}

/// Root files of all crates and tests in the workspace.
fn roots() -> Vec<String> {
    let metadata = metadata();
    let root = format!("{}/", metadata["workspace_root"].as_str().expect("a path"));
    let targets =
        metadata["packages"].as_array().expect("packages").iter().filter_map(|package| package["targets"].as_array());
    let file = |target: &Json| plain(Path::new(target["src_path"].as_str()?.strip_prefix(&root)?));
    targets.flatten().filter_map(file).collect()
}

#[test]
fn no_file_needs_one_that_needs_it() {
    let circles =
        roots().iter().flat_map(|root| circles(&Crate::read(Repository::this(), root).graph())).collect::<Vec<_>>();
    assert_none(&circles);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files that the root and all under it name, as `from → to`.
    fn edges(files: &[(&str, &str)]) -> Vec<String> {
        let graph = Crate::read(&Repository::of(files), files[0].0).graph();
        graph.iter().flat_map(|(from, named)| named.iter().map(move |to| format!("{from} → {to}"))).collect()
    }

    #[test]
    fn a_file_is_found_in_every_way_to_name_it() {
        for text in [
            "use crate::b::B;",
            "use crate::{b::{B as C}};",
            "use crate::b::{self};",
            "use super::b::B;",
            "fn f() -> u8 { g(crate::b::B::new()) }",
            "use crate::B;",
            "use crate::*; use crate::B as C;",
            "impl T for crate::b::B { const C: u8 = 1; }",
            "m!(x);",
            "crate::m!(x);",
        ] {
            let root = "mod a; mod b; pub use b::B;";
            let files =
                [("src/lib.rs", root), ("src/a.rs", text), ("src/b.rs", "pub struct B; macro_rules! m { () => {} }")];
            let edges = edges(&files);
            assert!(edges.contains(&"src/a.rs → src/b.rs".to_owned()), "{text}: {edges:?}");
            assert!(!edges.contains(&"src/a.rs → src/lib.rs".to_owned()) || text.contains('*'), "{text}: {edges:?}");
        }
    }

    #[test]
    fn a_file_is_not_found_where_it_is_not_named() {
        for text in [
            "// use crate::b::B;",
            "/// [`crate::b::B`]",
            "const S: &str = \"crate::b::B\";",
            "#[cfg(test)] mod tests { use crate::b::B; }",
            "#[cfg(all(test, unix))] use crate::b::{B};",
            "#[test] fn t() { crate::b::B::new() }",
            "use other::b::B;",
            "fn b() {}",
        ] {
            let files = [("src/lib.rs", "mod a; mod b;"), ("src/a.rs", text), ("src/b.rs", "pub struct B;")];
            assert_none(&edges(&files));
        }
    }

    #[test]
    fn modules_are_found_in_their_files() {
        let files = [
            ("src/lib.rs", "//! All of it.\n#![forbid(unsafe_code)]\nmod a; pub mod c { pub mod d; }"),
            ("src/a.rs", "#[cfg(test)] mod tests; mod b; use b::B;"),
            ("src/a/b.rs", "use super::A;"),
            ("src/c/d.rs", "use super::super::a; #[path = \"../x/e.rs\"] mod e;"),
            ("src/x/e.rs", "use crate::c::d::D;"),
        ];
        let expected =
            ["src/a.rs → src/a/b.rs", "src/a/b.rs → src/a.rs", "src/c/d.rs → src/a.rs", "src/x/e.rs → src/c/d.rs"];
        assert_eq!(edges(&files), expected);
    }

    #[test]
    fn a_circle_is_told_by_its_shortest_way() {
        let graph = |edges: &[(&str, &str)]| {
            let mut graph = Graph::new();
            for (from, to) in edges {
                graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
            }
            circles(&graph)
        };
        assert_none(&graph(&[("a", "b"), ("a", "c"), ("b", "c")]));
        assert_eq!(graph(&[("a", "b"), ("b", "a")]), ["a → b → a (2 files in all)"]);
        assert_eq!(
            graph(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b"), ("c", "b")]),
            ["b → c → b (3 files in all)"]
        );
        assert_eq!(graph(&[("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")]).len(), 2);
    }
}
