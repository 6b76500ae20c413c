//! Consumer of the orders service: follows each order through the events of the others.

onewrite::main!(orderflow_orders::Orders);
