//! Programs in Python that the tests run against a stack.

use std::path::Path;

use orderflow_local::{Progress, Python};
use tokio::process::Command;

use crate::shop::Shop;

/// The folder of the tests.
const TESTS: &str = env!("CARGO_MANIFEST_DIR");

/// Python with the packages of `tests/requirements.txt`, in the folder `tests`. It ends at the latest when it is dropped.
pub(crate) async fn python() -> Command {
    let requirements = Path::new(TESTS).join("requirements.txt");
    let python = Python::prepare("tests", &requirements, Progress::Silent).await.expect("a Python");
    let mut command = Command::new(python.program());
    command.current_dir(TESTS).kill_on_drop(true);
    command
}

impl Shop {
    /// Python as above, to which AWS is what the stack runs on, in the way in which every AWS SDK is told.
    pub async fn python(&self) -> Command {
        let mut command = python().await;
        command.envs([("AWS_ENDPOINT_URL", self.endpoint.as_str()), ("AWS_DEFAULT_REGION", "us-east-1")]);
        command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        command
    }
}
