//! Documents: links that lead somewhere, files that are there, commands that exist.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use orderflow_local::Cli;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use crate::repository::Repository;
use crate::{assert_none, assert_one};

/// Content of a document.
#[derive(Default)]
struct Document {
    links: Vec<String>,
    /// Names of its headings, as GitHub makes them.
    anchors: BTreeSet<String>,
    /// Code within a line.
    code: Vec<String>,
    /// Lines of the blocks that a reader pastes into a shell, `sh`.
    commands: Vec<String>,
}

impl Document {
    fn read(text: &str) -> Self {
        let mut document = Self::default();
        let mut heading: Option<String> = None;
        let mut is_shell = false;
        for event in Parser::new_ext(text, pulldown_cmark::Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    document.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => document.anchors.extend(heading.take().as_deref().map(anchor)),
                Event::Start(Tag::CodeBlock(kind)) => {
                    is_shell = matches!(kind, CodeBlockKind::Fenced(language) if &*language == "sh");
                }
                Event::End(TagEnd::CodeBlock) => is_shell = false,
                Event::Text(text) if is_shell => document.commands.extend(text.lines().map(ToOwned::to_owned)),
                Event::Text(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::Code(code) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&code);
                    }
                    document.code.push(code.into_string());
                }
                _ => {}
            }
        }
        document
    }
}

/// Name under which GitHub links to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|&c| c.is_alphanumeric() || "-_ ".contains(c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Links within the repository that lead nowhere.
fn dead_links(repository: &Repository) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in repository.ending(".md") {
        for link in Document::read(text).links {
            if !link.contains(':') && !leads_somewhere(repository, path, &link) {
                faults.push(format!("{path}: {link} leads nowhere"));
            }
        }
    }
    faults
}

fn leads_somewhere(repository: &Repository, from: &str, link: &str) -> bool {
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let folder = Path::new(from).parent().unwrap_or(Path::new(""));
    let target = if file.is_empty() { Some(from.to_owned()) } else { plain(&folder.join(file)) };
    let Some(target) = target else { return false };
    match (anchor, repository.text(&target)) {
        (None, _) => repository.has(&target),
        (Some(anchor), Some(text)) => Document::read(text).anchors.contains(anchor),
        (Some(_), None) => false,
    }
}

/// A path without `.` and `..`, unless it leads out of the repository.
pub(crate) fn plain(path: &Path) -> Option<String> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop().then_some(())?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    plain.into_os_string().into_string().ok()
}

/// Paths in a document's code and commands that are not in the repository. A path is a word that begins with the name of a
/// folder at the root, such as `tests/src`, and has no placeholder in it.
fn gone(repository: &Repository) -> Vec<String> {
    let roots: BTreeSet<&str> = repository.files().filter_map(|(path, _)| Some(path.split_once('/')?.0)).collect();
    let is_path = |word: &&str| {
        word.split_once('/').is_some_and(|(root, _)| roots.contains(root)) && !word.contains(['<', '*', '{', '…', '$'])
    };
    let mut faults = Vec::new();
    for (path, text) in repository.ending(".md") {
        let Document { code, commands, .. } = Document::read(text);
        for line in code.iter().chain(&commands) {
            let words = line.split_whitespace().filter(is_path).map(|word| word.trim_end_matches('/'));
            faults
                .extend(words.filter(|word| !repository.has(word)).map(|word| format!("{path}: {word} is not there")));
        }
    }
    faults
}

/// Commands of Cargo that a document has pasted into a shell, and that Cargo does not have.
fn unknown_commands(repository: &Repository, is_known: impl Fn(&[&str]) -> Result<(), String>) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in repository.ending(".md") {
        for line in Document::read(text).commands {
            let line = line.split(" # ").next().unwrap_or_default();
            for command in line.split(['|', ';', '(', ')', '&']).map(str::trim) {
                let words = words_of(command);
                // What comes before it are variables.
                let begin = words.iter().position(|word| !word.contains('=')).unwrap_or(words.len());
                if let ["cargo", words @ ..] = &words[begin..]
                    && let Err(reason) = is_known(words)
                {
                    faults.push(format!("{path}: {command}: {reason}"));
                }
            }
        }
    }
    faults
}

/// Tests that README.md tells to run, and that the gate does not run by the same words.
fn untried(repository: &Repository) -> Vec<String> {
    let gate = repository.text(".ci/run").unwrap_or_default();
    let commands = Document::read(repository.text("README.md").unwrap_or_default()).commands;
    let tests = commands.into_iter().filter(|command| command.starts_with("cargo test"));
    let untried = tests.filter(|command| gate.lines().all(|line| line != command));
    untried.map(|command| format!("README.md: {command}: .ci/run has no such line")).collect()
}

/// Words of a command, of which some have blanks in them, between quotation marks.
fn words_of(command: &str) -> Vec<&str> {
    let pieces = command.split('"').enumerate();
    let words = pieces.flat_map(|(index, piece)| {
        let is_quoted = index % 2 == 1;
        if is_quoted { vec![piece] } else { piece.split_whitespace().collect() }
    });
    words.collect()
}

/// Commands of Cargo that the documents tell how to install.
const INSTALLED: [&str; 2] = ["deny", "fuzz"];

/// Commands of Cargo that resolve dependencies. As they are pasted they take those of `Cargo.lock`; an alias says so itself.
const RESOLVING: [&str; 10] =
    ["bench", "build", "check", "clippy", "doc", "fetch", "install", "package", "run", "test"];

/// Judges the words of a command after `cargo`: by the command line of `cargo local` itself, else by the first of them.
fn judge(words: &[&str], of_cargo: &BTreeSet<String>) -> Result<(), String> {
    match words {
        ["local", ..] => match Cli::command().try_get_matches_from(words) {
            Err(error) if error.kind() != ErrorKind::DisplayHelp => Err(error.to_string()),
            _ => Ok(()),
        },
        [first, ..]
            if RESOLVING.contains(first)
                && !words.iter().take_while(|word| **word != "--").any(|word| *word == "--locked") =>
        {
            Err("it lacks --locked".to_owned())
        }
        [first, ..] if of_cargo.contains(*first) || INSTALLED.contains(first) => Ok(()),
        _ => Err("no such command".to_owned()),
    }
}

/// Commands and aliases that Cargo has in this workspace.
fn commands_of_cargo() -> BTreeSet<String> {
    let list = Command::new(env!("CARGO")).arg("--list").output().expect("cargo runs");
    let list = String::from_utf8(list.stdout).expect("UTF-8");
    list.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(ToOwned::to_owned).collect()
}

#[test]
fn all_links_lead_somewhere() {
    assert_none(&dead_links(Repository::this()));
}

#[test]
fn all_files_that_documents_name_are_there() {
    assert_none(&gone(Repository::this()));
}

#[test]
fn all_commands_that_documents_name_exist() {
    let of_cargo = commands_of_cargo();
    assert_none(&unknown_commands(Repository::this(), |words| judge(words, &of_cargo)));
}

#[test]
fn the_gate_runs_the_tests_as_the_readme_says() {
    assert_none(&untried(Repository::this()));
}

#[test]
fn a_dead_link_is_found() {
    let links =
        |text| dead_links(&Repository::of(&[("docs/a.md", text), ("b.md", "# One `two`, three!"), ("c/d.rs", "")]));
    assert_none(&links(
        "[b](../b.md#one-two-three) [c](../c) <https://example.com> [self](#it) [d](../c/d.rs)\n\n## It",
    ));
    assert_one(&links("[b](b.md)"), "b.md leads nowhere");
    assert_one(&links("[b](../b.md#four)"), "#four leads nowhere");
    assert_one(&links("| a |\n|---|\n| [c](../../c) |"), "../../c leads nowhere");
}

#[test]
fn a_file_that_is_gone_is_found() {
    let gone = |text| gone(&Repository::of(&[("a.md", text), ("tests/src/lib.rs", "")]));
    assert_none(&gone("`tests/src/lib.rs`, `tests/src/`, `tests/<crate>`, `other/b.rs`, tests/none"));
    assert_one(&gone("`tests/src/main.rs`"), "tests/src/main.rs");
    assert_one(&gone("```sh\ncat tests/none\n```"), "tests/none");
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    let of_cargo = ["test".to_owned(), "simulate".to_owned()].into();
    let unknown = |line: &str| {
        let text = format!("```sh\n{line}\n```\n\n```text\ncargo nothing\n```");
        unknown_commands(&Repository::of(&[("a.md", &text)]), |words| judge(words, &of_cargo))
    };
    for line in [
        "cargo test --locked # a|b",
        "A=$(cargo local outputs --json | python3)",
        "cargo fuzz run",
        "cargo local",
        "curl x",
    ] {
        assert_none(&unknown(line));
    }
    assert_one(&unknown("cargo test # --locked"), "cargo test: it lacks --locked");
    assert_one(&unknown("A=1 B=2 cargo package --package a"), "it lacks --locked");
    assert_one(&unknown("cargo simulat"), "cargo simulat: no such command");
    assert_one(&unknown("cargo local updo"), "updo");
    assert_one(&unknown("A=$(cargo local outputs --jason)"), "jason");
}

#[test]
fn a_test_that_the_gate_does_not_run_is_found() {
    let untried = |line: &str| {
        let readme = format!("```sh\n{line}\n```");
        untried(&Repository::of(&[("README.md", &readme), (".ci/run", "step \"tests\"\ncargo test --locked\n")]))
    };
    assert_none(&untried("cargo test --locked"));
    assert_none(&untried("cargo local"));
    assert_one(&untried("cargo test"), "cargo test: .ci/run has no such line");
    assert_one(&untried("cargo test --locked -p a"), ".ci/run has no such line");
}
