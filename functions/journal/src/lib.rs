//! orderflow-journal
