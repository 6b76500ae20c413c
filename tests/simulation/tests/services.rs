//! Every function of the template is simulated: what is deployed is what the invariants are shown of.

use std::collections::BTreeSet;
use std::rc::Rc;

use orderflow_simulation::services::{APIS, System};
use orderflow_simulation::shop::Shop;
use orderflow_simulation::template::{RELAY, template};
use simulator::Run;

#[test]
fn every_function_of_the_template_is_simulated() {
    let system = System::start(&Run::calm(), Rc::<Shop>::default());
    let services = system.stack.services().iter().map(|service| service.name);
    let simulated: BTreeSet<&str> = services.chain(APIS).chain([RELAY]).collect();
    assert_eq!(template().binaries().collect::<BTreeSet<_>>(), simulated);
}
