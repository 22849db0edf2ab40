//! Deletions and the end of a session.

use restante_proto::client::quirk::Quirk;
use restante_proto::client::request::Request;
use restante_proto::client::{Ending, Refusal};
use restante_proto::maildrop::MessageNumber;

use super::{Client, Statistics};
use crate::error::Error;

/// How a session ended.
#[derive(Debug)]
pub enum Quit {
    /// The server confirmed: every message marked deleted is gone.
    Committed,
    /// The server did not delete everything that was marked.
    Refused(Refusal),
    /// QUIT was sent and not answered: what is gone is not known before the next login.
    Unknown(Error),
    /// Nothing is deleted: QUIT was not sent, or there was no login.
    NotSent(Error),
}

/// What came of [`Client::delete_and_quit`].
#[derive(Debug)]
pub struct Closing {
    /// The messages that the server refused to mark: they are not deleted, however it ended.
    pub refused: Vec<(MessageNumber, Refusal)>,
    /// How the session ended. Unless it is [`Quit::Committed`], `refused` need not be all.
    pub quit: Quit,
    /// What [`Client::quirks`] says of the whole session.
    pub quirks: Vec<Quirk>,
    /// What [`Client::statistics`] says of the whole session.
    pub statistics: Statistics,
}

impl Client {
    /// DELE of many messages, without waiting in between when the server offers PIPELINING. Gives back those that the
    /// server refused to mark.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn delete_each(
        &mut self,
        numbers: &[MessageNumber],
    ) -> Result<Vec<(MessageNumber, Refusal)>, Error> {
        self.begin(Vec::new())?;
        let mut refused = Vec::new();
        self.delete_with(numbers, None, &mut refused).await?;
        self.is_busy = false;
        Ok(refused)
    }

    /// DELE of many messages and QUIT, in one flight when the server offers PIPELINING: nothing that a reply to DELE could
    /// say would change what comes next. Whatever is marked when QUIT is answered is deleted.
    pub async fn delete_and_quit(mut self, numbers: &[MessageNumber]) -> Closing {
        let mut refused = Vec::new();
        let result = match self.begin(Vec::new()) {
            Ok(()) => self.delete_with(numbers, Some(Request::Quit), &mut refused).await,
            Err(error) => Err(error),
        };
        let result = match result {
            Ok(()) => self.finished(|_| {}).await,
            Err(error) => Err(error),
        };
        let (quirks, statistics) = (std::mem::take(&mut self.quirks), self.statistics());
        Closing { refused, quit: self.ended(result).await, quirks, statistics }
    }

    /// QUIT: deletes what is marked, and closes.
    pub async fn quit(mut self) -> Quit {
        let result = self.ask(Request::Quit, |_| {}).await;
        self.ended(result).await
    }

    async fn delete_with(
        &mut self,
        numbers: &[MessageNumber],
        last: Option<Request>,
        refused: &mut Vec<(MessageNumber, Refusal)>,
    ) -> Result<(), Error> {
        let mut unsent = numbers.iter().map(|&number| Request::Delete(number)).chain(last);
        for &number in numbers {
            self.supply(&mut unsent)?;
            match self.finished(|_| {}).await {
                Ok(()) => {}
                Err(Error::Refused(refusal)) => refused.push((number, refusal)),
                Err(error) => return Err(error),
            }
        }
        self.supply(&mut unsent)
    }

    /// The session is over with this answer to QUIT, or without.
    async fn ended(self, result: Result<(), Error>) -> Quit {
        match result {
            Ok(()) => {
                self.wire.close().await;
                Quit::Committed
            }
            Err(Error::Refused(refusal)) => {
                self.wire.close().await;
                Quit::Refused(refusal)
            }
            Err(error) if self.session.ending() == Ending::Unknown => Quit::Unknown(error),
            Err(error) => Quit::NotSent(error),
        }
    }
}
