//! Intake: takes the orders of other producers.

use orderflow_orders::IntakeHandler;

onewrite::main!(|environment, aws| aws.ledger(environment).map(IntakeHandler::new));
