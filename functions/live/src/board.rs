//! The board as it is watched: orders and money of the counts, and the letters that are open.

use futures::try_join;
use onewrite::Result;
use orderflow_analytics::{CountStore, Counts, board};
use orderflow_events::Time;
use orderflow_operations::Backlog;

use crate::domain::BoardUpdate;
use crate::port::Boards;

/// The board of a shop.
#[derive(Clone, Debug)]
pub struct ShopBoard<C, L> {
    counts: Counts<C>,
    letters: L,
}

impl<C: CountStore, L: Backlog> ShopBoard<C, L> {
    /// The board of those counts and letters.
    pub fn new(counts: C, letters: L) -> Self {
        Self { counts: Counts::new(counts), letters }
    }
}

impl<C: CountStore, L: Backlog> Boards for ShopBoard<C, L> {
    async fn board(&self, now: Time) -> Result<BoardUpdate> {
        let (board, open) = try_join!(board(&self.counts, now), self.letters.open_letters())?;
        Ok(BoardUpdate::new(board, open))
    }
}
