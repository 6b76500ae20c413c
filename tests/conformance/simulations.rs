//! The simulated payment provider and the simulated carrier: each has a suite of its own, for it promises more than a
//! port does.

use std::sync::Arc;

use libtest_mimic::Trial;
use onewrite::memory::VirtualTime;
use orderflow_payment::simulation as payment;
use orderflow_shipping::simulation as shipping;

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    let provider =
        crate::suite::suite!(aws, payment::MemoryBooks::default, books, [the_payment_provider_does_what_it_promises]);
    let carrier =
        crate::suite::suite!(aws, shipping::MemoryRegister::default, register, [the_carrier_does_what_it_promises]);
    provider.into_iter().chain(carrier).collect()
}

async fn books(aws: &Aws) -> payment::DynamoBooks {
    payment::DynamoBooks::new(aws.clients().0, aws.table(1).await)
}

async fn register(aws: &Aws) -> shipping::DynamoRegister {
    shipping::DynamoRegister::new(aws.clients().0, aws.table(1).await)
}

async fn the_payment_provider_does_what_it_promises(books: &impl payment::Books) {
    let world = VirtualTime::new(1);
    payment::check_conformance(&payment::Simulation::new(books, &world), &world).await.unwrap();
}

async fn the_carrier_does_what_it_promises(register: &impl shipping::Register) {
    let world = VirtualTime::new(1);
    shipping::check_conformance(&shipping::Simulation::new(register, &world), &world).await.unwrap();
}
