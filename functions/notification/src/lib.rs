//! orderflow-notification
