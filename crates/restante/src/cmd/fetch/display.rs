//! What a person, or a program, sees of a fetch: bars on a terminal, plain lines elsewhere, JSON where it is asked for. Made from
//! events alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use restante_fetch::event::{Event, Level, Listener};
use restante_fetch::report::Cost;
use serde::Serialize;

use crate::clock;
use crate::service::Manager;
use crate::terminal;

/// How a fetch is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// JSON instead of words.
    pub(super) is_json: bool,
    /// What is told in words.
    pub(super) level: Level,
    /// Several accounts: each line says which.
    pub(super) is_several: bool,
    /// It goes on until it is ended, maybe as a service whose manager shows the last line.
    pub(super) is_watch: bool,
}

/// Who is told what happens. `finish` when nothing more will.
pub(super) struct Display {
    manner: Manner,
    bars: Option<Bars>,
    manager: Manager,
}

impl Display {
    /// For standard output and standard error as they are.
    pub(super) fn new(manner: Manner) -> Arc<Self> {
        let wants_bars = !manner.is_json && manner.level >= Level::Usual;
        let has_bars = wants_bars && terminal::has_screen();
        let bars = has_bars.then(|| Bars::new(MultiProgress::new(), manner.is_several));
        Arc::new(Self { manner, bars, manager: Manager::of(manner.is_watch) })
    }

    /// The service manager that has started this.
    pub(super) fn manager(&self) -> &Manager {
        &self.manager
    }

    /// For [`restante_fetch::event::Events`].
    pub(super) fn listener(self: &Arc<Self>) -> Arc<Listener> {
        let display = Arc::clone(self);
        Arc::new(move |account, event| display.tell(account, event))
    }

    /// Takes all bars off the screen.
    pub(super) fn finish(&self) {
        if let Some(bars) = &self.bars {
            // A terminal that is gone needs no tidying.
            let _ = bars.all.clear();
        }
    }

    /// A line of the dialogue, for `--trace`.
    pub(super) fn trace(&self, account: &str, line: &str) {
        let line = if self.manner.is_several { format!("{account} {line}") } else { line.to_owned() };
        self.aside(|| terminal::report(&line));
    }

    fn tell(&self, account: &str, event: &Event) {
        if let Some(bars) = &self.bars {
            bars.tell(account, event);
        }
        if let Event::Ended(report) = event {
            self.manager.status(&format!("{account}: {report}"));
        }
        if self.manner.is_json {
            if event.level() != Level::Nobody {
                terminal::tell(&terminal::escaped_json(&json(account, event)));
            }
        } else if event.level() <= self.manner.level {
            let mut line =
                if self.manner.is_several { format!("{account}: {event}") } else { event.to_string() };
            if let Event::Ended(report) = event
                && self.manner.level >= Level::Verbose
                && report.cost != Cost::default()
            {
                line.push_str(&format!(" ({})", report.cost));
            }
            self.aside(|| match event.level() {
                Level::Always => terminal::complain(&line),
                _ => terminal::tell(&format!("{}\n", terminal::visible(&line))),
            });
        }
    }

    /// Writes beside the bars.
    fn aside(&self, write: impl FnOnce()) {
        match &self.bars {
            Some(bars) => bars.all.suspend(write),
            None => write(),
        }
    }
}

/// An event as one line of JSON.
fn json(account: &str, event: &Event) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        time: String,
        account: &'a str,
        #[serde(flatten)]
        event: &'a Event,
    }
    let time = Timestamp::try_from(clock::wall()).unwrap_or_default();
    let line = Line { time: format!("{time:.3}"), account, event };
    // Plain data; nothing of it can fail to be JSON.
    serde_json::to_string(&line).map(|line| line + "\n").unwrap_or_default()
}

/// One bar an account, and one for all when there are several.
struct Bars {
    all: MultiProgress,
    total: Option<ProgressBar>,
    accounts: Mutex<HashMap<String, Account>>,
}

struct Account {
    bar: ProgressBar,
    wanted: u32,
    fetched: u32,
    /// What LIST says of all that is wanted.
    octets: u64,
    received: u64,
}

impl Bars {
    fn new(all: MultiProgress, is_several: bool) -> Self {
        let total = is_several.then(|| {
            let bar = all.add(ProgressBar::new(0).with_style(style()));
            bar.set_prefix("all");
            bar
        });
        Self { all, total, accounts: Mutex::default() }
    }

    fn tell(&self, account: &str, event: &Event) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Listed { wanted, octets, .. } if *wanted > 0 => {
                let bar = ProgressBar::new(*octets).with_style(style());
                let bar = match &self.total {
                    Some(total) => self.all.insert_before(total, bar),
                    None => self.all.add(bar),
                };
                bar.set_prefix(terminal::visible(account));
                if let Some(total) = &self.total {
                    total.inc_length(*octets);
                }
                let entry = Account { bar, wanted: *wanted, fetched: 0, octets: *octets, received: 0 };
                entry.show();
                accounts.insert(account.to_owned(), entry);
            }
            Event::Received { octets } => {
                if let Some(entry) = accounts.get_mut(account) {
                    entry.received += octets;
                    entry.bar.inc(*octets);
                    if let Some(total) = &self.total {
                        total.inc(*octets);
                    }
                }
            }
            Event::Fetched { .. } | Event::Refused { .. } => {
                if let Some(entry) = accounts.get_mut(account) {
                    entry.fetched += 1;
                    entry.show();
                }
            }
            Event::Ended(_) => {
                if let Some(entry) = accounts.remove(account) {
                    entry.bar.finish_and_clear();
                    // What did not come, or what LIST said too much, is not missing from the total.
                    if let Some(total) = &self.total {
                        total.set_length(
                            total.length().unwrap_or(0).saturating_sub(entry.octets) + entry.received,
                        );
                    }
                }
            }
            _ => {}
        }
    }
}

impl Account {
    fn show(&self) {
        self.bar.set_message(format!("{} of {}", self.fetched, self.wanted));
    }
}

fn style() -> ProgressStyle {
    // A template of ours is right, or the test below fails.
    ProgressStyle::with_template(TEMPLATE)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// No colours: nothing here would be clearer with them.
const TEMPLATE: &str =
    "{prefix:20!} [{bar:20}] {msg} messages, {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";

#[cfg(test)]
mod tests {
    use std::io;

    use indicatif::{ProgressDrawTarget, TermLike};
    use restante_fetch::event::Name;
    use restante_fetch::key::Key;

    use super::*;

    #[test]
    fn the_template_is_one() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    /// A terminal that keeps what is drawn.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            100
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)?;
            self.write_str("\n")
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bars_show_messages_and_octets_of_each_account_and_of_all() {
        let screen = Screen::default();
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        let bars = Bars::new(all, true);
        let listed = |wanted, octets| Event::Listed { messages: wanted, wanted, octets };
        bars.tell("home", &listed(2, 2048));
        bars.tell("work", &listed(1, 1024));
        bars.tell("home", &Event::Received { octets: 1024 });
        let message = Name::from(&Key::new(b"1"));
        bars.tell("home", &Event::Fetched { message, octets: 1024 });
        // Drawing is limited to some times a second; this asks for it.
        bars.accounts.lock().unwrap().values().for_each(|account| account.bar.force_draw());
        bars.total.as_ref().unwrap().force_draw();
        let drawn = screen.0.lock().unwrap().clone();
        for line in
            ["1 of 2 messages, 1.00 KiB of 2.00 KiB", "0 of 1 messages", "1.00 KiB of 3.00 KiB", "left"]
        {
            assert!(drawn.contains(line), "{line} is not in {drawn}");
        }
    }

    #[test]
    fn a_bar_is_not_steered_by_the_name_of_its_account() {
        let screen = Screen::default();
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        let bars = Bars::new(all, false);
        let name = "N\x07\u{9b}2J\u{202e}";
        bars.tell(name, &Event::Listed { messages: 1, wanted: 1, octets: 1024 });
        bars.accounts.lock().unwrap().values().for_each(|account| account.bar.force_draw());
        let drawn = screen.0.lock().unwrap().clone();
        assert!(drawn.contains(&terminal::visible(name)) && !drawn.contains(name), "{drawn:?}");
    }

    #[test]
    fn json_is_one_line_with_time_and_account() {
        let line = json("work", &Event::LoggedIn { tls: true });
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((line.matches('\n').count(), line.ends_with('\n')), (1, true));
        assert_eq!((&value["account"], &value["event"]), (&"work".into(), &"logged-in".into()));
        assert!(value["time"].as_str().unwrap().parse::<Timestamp>().is_ok());
    }
}
