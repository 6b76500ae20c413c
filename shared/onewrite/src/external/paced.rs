//! Paced external effects: the calls are `find`, `cancel` and the request's [`NAME`](Request::NAME).

use super::{Cancel, External, Request};
use crate::failure::{Failure, Result};
use crate::memory::Paced;

impl<R: Request, T: External<R>> External<R> for Paced<'_, T> {
    async fn find(&self, id: &R::Id) -> Result<Option<R::Answer>> {
        self.pace.call("find", self.port.find(id), timed_out).await
    }

    async fn perform(&self, id: &R::Id, request: &R) -> Result<R::Answer> {
        self.pace.call(R::NAME, self.port.perform(id, request), timed_out).await
    }
}

impl<R: Request, T: Cancel<R>> Cancel<R> for Paced<'_, T> {
    async fn cancel(&self, id: &R::Id) -> Result<R::Answer> {
        self.pace.call("cancel", self.port.cancel(id), timed_out).await
    }
}

fn timed_out() -> Failure {
    Failure::transient("timed out")
}
