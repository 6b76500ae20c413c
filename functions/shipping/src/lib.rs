//! orderflow-shipping
