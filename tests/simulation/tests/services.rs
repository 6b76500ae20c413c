//! Every function of the template is simulated: what is deployed is what the invariants are shown of.

use std::collections::BTreeSet;
use std::rc::Rc;

use orderflow_simulation::notices::FUNCTION as NOTICES;
use orderflow_simulation::operations::{API, JOBS};
use orderflow_simulation::services::{APIS, CLOCK, System};
use orderflow_simulation::shop::Shop;
use orderflow_simulation::template::{COLLECTOR, RELAY, template};
use simulator::Run;

/// Functions for those who read what has happened, or look on. Their own tests let them die at each of their calls.
const OF_READERS: [&str; 8] =
    ["analytics-api", "feed-api", "graphql", "live", "live-push", "webhooks", "webhooks-api", "webhooks-send"];

#[test]
fn every_function_of_the_template_is_simulated() {
    let system = System::start(&Run::calm(), Rc::<Shop>::default());
    let services = system.stack.services().iter().map(|service| service.name);
    let others = [RELAY, CLOCK, COLLECTOR, API, JOBS, NOTICES].into_iter().chain(OF_READERS);
    let simulated: BTreeSet<&str> = services.chain(APIS).chain(others).collect();
    assert_eq!(template().binaries().collect::<BTreeSet<_>>(), simulated);
}
