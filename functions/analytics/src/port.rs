//! Port to the counts: texts under keys of two parts.

use auto_impl::auto_impl;
use onewrite::Result;

/// Key of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its partition.
    pub partition: String,
    /// Its place in the partition.
    pub sort: String,
}

impl Key {
    /// The key of these parts.
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort: sort.into() }
    }
}

/// Items of the counts. Whatever is read has all that was written before.
#[auto_impl(&)]
pub trait CountStore {
    /// Text of an item, if there is one.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn get(&self, key: &Key) -> Result<Option<String>>;

    /// Items of a partition from one place to another, both included, by their places: place and text of each. None where the one
    /// comes after the other.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn range(&self, partition: &str, from: &str, to: &str) -> Result<Vec<(String, String)>>;

    /// Puts an item, whatever is there.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was put.
    async fn put(&self, key: &Key, text: &str) -> Result<()>;

    /// Puts an item in the place of that text; of none, where there must be none. Answers whether it has: if not, somebody else has
    /// put another.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was put.
    async fn replace(&self, key: &Key, before: Option<&str>, text: &str) -> Result<bool>;

    /// Opens the connection, so that the first message or request need not wait for it. Whether it works out shows soon enough.
    async fn warm(&self);
}
