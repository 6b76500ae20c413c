//! Calls, bytes and capacity units of the functions as they are built for tests: the same as of a release.

use std::process::Command;

#[test]
fn no_function_asks_more_of_aws_than_its_budget() {
    let program = env!("CARGO_BIN_EXE_orderflow-measure");
    let output = Command::new(program).args(["--debug", "--plain", "--check"]).output().unwrap();
    let (tables, progress) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{progress}\n{tables}");
}
