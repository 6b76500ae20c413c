//! Change of a job on record, whoever else changes it, too.

use onewrite::{Failure, Result};

use crate::jobs::job::Job;
use crate::port::{JobStore, Since, Stored};

/// Number of attempts at a record that others are changing.
const MAX_RACES: u32 = 20;

/// Changes a job as it stands on record, as often as others change it, too; none where `change` answers none.
///
/// # Errors
///
/// It is unknown whether it was changed, or there is no such job.
pub(crate) async fn change<J: Job>(
    store: &impl JobStore,
    id: &str,
    change: impl Fn(&J) -> Option<J>,
) -> Result<Option<J>> {
    let mut attempted = None;
    for _ in 0..MAX_RACES {
        let known: J = store.job(id).await?.ok_or_else(|| Failure::permanent("there is no such job"))?;
        if attempted.as_ref() == Some(&known) {
            return Ok(attempted);
        }
        let Some(changed) = change(&known) else { return Ok(None) };
        if store.put_job(&changed, Since::Revision(known.head().revision)).await? == Stored::Done {
            return Ok(Some(changed));
        }
        attempted = Some(changed);
    }
    Err(Failure::transient(format!("a job lost {MAX_RACES} races")))
}
