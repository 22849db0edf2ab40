//! What happens in a run of the model test: chosen by a seed, one independent of the other, so that any of them can be left
//! out and the rest still makes sense.

/// One thing that happens to a maildrop.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// A client connects, over a pipe that holds so many octets.
    Connect { slot: usize, pipe: usize },
    /// A client says these lines at once, cut in pieces, and hears the answers.
    Say { slot: usize, lines: Vec<String>, cuts: u64 },
    /// A client says so many octets of these lines and is gone.
    Vanish { slot: usize, lines: Vec<String>, octets: usize },
    /// Mail comes by LMTP. With `is_cut` the MTA is gone before its end.
    Deliver { message: Vec<u8>, is_cut: bool },
    /// Another program puts a message into the maildrop, under a name like this.
    Put { message: Vec<u8>, name: Name, is_in_cur: bool },
    /// Another program removes a message.
    Take { which: usize },
    /// Another program moves a message to `cur` and gives it flags.
    Flag { which: usize, flags: &'static str },
    /// Something happens to the index.
    Index(Sabotage),
    /// Nothing happens for so long that the index may rely on what the folders look like.
    Settle,
}

/// How other programs name files; a number that is never used twice comes into each.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name {
    /// With a time long ago.
    Old(u32),
    /// With a time that is yet to come.
    Coming(u32),
    /// Without a time: the file's own counts.
    Timeless,
    /// With signs that no unique-id may have.
    Odd,
    /// Longer than a unique-id may be.
    Long,
}

/// What somebody does to the index.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sabotage {
    Delete,
    Truncate(u64),
    Append,
    Flip(u64),
    /// Keeps a copy for later.
    Copy,
    /// Puts the copy back.
    Restore,
}

/// The actions of a seed.
pub(super) fn actions(seed: u64) -> Vec<Action> {
    let mut dice = Dice(seed ^ 0x5DEE_CE66_D5A3_9E1B);
    let count = 20 + dice.below(120);
    let mut actions = Vec::new();
    while actions.len() < count {
        match dice.below(100) {
            0..5 => actions.push(Action::Connect { slot: dice.slot(), pipe: dice.pipe() }),
            5..24 => {
                // Most sessions should come far.
                let slot = dice.slot();
                actions.push(Action::Connect { slot, pipe: dice.pipe() });
                actions.push(Action::Say { slot, lines: login(&mut dice), cuts: dice.next() });
            }
            24..64 => {
                let (slot, lines) = (dice.slot(), lines(&mut dice));
                actions.push(Action::Say { slot, lines, cuts: dice.next() });
            }
            64..70 => {
                let lines = lines(&mut dice);
                let octets = dice.below(lines.iter().map(|line| line.len() + 2).sum::<usize>() + 1);
                actions.push(Action::Vanish { slot: dice.slot(), lines, octets });
            }
            70..80 => {
                let (message, is_cut) = (message(&mut dice, true), dice.below(10) == 0);
                actions.push(Action::Deliver { message, is_cut });
            }
            80..87 => {
                let name = match dice.below(8) {
                    0..3 => Name::Old(dice.below(100) as u32),
                    3 => Name::Coming(dice.below(100) as u32),
                    4 => Name::Timeless,
                    5 | 6 => Name::Odd,
                    _ => Name::Long,
                };
                let message = message(&mut dice, false);
                actions.push(Action::Put { message, name, is_in_cur: dice.below(2) == 0 });
            }
            87..90 => actions.push(Action::Take { which: dice.below(8) }),
            90..94 => {
                let flags = [":2,", ":2,S", ":2,RS", ":2,FRST", ""][dice.below(5)];
                actions.push(Action::Flag { which: dice.below(8), flags });
            }
            94..98 => actions.push(Action::Index(sabotage(&mut dice))),
            _ => actions.push(Action::Settle),
        }
    }
    actions
}

fn sabotage(dice: &mut Dice) -> Sabotage {
    match dice.below(7) {
        0 => Sabotage::Delete,
        1 => Sabotage::Truncate(dice.next() % 400),
        2 => Sabotage::Append,
        3 => Sabotage::Flip(dice.next()),
        4 | 5 => Sabotage::Copy,
        _ => Sabotage::Restore,
    }
}

fn login(dice: &mut Dice) -> Vec<String> {
    match dice.below(8) {
        0 => vec!["AUTH PLAIN {right}".into()],
        1 => vec!["auth plain".into(), "{right}".into()],
        2 => vec!["USER {account}".into(), "CAPA".into(), "PASS secret".into()],
        3 => {
            vec!["USER {account}".into(), "PASS wrong".into(), "USER {account}".into(), "PASS secret".into()]
        }
        _ => vec!["USER {account}".into(), "PASS secret".into()],
    }
}

/// Up to twelve lines, said at once.
fn lines(dice: &mut Dice) -> Vec<String> {
    let mut lines = Vec::new();
    for _ in 0..=dice.below(12) {
        match dice.below(40) {
            0 => lines.append(&mut login(dice)),
            1 => lines.push("QUIT".into()),
            2 => lines.push(NONSENSE[dice.below(NONSENSE.len())].into()),
            3 => lines.push("x".repeat(500 + dice.below(200))),
            _ => lines.push(command(dice)),
        }
    }
    lines.truncate(12);
    if dice.below(5) == 0 {
        lines.push("QUIT".into());
    }
    lines
}

fn command(dice: &mut Dice) -> String {
    let number = match dice.below(30) {
        0 => "0".to_owned(),
        1 => "4294967297".to_owned(),
        2 => "007".to_owned(),
        _ => (1 + dice.below(7)).to_string(),
    };
    let line = match dice.below(24) {
        0..5 => format!("RETR {number}"),
        5..8 => format!("TOP {number} {}", [0, 1, 2, 5, 99_999_999][dice.below(5)]),
        8..12 => format!("DELE {number}"),
        12 => format!("LIST {number}"),
        13 => format!("UIDL {number}"),
        14..16 => "LIST".to_owned(),
        16..18 => "UIDL".to_owned(),
        18..20 => "STAT".to_owned(),
        20 => "NOOP".to_owned(),
        21 => "CAPA".to_owned(),
        _ => "RSET".to_owned(),
    };
    if dice.below(8) == 0 { line.to_lowercase() } else { line }
}

/// A message that no other is like. What comes by LMTP has CR LF and no line feed of its own.
fn message(dice: &mut Dice, is_canonical: bool) -> Vec<u8> {
    let end: &[u8] = if is_canonical || dice.below(3) == 0 { b"\r\n" } else { b"\n" };
    let mut message = Vec::new();
    if dice.below(20) > 0 || is_canonical {
        message.extend_from_slice(format!("Subject: {:016x}", dice.next()).as_bytes());
        message.extend_from_slice(end);
        if dice.below(4) > 0 {
            message.extend_from_slice(end);
        }
    }
    for _ in 0..dice.below(12) {
        let line: &[u8] = match dice.below(10) {
            0 => b".",
            1 => b"..",
            2 => b".dot",
            3 => b"",
            4 => b"\xff\x80 eight bits",
            5 if !is_canonical => b"nul \0 and a \r in the middle",
            6 => b"a line that is somewhat longer than the others are, and that says nothing at all",
            _ => b"text",
        };
        message.extend_from_slice(line);
        message.extend_from_slice(end);
    }
    if dice.below(40) == 0 {
        for _ in 0..dice.below(3000) {
            message.extend_from_slice(b".a line of a message that does not fit into any buffer at once");
            message.extend_from_slice(end);
        }
    }
    if dice.below(6) == 0 && !is_canonical {
        message.extend_from_slice(b"the end is missing");
    }
    message
}

/// A small generator: what it gives must be the same for ever, or seeds would lose their meaning.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    /// Mostly the first client: two on one account are told apart only when one of them is in.
    fn slot(&mut self) -> usize {
        usize::from(self.below(4) == 0)
    }

    fn pipe(&mut self) -> usize {
        [16, 300, 65_536, 65_536][self.below(4)]
    }
}

/// Lines that are no command, or that come at the wrong time.
const NONSENSE: &[&str] = &[
    "",
    " ",
    "XYZZY",
    "QUITX",
    "QUIT now",
    "STAT ",
    "STAT 1",
    "LIST ",
    "LIST 1 ",
    "LIST 1 2",
    "LIST 0",
    "UIDL x",
    "RETR",
    "RETR  1",
    "RETR -1",
    "RETR +1",
    "RETR 1x",
    "RETR 99999999999999999999999",
    "DELE",
    "DELE ",
    "TOP 1",
    "TOP 1 ",
    "TOP 1 -1",
    "TOP 1 1 1",
    "TOP 0 0",
    "NOOP x",
    "NOOP   ",
    "RSET 1",
    "CAPA x",
    "USER",
    "USER ",
    "USER a b",
    "USER nobody",
    "PASS",
    "PASS ",
    "PASS secret",
    "PASS  secret",
    "AUTH NONSENSE",
    "AUTH PLAIN !",
    "AUTH PLAIN {wrong}",
    "AUTH PLAIN =",
    "STLS",
    "*",
];
