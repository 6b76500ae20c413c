//! orderflow-tests
