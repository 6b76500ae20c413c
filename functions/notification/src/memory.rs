//! The ways out in memory: what was sent is remembered, and faults can be asked for.

use std::cell::RefCell;
use std::collections::VecDeque;

use orderflow_events::Email;

use crate::phone::PhoneNumber;
use crate::port::{Mail, MailError, Mailer, Sms, SmsError};

/// Mails in memory.
#[derive(Debug, Default)]
pub struct MemoryMailer {
    sent: RefCell<Vec<(Email, Mail)>>,
    faults: RefCell<VecDeque<MailError>>,
}

impl MemoryMailer {
    /// The mails that were sent, in order, with their recipients.
    #[must_use]
    pub fn sent(&self) -> Vec<(Email, Mail)> {
        self.sent.borrow().clone()
    }

    /// Lets the next attempt that has no fault yet fail.
    pub fn fail_next(&self, error: MailError) {
        self.faults.borrow_mut().push_back(error);
    }
}

impl Mailer for MemoryMailer {
    async fn send(&self, recipient: &Email, mail: &Mail) -> Result<(), MailError> {
        if let Some(error) = self.faults.borrow_mut().pop_front() {
            return Err(error);
        }
        self.sent.borrow_mut().push((recipient.clone(), mail.clone()));
        Ok(())
    }
}

/// Short messages in memory.
#[derive(Debug, Default)]
pub struct MemorySms {
    sent: RefCell<Vec<(PhoneNumber, String)>>,
    faults: RefCell<VecDeque<SmsError>>,
}

impl MemorySms {
    /// The messages that were sent, in order, with their recipients.
    #[must_use]
    pub fn sent(&self) -> Vec<(PhoneNumber, String)> {
        self.sent.borrow().clone()
    }

    /// Lets the next attempt that has no fault yet fail.
    pub fn fail_next(&self, error: SmsError) {
        self.faults.borrow_mut().push_back(error);
    }
}

impl Sms for MemorySms {
    async fn send(&self, recipient: &PhoneNumber, text: &str) -> Result<(), SmsError> {
        if let Some(error) = self.faults.borrow_mut().pop_front() {
            return Err(error);
        }
        self.sent.borrow_mut().push((recipient.clone(), text.to_owned()));
        Ok(())
    }
}
