//! What XTND asks for: boards to count and to open, header fields to find. Messages to send are in `submit.rs`.
//!
//! A board is opened without the lock, as an inspection: any number of sessions read it at the same time, and whoever
//! delivers to it is not in their way. What becomes of one's own maildrop meanwhile is said at the head of
//! `restante_proto::server::extended`.

use super::opened::Opened;
use super::{Guest, fault};
use crate::assemble;
use crate::clock;
use crate::connection::Patience;
use crate::event::End;
use crate::file;
use restante_proto::field;
use restante_proto::server::Fault;
use restante_proto::server::extended::{Answer, Question, Shelf};
use restante_store::maildrop::{Inspection, MessageError, OpenError};

impl Guest {
    /// Answers `Step::Extended`.
    pub(super) async fn help(
        &mut self,
        question: Question,
        patience: &mut Patience<'_, '_>,
    ) -> Result<(), End> {
        match question {
            Question::CountBoard(shelf) => {
                let board = self.inspect(shelf).await.ok();
                let messages = board.map(|board| board.listing().len() as u64);
                self.session.extended(Answer::Counted(messages), &mut self.connection.output);
            }
            Question::OpenBoard(shelf) => {
                let answer = match self.inspect(shelf).await {
                    Ok(board) => self.change_to(board).await,
                    Err(fault) => Answer::Refused(fault),
                };
                self.session.extended(answer, &mut self.connection.output);
            }
            Question::ReadField { index, name } => {
                let field = match self.read_field(index, &name).await {
                    Ok(field) => field,
                    Err(error) => {
                        self.note_fault("look into a message", &error);
                        None
                    }
                };
                self.session.extended(Answer::Field(field.as_deref()), &mut self.connection.output);
            }
            Question::ReceiveMessage { octets_max } => {
                let answer = self.receive(octets_max, patience).await?;
                self.session.extended(answer, &mut self.connection.output);
            }
        }
        Ok(())
    }

    /// Looks at a board. A board that is not there is a fault, never an empty one.
    async fn inspect(&self, shelf: Shelf) -> Result<Inspection, Fault> {
        let settings = &self.visit.settings;
        // The session knows the boards of these very settings.
        let Some(location) = assemble::board(&settings.config, shelf) else { return Err(Fault::Permanent) };
        let path = location.path();
        let folder = path.join("cur");
        let is_there = tokio::task::spawn_blocking(move || file::is_folder(&folder)).await.unwrap_or(false);
        let opened = match is_there {
            true => settings.store.inspect(&location, clock::wall()).await,
            false => {
                let gone = std::io::Error::new(
                    std::io::ErrorKind::NotFound,
                    format!("{} is no Maildir", path.display()),
                );
                self.note_fault("open a board", &gone);
                return Err(Fault::Temporary);
            }
        };
        opened.map_err(|error: OpenError| {
            self.note_fault("open a board", &error);
            fault(error.is_temporary())
        })
    }

    /// Closes the maildrop that is open as QUIT does: what is marked is removed, then the lock is let go of. The board takes its
    /// place. A board in its place has neither marks nor lock (R1082-BBOARDS.2).
    async fn change_to(&mut self, board: Inspection) -> Answer<'static> {
        if let Err(fault) = self.remove_marked().await {
            return Answer::NotRemoved(fault);
        }
        for warning in board.warnings() {
            self.note_warning(warning);
        }
        let board = Opened::Inspection(board);
        let listing = board.told(self.visit.settings.config.pop3.quirks.0, self.view()).await;
        self.maildrop = Some(board);
        Answer::Opened(listing)
    }

    /// The first field of this name in a message, on one line. So much of the header is read as a header can
    /// reasonably have.
    async fn read_field(&self, index: usize, name: &[u8]) -> Result<Option<Vec<u8>>, MessageError> {
        let Some(maildrop) = &self.maildrop else { return Err(MessageError::NoSuchMessage) };
        // R6856-2.1.6
        let Some(mut message) = maildrop.message_as(index, self.view()).await? else { return Ok(None) };
        let header_octets = usize::try_from(message.shape().header_octets).unwrap_or(HEADER_OCTETS_MAX);
        let wanted = header_octets.clamp(1, HEADER_OCTETS_MAX);
        let mut header = Vec::with_capacity(wanted);
        while header.len() < wanted {
            let left = wanted - header.len();
            if message.read(&mut header, left).await? == 0 {
                break;
            }
        }
        Ok(field::find(&header, name))
    }
}

/// No field is looked for behind this: what clients ask for stands in the first few thousand octets.
const HEADER_OCTETS_MAX: usize = 64 * 1024;
