//! The register of simulated companies. The companies themselves are tried on the one in memory, where they live.

use std::sync::Arc;

use libtest_mimic::Trial;
use onewrite::external::conformance::check_register;
use onewrite::external::simulated::{DynamoRegister, MemoryRegister, Register};

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(aws, MemoryRegister::default, register, [a_register_keeps_its_promises])
}

async fn register(aws: &Aws) -> DynamoRegister {
    DynamoRegister::new(aws.clients().0, aws.table(1).await)
}

async fn a_register_keeps_its_promises(register: &impl Register) {
    check_register(register).await.unwrap();
}
