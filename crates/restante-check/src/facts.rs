//! What several judges look at, asked for once: how the server presents itself, what it lists, some of its messages, how it
//! refuses a login. Each keeps the transcript of its questions, which is the evidence of every judge that looks at it.

use std::rc::Rc;

use crate::bench::Bench;
use crate::dialogue::{Body, Dialogue, Reply};
use crate::verdict::{Step, Stop};

/// A list of capabilities.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capabilities {
    /// The lines as they came.
    pub(crate) lines: Vec<String>,
}

impl Capabilities {
    pub(crate) fn has(&self, tag: &str) -> bool {
        self.arguments(tag).is_some()
    }

    /// The arguments of the first capability with this tag.
    pub(crate) fn arguments(&self, tag: &str) -> Option<Vec<String>> {
        self.lines.iter().find_map(|line| {
            let mut words = line.split_whitespace();
            let is_it = words.next()?.eq_ignore_ascii_case(tag);
            is_it.then(|| words.map(str::to_owned).collect())
        })
    }

    /// The tags, upper case, in their order.
    pub(crate) fn tags(&self) -> Vec<String> {
        self.lines
            .iter()
            .filter_map(|line| line.split_whitespace().next())
            .map(str::to_ascii_uppercase)
            .collect()
    }
}

/// Before login.
pub(crate) struct Entrance {
    pub(crate) greeting: Reply,
    /// CAPA before STLS; none when the server knows none, or begins with TLS.
    pub(crate) clear: Option<Capabilities>,
    /// CAPA under TLS.
    pub(crate) encrypted: Option<Capabilities>,
    pub(crate) transcript: Vec<String>,
}

impl Entrance {
    /// What holds where logins take place.
    pub(crate) fn capabilities(&self) -> Option<&Capabilities> {
        self.encrypted.as_ref().or(self.clear.as_ref())
    }

    /// The `<…>` of the greeting.
    pub(crate) fn timestamp(&self) -> Option<String> {
        timestamp(&self.greeting)
    }
}

/// The `<…>` of a greeting.
pub(crate) fn timestamp(greeting: &Reply) -> Option<String> {
    let text = String::from_utf8_lossy(greeting.text()).into_owned();
    let start = text.find('<')?;
    let end = start + text.get(start..)?.find('>')?;
    text.get(start..=end).map(str::to_owned)
}

/// What a session shows of the maildrop, without a look at a message.
pub(crate) struct Maildrop {
    pub(crate) stat: Reply,
    pub(crate) list: Body,
    /// None when UIDL was refused.
    pub(crate) unique_ids: Option<Body>,
    pub(crate) capabilities: Option<Capabilities>,
    /// LIST as far as it can be read: message-number and octets.
    pub(crate) listing: Vec<(u64, u64)>,
    pub(crate) transcript: Vec<String>,
}

impl Maildrop {
    /// Messages and octets as STAT has them.
    pub(crate) fn count_and_octets(&self) -> Option<(u64, u64)> {
        count_and_octets(&self.stat)
    }

    /// Message-numbers and unique-ids, as far as they can be read.
    pub(crate) fn unique_id_listing(&self) -> Vec<(u64, String)> {
        self.unique_ids.as_ref().map(unique_id_listing).unwrap_or_default()
    }
}

/// The two numbers of a STAT.
pub(crate) fn count_and_octets(stat: &Reply) -> Option<(u64, u64)> {
    let text = String::from_utf8_lossy(stat.text()).into_owned();
    let mut words = text.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// LIST as far as it can be read.
pub(crate) fn scan_listing(list: &Body) -> Vec<(u64, u64)> {
    let entry = |line: String| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    list.texts().into_iter().filter_map(entry).collect()
}

/// UIDL as far as it can be read.
pub(crate) fn unique_id_listing(list: &Body) -> Vec<(u64, String)> {
    let entry = |line: String| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
    };
    list.texts().into_iter().filter_map(entry).collect()
}

/// A message of the maildrop, retrieved.
pub(crate) struct Sample {
    pub(crate) number: u64,
    /// As LIST has it.
    pub(crate) octets: u64,
    pub(crate) body: Body,
    pub(crate) transcript: Vec<String>,
}

/// How logins are refused.
pub(crate) struct Refusals {
    /// To USER, by the account's name and by one that nobody has.
    pub(crate) user_known: Reply,
    pub(crate) user_unknown: Reply,
    /// To PASS with a wrong password, for the account, for nobody, and to a wrong pass phrase with blanks.
    pub(crate) known: Reply,
    pub(crate) unknown: Option<Reply>,
    pub(crate) blanks: Option<Reply>,
    /// STAT after the refused login; none when the server had closed.
    pub(crate) stat_after: Option<Reply>,
    pub(crate) transcript: Vec<String>,
}

impl Bench<'_> {
    /// How the server presents itself; asked once.
    pub(crate) fn entrance(&mut self) -> Step<Rc<Entrance>> {
        if let Some(known) = &self.entrance {
            return Ok(Rc::clone(known));
        }
        let before = self.transcript().aside();
        let (mut dialogue, greeting) = self.greeted()?;
        let first = capabilities(&mut dialogue)?;
        let (mut clear, mut encrypted) = (first, None);
        if self.settings.target.is_implicit_tls {
            (clear, encrypted) = (None, clear);
        } else if clear.as_ref().is_some_and(|list| list.has("STLS"))
            && self.start_stls(&mut dialogue).is_ok()
        {
            encrypted = capabilities(&mut dialogue)?;
        }
        dialogue.drop_connection();
        let transcript = self.transcript().take();
        let entrance = Rc::new(Entrance { greeting, clear, encrypted, transcript });
        self.transcript().go_on(before);
        self.entrance = Some(Rc::clone(&entrance));
        Ok(entrance)
    }

    /// What the maildrop shows; asked once, until it changes.
    pub(crate) fn maildrop(&mut self) -> Step<Rc<Maildrop>> {
        if let Some(known) = &self.maildrop {
            return Ok(Rc::clone(known));
        }
        let before = self.transcript().aside();
        let mut dialogue = self.login()?;
        let maildrop = look(&mut dialogue, self.transcript())?;
        dialogue.drop_connection();
        let maildrop = Rc::new(Maildrop { transcript: self.transcript().take(), ..maildrop });
        self.transcript().go_on(before);
        self.maildrop = Some(Rc::clone(&maildrop));
        Ok(maildrop)
    }

    /// Some messages, whole: the first, the last, the smallest, the largest that is not too large, and some between.
    pub(crate) fn samples(&mut self) -> Step<Rc<Vec<Sample>>> {
        if let Some(known) = &self.samples {
            return Ok(Rc::clone(known));
        }
        let maildrop = self.maildrop()?;
        let chosen = choose(&maildrop.listing);
        if chosen.is_empty() {
            return Err(Stop::not_applicable("the maildrop has no message of a size to retrieve"));
        }
        let before = self.transcript().aside();
        let mut dialogue = self.login()?;
        let mut samples = Vec::with_capacity(chosen.len());
        for (number, octets) in chosen {
            self.transcript().take();
            let body = dialogue.must_list(format!("RETR {number}"))?;
            samples.push(Sample { number, octets, body, transcript: self.transcript().take() });
        }
        dialogue.drop_connection();
        self.transcript().take();
        self.transcript().go_on(before);
        let samples = Rc::new(samples);
        self.samples = Some(Rc::clone(&samples));
        Ok(samples)
    }

    /// How logins are refused; asked once, since each refusal makes the server slower and warier.
    pub(crate) fn refusals(&mut self) -> Step<Rc<Refusals>> {
        if let Some(known) = &self.refusals {
            return Ok(Rc::clone(known));
        }
        let before = self.transcript().aside();
        let mut dialogue = self.open()?;
        let user = self.credentials(&dialogue)?.user();
        let unknown_user = format!("restante-check-{}", self.settings.token);
        let (user_known, known) = refused_login(&mut dialogue, user, "restante-check-wrong")?;
        if !user_known.is_ok() && !known.is_err() {
            return Err(Stop::not_applicable("the server does not take USER"));
        }
        let stat_after = dialogue.ask("STAT").ok();
        dialogue.drop_connection();
        let mut dialogue = self.open()?;
        let (user_unknown, unknown) = refused_login(&mut dialogue, &unknown_user, "restante-check-wrong")?;
        let unknown = user_unknown.is_ok().then_some(unknown);
        dialogue.drop_connection();
        let mut dialogue = self.open()?;
        let (_, blanks) = refused_login(&mut dialogue, user, "restante check wrong")?;
        let blanks = user_known.is_ok().then_some(blanks);
        dialogue.drop_connection();
        let transcript = self.transcript().take();
        self.transcript().go_on(before);
        let refusals = Refusals { user_known, user_unknown, known, unknown, blanks, stat_after, transcript };
        let refusals = Rc::new(refusals);
        self.refusals = Some(Rc::clone(&refusals));
        Ok(refusals)
    }
}

/// CAPA; none when it is refused.
pub(crate) fn capabilities(dialogue: &mut Dialogue) -> Step<Option<Capabilities>> {
    let (_, body) = dialogue.list("CAPA")?;
    Ok(body.map(|body| Capabilities { lines: body.texts() }))
}

/// The listings of a session.
pub(crate) fn look(dialogue: &mut Dialogue, transcript: &crate::transcript::Transcript) -> Step<Maildrop> {
    let capabilities = capabilities(dialogue)?;
    let stat = dialogue.ask("STAT")?;
    let list = dialogue.must_list("LIST")?;
    let (_, unique_ids) = dialogue.list("UIDL")?;
    let listing = scan_listing(&list);
    Ok(Maildrop { stat, list, unique_ids, capabilities, listing, transcript: transcript.tail(0) })
}

/// USER and a wrong PASS; the replies to both, the first one twice when USER is refused already.
fn refused_login(dialogue: &mut Dialogue, user: &str, password: &str) -> Step<(Reply, Reply)> {
    let first = dialogue.ask(format!("USER {user}"))?;
    if !first.is_ok() {
        return Ok((first.clone(), first));
    }
    let second = dialogue.ask(format!("PASS {password}"))?;
    match second.is_ok() {
        true => Err(crate::verdict::broken("a wrong password is refused", second.to_string())),
        false => Ok((first, second)),
    }
}

/// Which messages to retrieve: at most [`SAMPLES_MAX`], none larger than [`SAMPLE_OCTETS_MAX`].
fn choose(listing: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let fit: Vec<(u64, u64)> =
        listing.iter().copied().filter(|(_, octets)| *octets <= SAMPLE_OCTETS_MAX).collect();
    let mut chosen: Vec<(u64, u64)> = Vec::new();
    chosen.extend(fit.first());
    chosen.extend(fit.last());
    chosen.extend(fit.iter().min_by_key(|(_, octets)| *octets));
    chosen.extend(fit.iter().max_by_key(|(_, octets)| *octets));
    chosen.extend(fit.iter().step_by((fit.len() / SAMPLES_MAX).max(1)));
    chosen.truncate(SAMPLES_MAX + 4);
    chosen.sort_unstable();
    chosen.dedup();
    chosen.truncate(SAMPLES_MAX);
    chosen
}

/// Whether a reply to a login is what a wrong password gets, for servers that say so by a code.
pub(crate) fn is_credential_failure(reply: &Reply) -> bool {
    reply.code().is_some_and(|code| code == "AUTH")
}

/// Messages that are retrieved for the judges of messages.
const SAMPLES_MAX: usize = 14;
/// Octets of a message that is retrieved for them.
const SAMPLE_OCTETS_MAX: u64 = 2 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_few_small_and_spread() {
        let listing: Vec<(u64, u64)> = (1..=1000).map(|number| (number, number * 10_000)).collect();
        let chosen = choose(&listing);
        assert!(chosen.len() <= SAMPLES_MAX && chosen.len() > 8, "{chosen:?}");
        assert!(chosen.iter().all(|(_, octets)| *octets <= SAMPLE_OCTETS_MAX));
        assert_eq!(chosen[0].0, 1);
        assert_eq!(choose(&[(1, SAMPLE_OCTETS_MAX + 1)]), []);
    }
}
