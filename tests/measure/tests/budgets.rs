//! Calls, bytes and capacity units of the functions as they are built for tests: the same as of a release. And that those who watch are told.

use std::process::Command;

#[test]
fn no_function_asks_more_of_aws_than_its_budget() {
    let program = env!("CARGO_BIN_EXE_orderflow-measure");
    let output = Command::new(program).args(["--debug", "--plain", "--check"]).output().unwrap();
    let (tables, progress) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{progress}\n{tables}");
}

#[test]
fn each_of_those_who_watch_costs_a_post_and_two_writes() {
    let program = env!("CARGO_BIN_EXE_orderflow-measure");
    let output = Command::new(program).args(["--debug", "--plain", "--watchers", "40"]).output().unwrap();
    let (tables, progress) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{progress}\n{tables}");
    for event in ["the first", "the second"] {
        let rows: Vec<&str> = tables.lines().filter(|line| line.contains(event)).collect();
        let is_told = |row: &&str| row.contains("PostToConnection 40,") && row.contains("UpdateItem 80 ");
        assert!(rows.iter().any(is_told), "{tables}");
    }
}
