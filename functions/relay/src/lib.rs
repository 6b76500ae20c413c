//! orderflow-relay
