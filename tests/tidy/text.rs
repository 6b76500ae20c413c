//! Words and lengths of files.

use crate::repository::Repository;
use crate::{assert_none, assert_one};

/// Lines that a file has at the most. Nobody keeps more in mind.
const LINES: usize = 800;

/// The template has a section for each service, and is read by sections.
const AS_LONG_AS_IT_TAKES: &str = "template.yaml";

/// Ends of files that programs write, or that hold data.
const WRITTEN_BY_PROGRAMS: [&str; 7] =
    [".json", ".lock", ".pem", ".snap", "EVENTS.md", "public-api.txt", "requirements.txt"];

/// Words that put work off.
const LATER: [&str; 2] = ["TODO", "FIXME"];

/// Words of the work on the project, not of the project, where a number or one of [`POINTERS`] is beside them. AWS, too, has
/// sessions.
const WORK: [&str; 4] = ["issue", "issues", "session", "sessions"];
const POINTERS: [&str; 6] = ["earlier", "last", "next", "our", "previous", "this"];

/// Words of the shop, in the crates that are for anybody.
const WORDS_OF_THE_SHOP: [&str; 4] = ["OrderId", "OrderCreated", "order_id", "urn:orderflow"];

/// Those that not even an example has there, in whatever case.
const WORDS_OF_ITS_EXAMPLES: [&str; 7] =
    ["orderflow", "customer", "payment", "shipment", "inventory", "/orders", "stock:"];

/// Folders of the crates that are for anybody.
const FOR_ANYBODY: [&str; 3] = ["shared/envelope/", "shared/onewrite/", "shared/simulator/"];

/// Folder of an application that is not the shop, though its tests are run by the shop's.
const ANOTHER: &str = "tests/identity/";

/// Crates that others take from a registry.
const PACKAGES: [&str; 3] = ["shared/envelope", "shared/onewrite", "shared/simulator"];

/// Files that each of them has.
const OF_PACKAGES: [&str; 3] = ["README.md", "CHANGELOG.md", "public-api.txt"];

/// Lines of the first example of a README at the most. It is what somebody reads who looks for a crate.
const LINES_OF_EXAMPLE: usize = 25;

/// Files that are a whole service of another application: events, consumer, decider and wiring.
const WHOLE_SERVICE: [&str; 2] =
    ["shared/onewrite/examples/identity/devices.rs", "shared/onewrite/examples/identity/function.rs"];

/// Lines of code that it has at the most. More is more than anybody reads to see whether the toolkit is for them.
const LINES_OF_SERVICE: usize = 60;

/// Files that people write. Not those of the rules themselves, which name what they forbid.
fn written(repository: &Repository) -> impl Iterator<Item = (&str, &str)> {
    let by_programs = |path: &str| WRITTEN_BY_PROGRAMS.iter().any(|end| path.ends_with(end));
    repository.files().filter(move |(path, _)| !by_programs(path) && !path.starts_with("tests/tidy/"))
}

fn too_long(repository: &Repository) -> Vec<String> {
    let length = |(path, text): (&str, &str)| (path.to_owned(), text.lines().count());
    let lengths = written(repository).map(length).filter(|(path, lines)| *lines > LINES && path != AS_LONG_AS_IT_TAKES);
    lengths.map(|(path, lines)| format!("{path} has {lines} lines, of {LINES} at the most")).collect()
}

/// Files that a package lacks, and READMEs that do not begin with a short example.
fn unready_packages(repository: &Repository) -> Vec<String> {
    let mut faults = Vec::new();
    for package in PACKAGES {
        let files = OF_PACKAGES.map(|file| format!("{package}/{file}"));
        faults.extend(files.iter().filter(|file| !repository.has(file)).map(|file| format!("there is no {file}")));
        let readme = repository.text(&files[0]).unwrap_or_default();
        let example = readme.split_once("```rust\n").and_then(|(_, rest)| rest.split_once("```\n"));
        let lines = example.map_or(0, |(example, _)| example.lines().count());
        if lines == 0 || lines > LINES_OF_EXAMPLE {
            faults.push(format!("the first example of {package} has {lines} lines, not 1 to {LINES_OF_EXAMPLE}"));
        }
    }
    faults
}

/// Lines of code of the whole service, where they are too many or none: those that are neither empty nor a comment.
fn long_service(repository: &Repository) -> Vec<String> {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let code = |path| repository.text(path).unwrap_or_default().lines().filter(is_code).count();
    let lines: usize = WHOLE_SERVICE.into_iter().map(code).sum();
    let fault = || format!("{} have {lines} lines of code, not 1 to {LINES_OF_SERVICE}", WHOLE_SERVICE.join(" and "));
    (lines == 0 || lines > LINES_OF_SERVICE).then(fault).into_iter().collect()
}

fn words_of_the_work(repository: &Repository) -> Vec<String> {
    lines_that(written(repository), |line| {
        let words: Vec<&str> = line.split(|c: char| !(c.is_alphanumeric() || "_#".contains(c))).collect();
        let is_work = |word: &str| WORK.iter().any(|such| word.eq_ignore_ascii_case(such));
        let is_number = |word: &str| word.starts_with(|c: char| c == '#' || c.is_ascii_digit());
        let points =
            |pair: &[&str]| POINTERS.iter().any(|pointer| pair[0].eq_ignore_ascii_case(pointer)) && is_work(pair[1]);
        words.iter().any(|word| LATER.contains(word))
            || words.windows(2).any(|pair| points(pair) || (is_work(pair[0]) && is_number(pair[1])))
    })
}

fn ignored_tests(repository: &Repository) -> Vec<String> {
    lines_that(written(repository), |line| line.trim_start().starts_with("#[ignore"))
}

fn words_of_the_shop(repository: &Repository) -> Vec<String> {
    let is_for_anybody = |path: &str| FOR_ANYBODY.iter().any(|folder| path.starts_with(folder));
    let of_the_shop = |line: &str| WORDS_OF_THE_SHOP.iter().any(|word| line.contains(word));
    let of_examples = |line: &str| WORDS_OF_ITS_EXAMPLES.iter().any(|word| line.to_lowercase().contains(word));
    let mut found = lines_that(repository.files().filter(|(path, _)| path.starts_with(ANOTHER)), of_the_shop);
    let toolkit = repository.files().filter(|(path, _)| is_for_anybody(path));
    found.extend(lines_that(toolkit, |line| of_the_shop(line) || of_examples(line)));
    found
}

fn lines_that<'a>(files: impl Iterator<Item = (&'a str, &'a str)>, is_such: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        let lines = text.lines().enumerate().filter(|(_, line)| is_such(line));
        found.extend(lines.map(|(index, line)| format!("{path}:{}: {}", index + 1, line.trim())));
    }
    found
}

#[test]
fn no_file_is_too_long() {
    assert_none(&too_long(Repository::this()));
}

#[test]
fn every_package_says_what_it_is_and_what_has_changed() {
    assert_none(&unready_packages(Repository::this()));
}

#[test]
fn a_whole_service_is_short() {
    assert_none(&long_service(Repository::this()));
}

#[test]
fn the_project_speaks_of_itself_alone() {
    assert_none(&words_of_the_work(Repository::this()));
}

#[test]
fn every_test_runs() {
    assert_none(&ignored_tests(Repository::this()));
}

#[test]
fn what_is_for_anybody_does_not_know_the_shop() {
    assert_none(&words_of_the_shop(Repository::this()));
}

#[test]
fn a_long_file_is_found() {
    let lines = |lines| too_long(&Repository::of(&[("a.rs", &"\n".repeat(lines)), ("b.json", &"\n".repeat(9_999))]));
    assert_none(&lines(LINES));
    assert_one(&lines(LINES + 1), "a.rs has 801 lines");
}

#[test]
fn an_unready_package_is_found() {
    let of = |lines: usize, without: &str| {
        let readme = format!("# A\n\n```rust\n{}```\n", "b\n".repeat(lines));
        let paths = PACKAGES.iter().flat_map(|package| OF_PACKAGES.map(|file| format!("{package}/{file}")));
        let paths: Vec<String> = paths.filter(|path| path != without).collect();
        let files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), readme.as_str())).collect();
        unready_packages(&Repository::of(&files))
    };
    assert_none(&of(LINES_OF_EXAMPLE, ""));
    assert_one(&of(1, "shared/onewrite/CHANGELOG.md"), "no shared/onewrite/CHANGELOG.md");
    for lines in [0, LINES_OF_EXAMPLE + 1] {
        assert_eq!(of(lines, "").len(), PACKAGES.len());
    }
}

#[test]
fn a_long_service_is_found() {
    let [domain, wiring] = WHOLE_SERVICE;
    let of = |lines| long_service(&Repository::of(&[(domain, &"a\n\n/// b\n".repeat(lines)), (wiring, "c\n")]));
    assert_none(&of(LINES_OF_SERVICE - 1));
    assert_one(&of(LINES_OF_SERVICE), "have 61 lines");
    assert_one(&long_service(&Repository::of(&[])), "have 0 lines");
}

#[test]
fn a_word_in_the_wrong_place_is_found() {
    let of = |path, text| Repository::of(&[(path, text)]);
    assert_none(&words_of_the_work(&of("a.rs", "this issuer of AWS_SESSION_TOKEN; of a session the key")));
    assert_one(&words_of_the_work(&of("a.md", "one\nsee Issue 10")), "a.md:2: see Issue 10");
    assert_one(&words_of_the_work(&of("a.md", "as in issue #10")), "#10");
    assert_one(&words_of_the_work(&of("a.rs", "// measured in this session")), "a.rs:1");
    assert_one(&words_of_the_work(&of("a.yaml", "# TODO: all of it")), "TODO");
    assert_one(&ignored_tests(&of("a.rs", "    #[ignore = \"slow\"]")), "slow");
    assert_none(&words_of_the_shop(&of("shared/events/src/id.rs", "pub struct OrderId;")));
    assert_one(&words_of_the_shop(&of("shared/onewrite/src/port.rs", "fn read(order: &OrderId);")), "port.rs:1");
    assert_one(&words_of_the_shop(&of("shared/envelope/README.md", "`urn:orderflow:x`")), "README.md:1");
    assert_one(&words_of_the_shop(&of("shared/onewrite/src/http.rs", "// Such as `/orders/1`.")), "http.rs:1");
    assert_none(&words_of_the_shop(&of("tests/identity/src/lib.rs", "use orderflow_tests::Shop;")));
    assert_one(&words_of_the_shop(&of("tests/identity/src/lib.rs", "use orderflow_events::OrderId;")), "lib.rs:1");
}
