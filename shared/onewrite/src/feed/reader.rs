//! Reading of a feed: what is after a cursor.

use std::collections::VecDeque;

use futures::future::try_join_all;

use super::cursor::{Cursor, Place};
use super::log::{FeedLog, Page, RecordKey};
use crate::failure::Result;

/// Pages of a shard that are read at once.
const PAGES: u16 = 25;

/// Record of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: RecordKey,
    /// Cursor after it.
    pub cursor: Cursor,
}

/// Pages of one shard that were read.
struct Ahead {
    shard: u8,
    pages: VecDeque<(u64, Page)>,
    /// There may be more after them.
    is_cut: bool,
}

/// Cursor after all that is listed now. What is listed later is after it.
///
/// # Errors
///
/// The feed cannot be read.
pub async fn end(log: &impl FeedLog, shards: u8) -> Result<Cursor> {
    let heads = try_join_all((0..shards).map(|shard| log.head(shard))).await?;
    let place = |cursor: Cursor, (shard, pages)| cursor.moved(shard, Place { pages, records: 0 });
    Ok((0..shards).zip(heads).fold(Cursor::default(), place))
}

/// The records after `cursor`, at most `most`; none at the end. Those of a shard come in their order, and the shards are merged
/// by the time of their pages. It may be fewer than there are: whoever wants more asks again, with the cursor of the last.
///
/// A page that takes long to write becomes visible after younger ones of other shards. So whoever reads along may have the records of two
/// shards in another order than whoever reads later; those of one shard all have in the same.
///
/// A feed of more shards than a cursor was made of is read from the beginning of those that are new.
///
/// # Errors
///
/// The feed cannot be read.
pub async fn read(log: &impl FeedLog, shards: u8, cursor: &Cursor, most: usize) -> Result<Vec<Listed>> {
    let ahead = try_join_all((0..shards).map(|shard| ahead(log, shard, cursor.place(shard).pages)));
    let (mut ahead, mut cursor, mut listed) = (ahead.await?, cursor.clone(), Vec::new());
    while listed.len() < most {
        // What comes first may be among what was not read.
        if ahead.iter().any(|ahead| ahead.pages.is_empty() && ahead.is_cut) {
            break;
        }
        let first = ahead.iter_mut().filter_map(|ahead| Some((ahead.pages.front()?.1.at, ahead)));
        let Some((_, Ahead { shard, pages, .. })) = first.min_by_key(|(at, _)| *at) else { break };
        let Some((position, page)) = pages.pop_front() else { break };
        let begun = cursor.place(*shard).records;
        if begun >= page.records.len() {
            // A cursor that nobody was given may say more than the page has: what is after that page is after it.
            cursor = cursor.moved(*shard, Place { pages: position, records: 0 });
            continue;
        }
        for (index, key) in page.records.iter().enumerate().skip(begun).take(most - listed.len()) {
            let is_last = index + 1 == page.records.len();
            let place = if is_last {
                Place { pages: position, records: 0 }
            } else {
                Place { pages: position - 1, records: index + 1 }
            };
            cursor = cursor.moved(*shard, place);
            listed.push(Listed { key: key.clone(), cursor: cursor.clone() });
        }
    }
    Ok(listed)
}

async fn ahead(log: &impl FeedLog, shard: u8, position: u64) -> Result<Ahead> {
    let pages = log.after(shard, position, PAGES).await?;
    let is_cut = pages.len() >= usize::from(PAGES);
    // Without a gap, whatever the log may say: a page that is not seen yet must not be passed.
    let pages = (position + 1..).zip(pages).take_while(|(expected, (found, _))| expected == found);
    Ok(Ahead { shard, pages: pages.map(|(_, page)| page).collect(), is_cut })
}
