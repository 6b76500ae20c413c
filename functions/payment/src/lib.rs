//! orderflow-payment
