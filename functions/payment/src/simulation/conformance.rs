//! What the simulated provider promises, whatever its books are kept in.

use std::error::Error;

use onewrite::memory::VirtualTime;
use orderflow_events::{Money, OrderId, PaymentId, PaymentMethod, RefundId};

use super::KEY_LIFETIME;
use crate::provider::{Charge, ChargeRequest, PaymentProvider, ProviderError, Verdict};

/// Runs the simulated provider through all that it promises. Its books must be empty, and its clock the `world`'s.
///
/// # Errors
///
/// The provider failed where it should not have.
///
/// # Panics
///
/// The provider answered otherwise than it promises.
pub async fn check_conformance(provider: &impl PaymentProvider, world: &VirtualTime) -> Result<(), Box<dyn Error>> {
    methods_decide(provider).await?;
    passing_failures_pass(provider).await?;
    what_is_cancelled_is_never_charged(provider, world).await?;
    refunds_are_made_once(provider, world).await?;
    repetitions_are_forgotten(provider, world).await
}

async fn methods_decide(provider: &impl PaymentProvider) -> Result<(), Box<dyn Error>> {
    for (method, code) in [
        ("pm_card_visa", None),
        ("pm_card_visa_chargeDeclined", Some("card_declined")),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", Some("insufficient_funds")),
        ("pm_card_mastercard", Some("resource_missing")),
        ("pm_sim_unavailable_0", Some("resource_missing")),
        ("pm_sim_unavailable_10", Some("resource_missing")),
    ] {
        let request = request(method, method)?;
        assert_eq!(provider.find(&request.payment).await?, None, "{method}");
        let verdict = provider.charge(&request).await?;
        match (&verdict, code) {
            (Verdict::Succeeded(amount), None) => assert_eq!(*amount, request.amount, "{method}"),
            (Verdict::Declined(reason), Some(code)) => assert_eq!(reason.code.as_str(), code, "{method}"),
            (Verdict::Succeeded(_) | Verdict::Declined(_) | Verdict::Cancelled, _) => panic!("{method}: {verdict:?}"),
        }
        assert_eq!(provider.charge(&request).await?, verdict, "{method} again");
        let found = Charge { verdict, refund: None };
        assert_eq!(provider.find(&request.payment).await?, Some(found), "{method}");
    }
    Ok(())
}

async fn passing_failures_pass(provider: &impl PaymentProvider) -> Result<(), Box<dyn Error>> {
    let (one, other) = (request("one", "pm_sim_unavailable_2")?, request("other", "pm_sim_unavailable_9")?);
    for _ in 0..2 {
        assert!(matches!(provider.charge(&one).await, Err(ProviderError::Unavailable(_))));
        assert_eq!(provider.find(&one.payment).await?, None, "what failed was not charged");
    }
    assert_eq!(provider.charge(&one).await?, Verdict::Succeeded(one.amount));
    assert_eq!(provider.charge(&one).await?, Verdict::Succeeded(one.amount));
    for _ in 0..9 {
        assert!(matches!(provider.charge(&other).await, Err(ProviderError::Unavailable(_))), "each charge by itself");
    }
    assert_eq!(provider.charge(&other).await?, Verdict::Succeeded(other.amount));
    Ok(())
}

async fn what_is_cancelled_is_never_charged(
    provider: &impl PaymentProvider,
    world: &VirtualTime,
) -> Result<(), Box<dyn Error>> {
    let (new, charged) = (request("cancelled", "pm_card_visa")?, request("too-late", "pm_card_visa")?);
    let declined = request("declined-before", "pm_card_visa_chargeDeclined")?;
    let before = [provider.charge(&charged).await?, provider.charge(&declined).await?];
    world.pass(KEY_LIFETIME);
    for _ in 0..2 {
        assert_eq!(provider.cancel(&new.payment).await?, Verdict::Cancelled);
        assert_eq!(provider.charge(&new).await?, Verdict::Cancelled);
        let after = [provider.cancel(&charged.payment).await?, provider.cancel(&declined.payment).await?];
        assert_eq!(after, before, "what was done before is not undone, even if its key is forgotten");
        world.pass(KEY_LIFETIME);
    }
    let found = Charge { verdict: Verdict::Cancelled, refund: None };
    assert_eq!(provider.find(&new.payment).await?, Some(found));
    let refund = provider.refund(&new.payment, &RefundId::new("rfd_0")?, new.amount).await;
    assert!(matches!(refund, Err(ProviderError::Refused(_))), "nothing was charged");
    Ok(())
}

async fn refunds_are_made_once(provider: &impl PaymentProvider, world: &VirtualTime) -> Result<(), Box<dyn Error>> {
    let (charged, declined) = (request("refund", "pm_card_visa")?, request("declined", "pm_card_visa_chargeDeclined")?);
    let (refund, another) = (RefundId::new("rfd_1")?, RefundId::new("rfd_2")?);
    let refused = async |request: &ChargeRequest, refund: &RefundId, amount: Money| {
        matches!(provider.refund(&request.payment, refund, amount).await, Err(ProviderError::Refused(_)))
    };
    assert!(refused(&charged, &refund, charged.amount).await, "before the charge");
    provider.charge(&charged).await?;
    provider.charge(&declined).await?;
    assert!(refused(&declined, &refund, declined.amount).await, "nothing was charged");
    assert!(refused(&charged, &refund, Money::new(1, "EUR")?).await, "another amount");
    provider.refund(&charged.payment, &refund, charged.amount).await?;
    provider.refund(&charged.payment, &refund, charged.amount).await?;
    assert!(refused(&charged, &another, charged.amount).await, "another refund of the same");
    let found = Charge { verdict: Verdict::Succeeded(charged.amount), refund: Some(refund.clone()) };
    assert_eq!(provider.find(&charged.payment).await?, Some(found.clone()));
    world.pass(KEY_LIFETIME);
    assert!(refused(&charged, &refund, charged.amount).await, "the repetition is forgotten");
    assert_eq!(provider.find(&charged.payment).await?, Some(found), "what was done is not");
    Ok(())
}

async fn repetitions_are_forgotten(provider: &impl PaymentProvider, world: &VirtualTime) -> Result<(), Box<dyn Error>> {
    let dear = request("forgotten", "pm_card_visa")?;
    let cheap = ChargeRequest { amount: Money::new(1, "EUR")?, ..dear.clone() };
    assert_eq!(provider.charge(&dear).await?, Verdict::Succeeded(dear.amount));
    assert_eq!(provider.charge(&cheap).await?, Verdict::Succeeded(dear.amount), "the first answer again");
    world.pass(KEY_LIFETIME);
    let charge = Charge { verdict: Verdict::Succeeded(dear.amount), refund: None };
    assert_eq!(provider.find(&dear.payment).await?, Some(charge), "a charge is found for ever");
    assert_eq!(provider.charge(&cheap).await?, Verdict::Succeeded(cheap.amount), "a new charge");
    Ok(())
}

fn request(order: &str, method: &str) -> Result<ChargeRequest, Box<dyn Error>> {
    let payment = PaymentId::of(&OrderId::new(order)?);
    Ok(ChargeRequest { payment, amount: Money::new(1990, "EUR")?, method: PaymentMethod::new(method)? })
}
