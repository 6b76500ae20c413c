//! Effects that have no idempotency key, such as a mail: at least once, and twice only after a crash.

use orderflow_contracts::Time;

use crate::failure::{Failure, Outcome};
use crate::port::{Acquired, Chance, Clock, Leases};

/// The right to attempt an effect: its name, and how long the attempt may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What the effect is done for, such as one event on one channel.
    pub key: String,
    /// When the attempt is over at the latest: the end of the invocation.
    pub until: Time,
}

/// What became of an effect behind a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leased {
    /// It was done now.
    Now,
    /// It had been done before.
    Before,
}

/// Performs `effect` unless it is done already.
///
/// ```text
///   acquire ──► effect ──► complete
///           │           └─ a crash here repeats the effect once the lease has run out
///           └─ a crash here delays the effect until the lease has run out
/// ```
///
/// # Errors
///
/// Transient while another attempt holds the lease; else what the effect or the store of leases fails with.
pub async fn with_lease<W: Clock + Chance>(
    leases: &impl Leases,
    world: &W,
    lease: Lease,
    effect: impl Future<Output = Outcome<()>>,
) -> Outcome<Leased> {
    let mut owner = [0; 16];
    world.fill(&mut owner);
    let owner = format!("{:032x}", u128::from_be_bytes(owner));
    match leases.acquire(&lease.key, &owner, world.now(), lease.until).await? {
        Acquired::Done => return Ok(Leased::Before),
        Acquired::Held => return Err(Failure::transient("another attempt is under way")),
        Acquired::Mine => {}
    }
    effect.await?;
    // Whether the lease was still ours makes no difference any more: the effect is done.
    leases.complete(&lease.key, &owner).await?;
    Ok(Leased::Now)
}
