//! One set of features for all selections of packages.
//!
//! Cargo gives a dependency the features that the selected packages ask for, so that `cargo test -p onewrite` would compile
//! the AWS SDK and all beneath it once more, after `cargo test` has compiled them with others. Tools depend on this crate, the
//! services and the toolkit in their tests alone: the functions are built without it, and have only what they use.
