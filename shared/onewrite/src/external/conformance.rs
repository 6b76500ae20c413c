//! Conformance suites: the promises of [`External`], [`Cancel`] and [`Register`], whoever keeps them.

use std::fmt::Debug;
use std::time::Duration;

use futures::future::join;

use super::simulated::{KEY_LIFETIME, Register, Simulated};
use super::{Cancel, External, Request, Settled};
use crate::failure::Result;
use crate::memory::VirtualTime;

/// Checks an adapter with a request that its API performs, under an id that it has never seen.
///
/// # Errors
///
/// A call failed that should not have.
///
/// # Panics
///
/// A promise is not kept.
pub async fn check_external<R: Request>(port: &impl External<R>, id: &R::Id, request: &R) -> Result<()>
where
    R::Answer: Debug + PartialEq,
{
    assert_eq!(port.find(id).await?, None, "{} before it arrives", R::NAME);
    let answer = port.perform(id, request).await?;
    assert_eq!(port.perform(id, request).await?, answer, "{} again has the first answer", R::NAME);
    assert_eq!(port.find(id).await?, Some(answer), "{} is found", R::NAME);
    Ok(())
}

/// Checks an adapter with two requests that its API performs, one to be performed and one to be cancelled first, under
/// ids that it has never seen.
///
/// # Errors
///
/// A call failed that should not have.
///
/// # Panics
///
/// A promise is not kept.
pub async fn check_cancel<R: Request>(
    port: &impl Cancel<R>,
    (performed, request): (&R::Id, &R),
    (cancelled, late): (&R::Id, &R),
) -> Result<()>
where
    R::Answer: Debug + PartialEq,
{
    check_external(port, performed, request).await?;
    let answer = port.find(performed).await?;
    assert_eq!(Some(port.cancel(performed).await?), answer, "{} was performed, and stays", R::NAME);
    assert_eq!(port.find(performed).await?, answer, "{} is found as it was", R::NAME);

    let fenced = port.cancel(cancelled).await?;
    assert_eq!(port.perform(cancelled, late).await?, fenced, "{} is not performed after all", R::NAME);
    assert_eq!(port.cancel(cancelled).await?, fenced, "{} is cancelled once", R::NAME);
    assert_eq!(port.find(cancelled).await?, Some(fenced), "{} is found cancelled", R::NAME);
    Ok(())
}

/// Checks a register, which has to be empty.
///
/// # Errors
///
/// A call failed that should not have.
///
/// # Panics
///
/// A promise is not kept.
pub async fn check_register(register: &impl Register) -> Result<()> {
    let world = VirtualTime::new(1);
    let company = Simulated::new(register, &world);
    repetitions_are_recognised_and_then_forgotten(&company, &world).await?;
    what_is_cancelled_is_never_performed(&company, &world).await?;
    what_was_performed_is_not_cancelled(register, &company).await?;
    what_is_for_good_is_performed_once(&company, &world).await?;
    of_two_at_once_one_is_performed(&company).await?;
    attempts_are_counted_by_id(&company).await
}

type Company<'a, G> = Simulated<&'a G, &'a VirtualTime>;

async fn repetitions_are_recognised_and_then_forgotten<G: Register>(
    company: &Company<'_, G>,
    world: &VirtualTime,
) -> Result<()> {
    assert_eq!(company.find::<String>("repeated").await?, None);
    let first = Settled::Performed("first".to_owned());
    assert_eq!(company.perform("repeated", "first".to_owned()).await?, first);
    world.pass(Duration::from_hours(23));
    assert_eq!(company.perform("repeated", "second".to_owned()).await?, first, "the first answer again");
    assert_eq!(company.find("another").await?, None::<Settled<String>>, "each id by itself");
    world.pass(Duration::from_hours(1));
    assert_eq!(company.find("repeated").await?, Some(first), "an effect is found for ever");
    let second = Settled::Performed("second".to_owned());
    assert_eq!(company.perform("repeated", "second".to_owned()).await?, second, "its key is forgotten");
    assert_eq!(company.find("repeated").await?, Some(second), "the last one counts");
    assert_eq!(company.history::<String>("repeated").await?, ["first", "second"], "and nothing is lost");
    Ok(())
}

async fn what_is_cancelled_is_never_performed<G: Register>(
    company: &Company<'_, G>,
    world: &VirtualTime,
) -> Result<()> {
    let before = company.perform("too late", "done".to_owned()).await?;
    for _ in 0..2 {
        assert_eq!(company.cancel::<String>("cancelled").await?, Settled::Cancelled);
        assert_eq!(company.perform("cancelled", "done".to_owned()).await?, Settled::Cancelled);
        assert_eq!(company.find::<String>("cancelled").await?, Some(Settled::Cancelled));
        world.pass(KEY_LIFETIME);
        assert_eq!(company.cancel("too late").await?, before, "what was performed stays, also when it is forgotten");
    }
    assert_eq!(company.history::<String>("cancelled").await?, Vec::<String>::new());
    Ok(())
}

async fn what_was_performed_is_not_cancelled<G: Register>(register: &G, company: &Company<'_, G>) -> Result<()> {
    company.perform("performed", "done".to_owned()).await?;
    let before = register.entry("performed").await?;
    assert_eq!(before.performed.len(), 1);
    register.cancel("performed").await?;
    assert_eq!(register.entry("performed").await?, before);
    Ok(())
}

async fn what_is_for_good_is_performed_once<G: Register>(company: &Company<'_, G>, world: &VirtualTime) -> Result<()> {
    let first = Some("first".to_owned());
    assert_eq!(company.perform_for_good("once", "first".to_owned()).await?, first);
    assert_eq!(company.perform_for_good("once", "second".to_owned()).await?, first, "the first answer again");
    world.pass(KEY_LIFETIME);
    assert_eq!(company.perform_for_good("once", "first".to_owned()).await?, None, "it is forgotten, and done");
    assert_eq!(company.history::<String>("once").await?, ["first"]);
    Ok(())
}

async fn of_two_at_once_one_is_performed<G: Register>(company: &Company<'_, G>) -> Result<()> {
    let (one, other) = join(company.perform("race", 1), company.perform("race", 2)).await;
    assert_eq!(one?, other?);
    assert_eq!(company.history::<u32>("race").await?.len(), 1);
    Ok(())
}

async fn attempts_are_counted_by_id<G: Register>(company: &Company<'_, G>) -> Result<()> {
    assert!(!company.fails("counted", 0).await?);
    for (id, fails) in [("counted", true), ("counted", true), ("counted", false), ("also counted", true)] {
        assert_eq!(company.fails(id, 2).await?, fails, "{id}");
    }
    assert_eq!(company.find::<String>("counted").await?, None, "what failed was not performed");
    Ok(())
}
