//! XTND XMIT: a message comes in over the session and is handed to the mail transfer agent.
//!
//! The octets are taken to their end in any case, so that none of them is read as a command. The client hears +OK when the
//! message is somebody else's responsibility, and -ERR otherwise: then it still has it.

use super::Guest;
use crate::clock;
use crate::config::From;
use crate::connection::{Heard, Patience};
use crate::event::{End, Event, SubmissionEnd};
use crate::submission::envelope::Envelope;
use crate::submission::spool::Spool;
use crate::submission::{Submission, SubmitError};
use restante_auth::account::AccountName;
use restante_auth::verify::Recipient;
use restante_proto::lmtp::reception::{Framing, Received, Reception};
use restante_proto::server::extended::{Answer, Unsubmitted};
use std::io;
use std::sync::Arc;
use std::time::Duration;

impl Guest {
    /// Takes the message and hands it over.
    pub(super) async fn receive(
        &mut self,
        octets_max: u64,
        patience: &mut Patience<'_, '_>,
    ) -> Result<Answer<'static>, End> {
        let settings = Arc::clone(&self.visit.settings);
        // The session's policy was made of these settings; it asks for nothing that they have not.
        let (Some(submission), Some(login)) = (&settings.submission, &self.login) else {
            return Err(End::Closed);
        };
        let account = login.account().name.clone();
        self.connection.write().await?;
        let (received, spooled) = self.spool(submission, octets_max, patience).await?;
        if received.is_too_large {
            return Ok(Answer::NotSubmitted(Unsubmitted::TooLarge));
        }
        let started = clock::now();
        let sender = submission.sender(&account);
        let mut recipients = 0;
        let outcome = match spooled {
            Ok(spool) => self.hand_over(submission, &account, &sender, spool, &mut recipients).await,
            Err(error) => Err(SubmitError::Spool(error)),
        };
        let note = SubmissionEnd {
            trace: self.visit.trace,
            peer: &self.visit.peer,
            account: &account,
            sender: &sender,
            recipients,
            octets: received.octets,
            way: submission.way(),
            duration: clock::now() - started,
        };
        Ok(match outcome {
            Ok(()) => {
                self.visit.shared.log.write(&Event::Submitted(&note));
                self.submitted += 1;
                Answer::Submitted
            }
            Err(error) => {
                self.visit.shared.log.write(&Event::NotSubmitted { submission: &note, error: &error });
                Answer::NotSubmitted(error.unsubmitted())
            }
        })
    }

    /// Moves the message into a file. When the disk fails, the rest is taken all the same.
    async fn spool(
        &mut self,
        submission: &Submission,
        octets_max: u64,
        patience: &mut Patience<'_, '_>,
    ) -> Result<(Received, io::Result<Spool>), End> {
        let mut spooled = Spool::begin(&submission.folder).await;
        let mut reception = Reception::new(Framing::Dotted { octets_max });
        // Stuffing at most doubles a message; whoever sends more than that and some patience does not mean to end it.
        let octets_last =
            self.connection.octets_in.saturating_add(2 * octets_max).saturating_add(EXCESS_OCTETS_MAX);
        let mut chunk = Vec::new();
        loop {
            chunk.clear();
            let received = reception.take(&mut self.connection.input, &mut chunk);
            if let Ok(spool) = &mut spooled
                && let Err(error) = spool.write(&chunk).await
            {
                spooled = Err(error);
            }
            if let Some(received) = received {
                return Ok((received, spooled));
            }
            if self.connection.octets_in > octets_last {
                return Err(End::Closed);
            }
            let silence = Duration::from_secs(self.visit.settings.config.limits.autologout_s);
            match self.connection.read_on(patience, clock::now() + silence).await {
                Heard::Draining => return Err(End::Disconnected),
                heard => heard.go_on(End::Silence)?,
            }
        }
    }

    /// Checks what the header says, then hands the message over.
    async fn hand_over(
        &self,
        submission: &Submission,
        account: &AccountName,
        sender: &str,
        mut spool: Spool,
        recipients: &mut usize,
    ) -> Result<(), SubmitError> {
        let envelope = Envelope::parse(&spool.head).ok_or(SubmitError::Header)?;
        *recipients = envelope.recipients.len();
        if submission.from == From::Own {
            self.check_from(account, &envelope).await?;
        }
        if !(1..=submission.recipients_max).contains(recipients) {
            return Err(SubmitError::Recipients(*recipients));
        }
        submission.submit(&mut spool, sender, &envelope).await
    }

    /// Every address in From must lead to the account, as LMTP would deliver; and there must be one.
    async fn check_from(&self, account: &AccountName, envelope: &Envelope) -> Result<(), SubmitError> {
        if envelope.from.is_empty() || envelope.from.len() > FROM_MAX {
            return Err(SubmitError::Sender(envelope.from.first().cloned().unwrap_or_default()));
        }
        for address in &envelope.from {
            let authenticator = &self.visit.settings.authenticator;
            match authenticator.recipient(address.as_bytes(), clock::now().into_std()).await {
                Recipient::Account(found) if found.name == *account => {}
                Recipient::Unavailable(error) => return Err(SubmitError::Unknown(error)),
                Recipient::Account(_) | Recipient::Unknown => {
                    return Err(SubmitError::Sender(address.clone()));
                }
            }
        }
        Ok(())
    }
}

/// What may come beyond twice the largest message before the connection is given up.
const EXCESS_OCTETS_MAX: u64 = 1024 * 1024;
/// Addresses in From that are looked up.
const FROM_MAX: usize = 10;
