//! orderflow-orders
