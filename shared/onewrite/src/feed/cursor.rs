//! Cursors: how far a reader has come.

use std::fmt;
use std::str::FromStr;

use envelope::Invalid;
use serde::{Deserialize, Serialize};

use super::log::MAX_SHARDS;

/// Reading position of a feed: how far a reader has come in each shard; at first, nowhere. It is a text of digits, `.` and `-`, which only the feed understands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor(Vec<Place>);

/// A place in a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Position of the last page that was read to its end.
    pub(super) pages: u64,
    /// Number of records that were read of the page after it.
    pub(super) records: usize,
}

impl Cursor {
    pub(super) fn place(&self, shard: u8) -> Place {
        self.0.get(usize::from(shard)).copied().unwrap_or_default()
    }

    /// The further of both in each shard: nothing is after it that is not after both.
    #[must_use]
    pub fn furthest(&self, other: &Self) -> Self {
        self.with(other, Place::max)
    }

    /// The nearer of both in each shard: whatever is after one of them is after it.
    #[must_use]
    pub fn nearest(&self, other: &Self) -> Self {
        self.with(other, Place::min)
    }

    fn with(&self, other: &Self, choose: fn(Place, Place) -> Place) -> Self {
        let shards = (0..MAX_SHARDS).take(self.0.len().max(other.0.len()));
        Self(shards.map(|shard| choose(self.place(shard), other.place(shard))).collect())
    }

    /// The same, further in one shard.
    pub(super) fn moved(&self, shard: u8, place: Place) -> Self {
        let mut places = self.0.clone();
        let index = usize::from(shard);
        places.resize(places.len().max(index + 1), Place::default());
        if let Some(known) = places.get_mut(index) {
            *known = place;
        }
        Self(places)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        for (index, Place { pages, records }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "-" };
            write!(f, "{separator}{pages}")?;
            if *records > 0 {
                write!(f, ".{records}")?;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Cursor {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

impl FromStr for Cursor {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::rule("must be a cursor that the feed has given out".to_owned());
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
            if is_number { text.parse().map_err(|_| invalid()) } else { Err(invalid()) }
        };
        let place = |text: &str| {
            let (pages, records) = text.split_once('.').unwrap_or((text, "0"));
            let records = usize::try_from(number(records)?).map_err(|_| invalid())?;
            Ok(Place { pages: number(pages)?, records })
        };
        let places: Vec<Place> =
            text.split('-').take(usize::from(MAX_SHARDS) + 1).map(place).collect::<Result<_, _>>()?;
        if places.len() > usize::from(MAX_SHARDS) { Err(invalid()) } else { Ok(Self(places)) }
    }
}
