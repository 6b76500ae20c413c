//! Every function of the template is simulated: what is deployed is what the invariants are shown of.

use std::collections::BTreeSet;
use std::rc::Rc;

use orderflow_simulation::services::{APIS, CLOCK, System};
use orderflow_simulation::shop::Shop;
use orderflow_simulation::template::{RELAY, template};
use simulator::Run;

/// Functions that no order needs, for operators and for those who read what has happened. Their own tests let them die at each of their
/// calls; here the consumers answer what they ask.
const OF_OTHERS: [&str; 7] = ["feed-api", "graphql", "jobs", "letters", "live", "live-push", "operations-api"];

#[test]
fn every_function_of_the_template_is_simulated() {
    let system = System::start(&Run::calm(), Rc::<Shop>::default());
    let services = system.stack.services().iter().map(|service| service.name);
    let simulated: BTreeSet<&str> = services.chain(APIS).chain([RELAY, CLOCK]).chain(OF_OTHERS).collect();
    assert_eq!(template().binaries().collect::<BTreeSet<_>>(), simulated);
}
