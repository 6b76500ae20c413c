//! What this service needs of a payment provider: someone else's API, told in our words.

use onewrite::{Failure, FailureKind};
use orderflow_events::{Money, PaymentFailure, PaymentId, PaymentMethod, RefundId};
use serde::{Deserialize, Serialize};

/// A company that moves money, such as Stripe or Adyen.
///
/// It makes sure that a request that is repeated under the same id does its work once, but only for a while: Stripe
/// forgets its idempotency keys after 24 hours. What it has charged or cancelled it never forgets. So a request is
/// repeated only after [`PaymentProvider::find`] has said that it did not arrive.
pub trait PaymentProvider {
    /// Charges, or declines to, or says that it was cancelled: all three are answers.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was charged, or the provider does not understand the request.
    async fn charge(&self, request: &ChargeRequest) -> Result<Verdict, ProviderError>;

    /// The charge of that id, as of now; `None` if the provider has never heard of it.
    ///
    /// # Errors
    ///
    /// The provider cannot be asked.
    async fn find(&self, payment: &PaymentId) -> Result<Option<Charge>, ProviderError>;

    /// Sees to it that nothing is charged under that id from now on, by whatever request, however late it arrives. What
    /// was charged or declined before stays, and is the answer. With Stripe this is to cancel a `PaymentIntent`.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was cancelled.
    async fn cancel(&self, payment: &PaymentId) -> Result<Verdict, ProviderError>;

    /// Gives back all of a charge.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was given back, or the provider refuses to.
    async fn refund(&self, payment: &PaymentId, refund: &RefundId, amount: Money) -> Result<(), ProviderError>;
}

/// What is to be charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeRequest {
    /// Our id of the charge, and the idempotency key.
    pub payment: PaymentId,
    /// How much.
    pub amount: Money,
    /// The provider's token of the card or account.
    pub method: PaymentMethod,
}

/// A charge as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Whether money has moved.
    pub verdict: Verdict,
    /// Our id of the refund, if it was given back.
    pub refund: Option<RefundId>,
}

/// What came of a charge that was asked for, or cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// So much was charged.
    Succeeded(Money),
    /// Nothing was charged, and never will be.
    Declined(PaymentFailure),
    /// Nothing was charged, and never will be: it was cancelled first.
    Cancelled,
}

/// Why a provider did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It is down, or too busy, or too slow. It may have done what it was asked for.
    #[error("the payment provider is unavailable: {0}")]
    Unavailable(String),
    /// It does not let us in.
    #[error("the payment provider does not accept this account: {0}")]
    NotAdmitted(String),
    /// It will not do it, now or ever.
    #[error("the payment provider refuses: {0}")]
    Refused(String),
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        let kind = match &error {
            ProviderError::Unavailable(_) => FailureKind::Transient,
            ProviderError::NotAdmitted(_) => FailureKind::Misconfigured,
            ProviderError::Refused(_) => FailureKind::Permanent,
        };
        Self::new(kind, error.to_string())
    }
}

impl<T: PaymentProvider> PaymentProvider for &T {
    async fn charge(&self, request: &ChargeRequest) -> Result<Verdict, ProviderError> {
        T::charge(self, request).await
    }

    async fn find(&self, payment: &PaymentId) -> Result<Option<Charge>, ProviderError> {
        T::find(self, payment).await
    }

    async fn cancel(&self, payment: &PaymentId) -> Result<Verdict, ProviderError> {
        T::cancel(self, payment).await
    }

    async fn refund(&self, payment: &PaymentId, refund: &RefundId, amount: Money) -> Result<(), ProviderError> {
        T::refund(self, payment, refund, amount).await
    }
}
