//! Documents for others: made of the types, committed, and compared here with what the types say now.
//!
//! `cargo documents` writes it.

#![expect(clippy::expect_used, reason = "all of it is tests, though Clippy does not see any")]

mod agreement;
mod asyncapi;
mod catalogue;
mod cloudevents;
mod compatibility;
mod customers;
mod document;
mod feed;
mod golden;
mod graphql;
mod identity;
mod jobs;
mod letters;
mod openapi;
mod parts;
mod places;
mod schemas;
mod webhooks;
mod withdrawals;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::{env, fs};

use document::{Document, committed, files_in, place};
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if env::args().skip(1).eq(["--write"]) {
        return write();
    }
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit_code()
}

fn trials() -> Vec<Trial> {
    macro_rules! trials {
        ($($module:ident: $($name:ident),* $(,)?;)*) => {
            vec![$($(
                Trial::test(concat!(stringify!($module), "::", stringify!($name)), || {
                    $module::$name();
                    Ok(())
                }),
            )*)*]
        };
    }
    let mut trials = trials![
        agreement:
            the_schemas_take_the_data_that_the_decoder_takes,
            the_schema_takes_the_attributes_that_the_decoder_takes;
        asyncapi:
            every_message_says_what_its_event_is,
            what_is_posted_and_what_is_pulled_are_what_it_says;
        cloudevents:
            every_event_is_what_the_specification_says,
            every_event_survives_the_official_sdk,
            an_event_that_the_official_sdk_has_made_is_one_of_ours;
        compatibility:
            a_change_that_harms_nobody_is_none,
            a_change_that_harms_somebody_says_whom_and_what_to_do;
        golden:
            every_type_and_version_has_an_event_and_no_other_has,
            every_event_of_an_earlier_build_is_understood;
        openapi:
            no_released_operation_is_broken,
            a_change_of_the_api_that_harms_callers_is_found,
            every_example_keeps_its_schema;
        schemas:
            no_released_version_is_broken,
            nothing_can_be_taken_out_of_a_schema_unseen,
            every_schema_has_a_description_of_each_field;
    ];
    trials.push(Trial::test("what_is_committed_is_what_the_types_say", || {
        what_is_committed_is_what_the_types_say();
        Ok(())
    }));
    trials
}

/// The folders that have documents of the types, and nothing else.
const FOLDERS: [&str; 2] = ["schemas", identity::FOLDER];

fn documents() -> Vec<Document> {
    let all = [
        schemas::documents(),
        asyncapi::documents(),
        openapi::documents(),
        catalogue::documents(),
        graphql::documents(),
    ];
    all.into_iter().flatten().collect()
}

fn what_is_committed_is_what_the_types_say() {
    let documents = documents();
    let stale = documents.iter().filter(|document| committed(&document.path).as_ref() != Some(&document.text));
    let mut faults: Vec<String> = stale.map(|document| format!("{} is not up to date", document.path)).collect();
    let known: BTreeSet<&str> = documents.iter().map(|document| document.path.as_str()).collect();
    let unknown = FOLDERS.into_iter().flat_map(files_in).filter(|path| !known.contains(path.as_str()));
    faults.extend(unknown.map(|path| format!("{path} is nobody's")));
    assert!(faults.is_empty(), "{faults:?}: run `cargo documents`, and look at what it changes");
}

/// Writes all documents, unless that would break a released version.
fn write() -> ExitCode {
    let broken = [schemas::broken(), openapi::broken()].concat();
    if !broken.is_empty() {
        eprintln!("Nothing is written: this would break those who have built on what is released.");
        eprintln!("  {}", broken.join("\n  "));
        eprintln!("CONTRIBUTING.md says how to add a version.");
        return ExitCode::FAILURE;
    }
    for Document { path, text } in documents() {
        if committed(&path).as_ref() == Some(&text) {
            continue;
        }
        if let Err(error) = fs::write(place(&path), text) {
            eprintln!("{path} cannot be written: {error}");
            return ExitCode::FAILURE;
        }
        println!("{path} is written");
    }
    ExitCode::SUCCESS
}
