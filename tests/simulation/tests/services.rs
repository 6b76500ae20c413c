//! Every function of the template is simulated: what is deployed is what the invariants are shown of.

use std::collections::BTreeSet;
use std::rc::Rc;

use orderflow_simulation::live::{PUSH, ROUTES};
use orderflow_simulation::notices::FUNCTION as NOTICES;
use orderflow_simulation::operations::{API, JOBS};
use orderflow_simulation::services::{APIS, CLOCK, System};
use orderflow_simulation::shop::Shop;
use orderflow_simulation::template::{COLLECTOR, RELAY, template};
use orderflow_simulation::webhooks::{self, DISPATCH, SENDER};
use simulator::Run;

/// Functions of the windows and followers, each simulated by a file of its own.
const OF_WINDOWS: [&str; 6] = [ROUTES, PUSH, webhooks::API, DISPATCH, SENDER, NOTICES];

/// Functions that answer who reads, and change nothing.
const OF_READERS: [&str; 3] = ["analytics-api", "feed-api", "graphql"];

#[test]
fn every_function_of_the_template_is_simulated() {
    let system = System::start(&Run::calm(), Rc::<Shop>::default());
    let services = system.stack.services().iter().map(|service| service.name);
    let others = [RELAY, CLOCK, COLLECTOR, API, JOBS].into_iter().chain(OF_WINDOWS).chain(OF_READERS);
    let simulated: BTreeSet<&str> = services.chain(APIS).chain(others).collect();
    assert_eq!(template().binaries().collect::<BTreeSet<_>>(), simulated);
}
