//! Texts that all pages have: who translates the pages writes another table.

use lambda_http::http::StatusCode;

/// Texts in one language.
pub(crate) struct Texts {
    /// Tag of the language (BCP 47).
    pub(crate) language: &'static str,
    pub(crate) live: &'static str,
    pub(crate) cut: &'static str,
    pub(crate) failed_to_send: &'static str,
    unknown: Refusal,
    nobody: Refusal,
    late: Refusal,
    failed: Refusal,
}

/// Reason why there is nothing to see.
pub(super) struct Refusal {
    /// Name of the view.
    pub(super) view: &'static str,
    pub(super) title: &'static str,
    pub(super) text: &'static str,
}

impl Texts {
    /// Texts of a refusal, by the status of its answer.
    pub(super) const fn refusal(&self, status: StatusCode) -> &Refusal {
        match status {
            StatusCode::NOT_FOUND => &self.unknown,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => &self.nobody,
            StatusCode::CONFLICT => &self.late,
            _ => &self.failed,
        }
    }
}

pub(super) static ENGLISH: Texts = Texts {
    language: "en",
    live: "This page keeps itself up to date.",
    cut: "No connection. You see how it was at",
    failed_to_send: "This did not work out. Try again in a moment.",
    unknown: Refusal {
        view: "unknown",
        title: "There is no such order",
        text: "The address is not complete, or the order is not yours. Open the link in our mail about the order once more.",
    },
    nobody: Refusal {
        view: "nobody",
        title: "We cannot tell who you are",
        text: "Open the link in our mail about the order, or sign in at the shop and go to your order there.",
    },
    late: Refusal {
        view: "late",
        title: "The period for a withdrawal is over",
        text: "This order was shipped too long ago. If something is wrong with the goods, write to us.",
    },
    failed: Refusal {
        view: "failed",
        title: "This did not work out",
        text: "Nothing has changed, as far as we know. Try again in a moment.",
    },
};
