//! Intake: takes the orders of other producers.

use orderflow_orders::IntakeHandler;

onewrite::main!(|environment, aws| aws.ledger_with_open_index(environment).map(IntakeHandler::new));
