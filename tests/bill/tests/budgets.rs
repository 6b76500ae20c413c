//! Calls, bytes and units of a shipped order through the whole stack, as it is built for tests.

use std::process::Command;

#[test]
fn a_shipped_order_asks_no_more_of_aws_than_its_budget() {
    let program = env!("CARGO_BIN_EXE_orderflow-bill");
    let output = Command::new(program).arg("--check").output().unwrap();
    let (report, faults) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{faults}\n{report}");
}
