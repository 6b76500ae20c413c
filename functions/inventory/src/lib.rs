//! orderflow-inventory
