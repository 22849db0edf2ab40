//! One defect for each judge, as a small variation of the correct server.

use std::collections::BTreeSet;

use restante_check::judge;

use crate::run::{fails, warns};
use crate::server::Habit::{self, *};
use crate::server::{Session, challenge, edit, edit_with, err, habit, ok, stuffed, top};

/// Judges that cannot be seen to fail here, and why.
const NOT_SEEN: &[(&str, &str)] = &[
    ("capa-plaintext", "does not apply on loopback, where the tests are"),
    ("tls-extended-secret", "rustls, which the server of the tests speaks, always has it"),
    ("tls-rsa-bits", "no short RSA key can be made here, and one in a file would be taken for a secret"),
    ("tls-implicit-at-once", "needs a TLS port: see transport.rs"),
];

/// A test for each line: the server answers `command` with `reply`, or has a habit, or edits its replies by a function; the judge
/// `fails` it or `warns` of it.
macro_rules! defects {
    ($($name:ident: $key:literal $verdict:ident $variation:expr;)*) => {
        $(#[test] fn $name() { $verdict($key, $variation); })*

        #[test]
        fn every_judge_is_seen_to_fail() {
            let seen: BTreeSet<&str> = [$($key),*].into_iter().chain(NOT_SEEN.iter().map(|(key, _)| *key)).collect();
            let unseen: Vec<&str> = judge::all().map(|judge| judge.key).filter(|key| !seen.contains(key)).collect();
            assert!(unseen.is_empty(), "{unseen:?}");
            assert!(seen.iter().all(|key| judge::all().any(|judge| judge.key == *key)));
        }
    };
}

/// The reply to one command is another.
macro_rules! says {
    ($command:literal, $reply:expr) => {
        edit(|_, command, reply| if command == $command { $reply } else { reply })
    };
}

/// The reply to one command after login is another.
macro_rules! says_inside {
    ($command:literal, $reply:expr) => {
        edit(|session, command, reply| if session.is_in && command == $command { $reply } else { reply })
    };
}

/// A text in the reply to commands that begin in this way is replaced by another.
macro_rules! replaces {
    ($command:literal, $from:expr, $to:expr) => {
        edit(
            |_, command, reply| {
                if command.starts_with($command) { replaced(&reply, $from, $to) } else { reply }
            },
        )
    };
}

/// The message with this name comes back with one line more.
macro_rules! spoils {
    ($name:literal) => {
        edit(|_, command, reply| {
            let mark = concat!(" ", $name, "\r\nFrom:");
            let is_it = command.starts_with("RETR") && contains(&reply, mark.as_bytes());
            if is_it { with_line(&reply, b"one more\r\n") } else { reply }
        })
    };
}

defects! {
    greeting_is_negative: "greeting" fails says!("GREETING", err("no"));
    greeting_of_two_lines: "greeting" fails says!("GREETING", b"+OK one\r\n-ERR two\r\n".to_vec());
    timestamp_without_domain: "greeting-timestamp" fails says!("GREETING", ok("<1896>"));
    timestamp_that_repeats: "greeting-timestamp-fresh" fails says!("GREETING", ok("<1896.6@mail.example.org>"));
    quit_before_login_refused: "quit-before-login" fails says!("QUIT", err("no"));
    quit_before_login_without_end: "quit-before-login" fails edit(|session, _, reply| { session.is_closing = false; reply });

    tls_not_offered: "tls-offered" warns habit(&[NoTls]);
    tls_broken: "tls-version" fails habit(&[BrokenTls]);
    tls_12_only: "tls-newest" warns habit(&[OnlyTls12]);
    tls_10_spoken: "tls-old-versions" fails habit(&[SpeaksOldTls]);
    certificate_of_another: "tls-certificate-name" fails habit(&[OtherCertificate]);
    certificate_expired: "tls-certificate-dates" fails habit(&[ExpiredCertificate]);
    chain_incomplete: "tls-certificate-chain" fails habit(&[NoIntermediate]);
    alpn_of_imap: "tls-alpn" fails habit(&[AlpnImap]);
    alpn_not_looked_at: "tls-alpn" warns habit(&[NoAlpn]);
    alpn_mismatch_taken: "tls-alpn-mismatch" warns habit(&[NoAlpn]);
    no_close_notify: "tls-close" warns habit(&[SaysNoCloseNotify]);
    stls_says_more: "tls-stls-at-once" fails says!("STLS", b"+OK begin\r\n+OK really\r\n".to_vec());
    stls_opens_the_maildrop: "tls-stls-state" fails says!("STAT", ok("0 0"));
    stls_injection: "tls-stls-injection" fails habit(&[KeepsInputAcrossStls]);
    stls_half_command: "tls-stls-half-command" fails habit(&[KeepsHalfLineAcrossStls]);
    stls_twice: "tls-stls-again" warns edit(|session, command, reply| if session.is_tls && command == "STLS" { ok("again") } else { reply });
    weak_suites_taken: "tls-weak-suites" fails habit(&[TakesWeakSuites]);
    certificate_asked_for: "tls-client-certificate" warns edit_with(&[AsksForCertificate], |_, command, reply| if command == "CAPA" { replaced(&reply, " EXTERNAL", "") } else { reply });
    stls_without_capa: "tls-stls-capa" fails says!("CAPA", err("what?"));
    stls_with_argument: "stls-argument" fails says!("STLS now", ok("begin"));
    stls_keeps_the_user: "stls-forgets-user" fails habit(&[KeepsUserAcrossStls]);

    no_capa: "capa" warns says!("CAPA", err("what?"));
    capa_with_two_spaces: "capa-form" fails replaces!("CAPA", "EXPIRE NEVER", "EXPIRE  NEVER");
    capa_with_a_long_line: "capa-line-octets" fails replaces!("CAPA", "TOP\r\n", &format!("X-{}\r\n", "x".repeat(510)));
    capa_refused_after_login: "capa-after-login" fails says_inside!("CAPA", err("what?"));
    sasl_gone_after_login: "capa-both-states" fails edit(|session, command, reply| if session.is_in && command == "CAPA" { replaced(&reply, "USER\r\n", "") } else { reply });
    pipelining_only_after_login: "capa-before-login" fails edit(|session, command, reply| if !session.is_in && command == "CAPA" { replaced(&reply, "PIPELINING\r\n", "") } else { reply });
    top_announced_and_missing: "capa-top" fails edit(|_, command, reply| if command.starts_with("TOP") { err("what?") } else { reply });
    top_there_and_not_announced: "capa-top" warns replaces!("CAPA", "TOP\r\n", "");
    uidl_announced_and_missing: "capa-uidl" fails edit(|_, command, reply| if command.starts_with("UIDL") { err("what?") } else { reply });
    user_announced_and_missing: "capa-user" fails edit(|_, command, reply| if command.starts_with("USER") { err("what?") } else { reply });
    apop_in_capa: "capa-no-apop" warns replaces!("CAPA", "TOP\r\n", "TOP\r\nAPOP\r\n");
    login_delay_in_words: "capa-login-delay" fails replaces!("CAPA", "LOGIN-DELAY 0", "LOGIN-DELAY soon");
    expire_of_the_account_not_flagged: "capa-user-values" warns edit(|session, command, reply| if session.is_in && command == "CAPA" { replaced(&reply, "EXPIRE NEVER", "EXPIRE 30") } else { reply });
    delay_of_the_account_is_longer: "capa-user-values" warns edit(|session, command, reply| if session.is_in && command == "CAPA" { replaced(&reply, "LOGIN-DELAY 0 USER", "LOGIN-DELAY 90") } else { reply });
    login_delay_not_enforced: "login-delay" warns replaces!("CAPA", "LOGIN-DELAY 0", "LOGIN-DELAY 60");
    expire_negative: "capa-expire" fails replaces!("CAPA", "EXPIRE NEVER", "EXPIRE -1");
    sasl_with_commas: "capa-sasl" fails replaces!("CAPA", "PLAIN LOGIN", "PLAIN,LOGIN");
    stls_announced_under_tls: "capa-stls" fails edit(|session, command, reply| if session.is_tls && command == "CAPA" { replaced(&reply, "TOP\r\n", "TOP\r\nSTLS\r\n") } else { reply });

    unknown_command_taken: "unknown-command" fails says!("XYZZ", ok("nothing happens"));
    empty_command_ignored: "unknown-command" fails says!("", Vec::new());
    three_errors_close: "error-keeps-session" warns edit(|session, _, reply| { if reply.starts_with(b"-ERR") { session.errors += 1; session.is_closing |= session.errors > 2; } reply });
    noop_before_login: "state-before-login" fails edit(|session, command, reply| if !session.is_in && command == "NOOP" { ok("idle") } else { reply });
    user_without_name: "argument-missing-before-login" fails says!("USER", ok("who?"));
    pass_without_user: "pass-before-user" fails edit(|session, command, reply| if command.starts_with("PASS") && reply == err("who?") { session.login(true) } else { reply });
    apop_without_digest: "apop-arguments" fails says!("APOP restante-check", ok("welcome"));
    keywords_in_upper_case_only: "keyword-case" fails says!("cApA", err("what?"));
    keywords_in_upper_case_only_inside: "keyword-case" fails says_inside!("sTaT", err("what?"));
    cr_ends_a_command: "command-split" fails habit(&[TakesCrForLineEnd]);
    long_command_closes: "command-255-octets" fails edit(|session, command, reply| { session.is_closing |= command.len() > 200; reply });
    over_long_command_split: "command-over-long" warns habit(&[CutsLongLines]);
    nul_ends_a_command: "command-odd-octets" fails habit(&[StopsAtNul]);

    login_that_opens_nothing: "login" fails says_inside!("STAT", err("no maildrop"));
    wrong_password_let_in: "login-wrong-password" fails edit(|session, command, reply| if command.starts_with("PASS restante") { session.login(true) } else { reply });
    stat_after_wrong_password: "login-wrong-password" fails edit(|session, command, reply| if !session.is_in && command == "STAT" { ok("0 0") } else { reply });
    failure_that_sticks: "login-after-failure" fails edit(sticks);
    auth_code_missing: "auth-code" fails replaces!("PASS", "[AUTH] ", "");
    auth_code_on_syntax: "auth-code-only" fails says!("XYZZ", err("[AUTH] what?"));
    user_tells: "user-tells-nothing" warns edit(|_, command, reply| if command.starts_with("USER restante") { err("nobody") } else { reply });
    pass_tells: "pass-tells-nothing" warns edit(tells);
    pass_of_one_word: "pass-blanks" warns says!("PASS restante check wrong", err("too many arguments"));
    user_after_login: "state-after-login" fails says_inside!("USER ann", ok("who?"));
    stls_after_login: "state-after-login" fails says_inside!("STLS", ok("begin"));
    apop_refuses_right_digest: "apop-login" warns edit(|session, command, reply| if command.starts_with("APOP") && session.is_in { session.is_closing = true; err("[AUTH] no") } else { reply });
    apop_takes_wrong_digest: "apop-wrong-digest" fails edit(|session, command, reply| if command.starts_with("APOP") && !session.is_in { session.login(true) } else { reply });

    plain_refused: "sasl-plain" fails edit(|session, command, reply| if command.starts_with("AUTH PLAIN ") && session.is_in { session.is_closing = true; err("no") } else { reply });
    plain_prompt_without_space: "sasl-plain-challenge" fails says!("AUTH PLAIN", b"+\r\n".to_vec());
    second_auth_taken: "sasl-plain-challenge" fails says_inside!("AUTH PLAIN", b"+ \r\n".to_vec());
    mechanism_in_upper_case_only: "sasl-case" fails says!("aUtH pLaIn", err("no such mechanism"));
    login_announced_and_missing: "sasl-login" warns says!("AUTH LOGIN", err("no such mechanism"));
    cancel_taken_for_base64: "sasl-cancel" fails says!("*", b"+ \r\n".to_vec());
    unknown_mechanism_taken: "sasl-unknown" fails says!("AUTH X-RESTANTE-CHECK", b"+ \r\n".to_vec());
    no_base64_taken: "sasl-base64" fails says!("AGE=bgB4", b"+ \r\n".to_vec());
    empty_initial_taken_for_none: "sasl-empty-initial" fails says!("AUTH PLAIN =", b"+ \r\n".to_vec());
    initial_for_server_first: "sasl-server-first" fails edit(|_, command, reply| if command.starts_with("AUTH CRAM-MD5 ") { challenge(b"<1@x>") } else { reply });
    failed_auth_sticks: "sasl-failure-forgotten" fails edit(sticks);
    long_response_closes: "sasl-long-response" fails edit(|session, command, reply| { session.is_closing |= command.len() > 512; reply });
    plain_without_nul: "sasl-plain-parts" fails edit(|_, _, reply| if reply == err("no PLAIN message") { b"+ \r\n".to_vec() } else { reply });
    plain_for_somebody_else: "sasl-plain-other" fails edit(|session, command, reply| if command.starts_with("AUTH PLAIN ") && !session.is_in { session.login(true) } else { reply });
    cram_challenge_repeats: "sasl-cram-challenge" fails says!("AUTH CRAM-MD5", challenge(b"<1.2@mail.example.org>"));
    cram_challenge_is_no_id: "sasl-cram-challenge" fails says!("AUTH CRAM-MD5", challenge(b"hello"));
    external_without_certificate: "sasl-external" fails edit(|session, command, reply| if command == "AUTH EXTERNAL =" { session.login(true) } else { reply });
    scram_nonce_of_its_own: "sasl-scram-first" fails edit(|_, command, reply| if command.starts_with("AUTH SCRAM") { challenge(b"r=mine,s=c2FsdA==,i=4096") } else { reply });
    cram_takes_a_wrong_digest: "sasl-cram-login" fails edit(|session, _, reply| if !session.is_in && reply == b"-ERR [AUTH] no\r\n" { session.login(true) } else { reply });
    scram_server_proves_nothing: "sasl-scram-login" fails edit(|_, _, reply| if is_proof(&reply) { challenge(b"v=d3Jvbmc=") } else { reply });
    scram_ends_without_proof: "sasl-scram-login" fails edit(|session, _, reply| if is_proof(&reply) { session.login(true) } else { reply });
    scram_takes_another_binding: "sasl-scram-binding" fails edit(|session, _, reply| if !session.is_in && reply == b"-ERR [AUTH] no\r\n" { session.login(true) } else { reply });
    scram_takes_a_downgrade: "sasl-scram-downgrade" fails edit(|session, command, reply| if command.starts_with("AUTH SCRAM") && reply == err("no SCRAM message") { session.login(true) } else { reply });
    scram_few_iterations: "sasl-scram-first" fails edit(|_, command, reply| if command.starts_with("AUTH SCRAM") { challenge(b"r=restantecheck0123456789x,s=c2FsdA==,i=1") } else { reply });
    scram_takes_anything: "sasl-scram-refuses" fails edit(|_, command, reply| if command.starts_with("AUTH SCRAM") { challenge(b"r=abcdefx,s=c2FsdA==,i=4096") } else { reply });
    plain_not_offered: "sasl-plain-offered" fails replaces!("CAPA", "SASL PLAIN LOGIN", "SASL LOGIN");
    bearer_offered_in_the_clear: "sasl-bearer-clear" fails edit(|session, command, reply| if !session.is_tls && command == "CAPA" { replaced(&reply, "EXTERNAL", "EXTERNAL OAUTHBEARER") } else { reply });
    scram_salt_of_nobody_changes: "sasl-scram-unknown" warns edit(|session, command, reply| if command.starts_with("AUTH SCRAM") { challenge(format!("r=restantecheck0123456789x,s=c2F{},i=4096", session.shared.count()).as_bytes()) } else { reply });
    bearer_refused_without_json: "sasl-bearer-refusal" fails edit(|_, command, reply| if command.starts_with("AUTH OAUTHBEARER") { err("[AUTH] no") } else { reply });

    noop_missing: "minimal-commands" fails says!("NOOP", err("what?"));
    uidl_missing: "uidl-and-top" warns edit(|_, command, reply| if command.starts_with("UIDL") { err("what?") } else { reply });
    stat_with_two_spaces: "stat-form" fails says_inside!("STAT", b"+OK  11  100\r\n".to_vec());
    stat_with_more: "stat-nothing-more" warns says_inside!("STAT", ok("11 100 octets"));
    list_with_leading_zero: "list-form" fails replaces!("LIST", "\r\n2 ", "\r\n02 ");
    list_with_more: "list-nothing-more" warns edit(|_, command, reply| if command == "LIST" { more_in_lines(&reply) } else { reply });
    list_with_a_gap: "list-numbers" fails replaces!("LIST", "\r\n11 ", "\r\n12 ");
    list_one_with_terminator: "list-one" fails edit(|_, command, reply| if command == "LIST 1" { [reply, b".\r\n".to_vec()].concat() } else { reply });
    list_one_says_other: "list-one" fails says!("LIST 1", ok("1 1"));
    stat_counts_wrong: "stat-sum" fails says_inside!("STAT", ok("11 1"));
    stat_wraps: "stat-64-bit" fails edit(|_, command, reply| if command == "LIST" { replaced(&reply, "here\r\n", "here\r\n0 5000000000\r\n") } else { reply });
    uidl_with_more: "uidl-form" fails edit(|_, command, reply| if command == "UIDL" { more_in_lines(&reply) } else { reply });
    uidl_too_long: "uidl-charset" fails replaces!("UIDL", "id-1\r\n", &format!("{}\r\n", "x".repeat(71)));
    uidl_beyond_ascii: "uidl-charset" fails replaces!("UIDL", "id-1\r\n", "\u{e9}\r\n");
    uidl_one_says_other: "uidl-one" fails says!("UIDL 1", ok("1 other"));
    uidl_forgets_one: "uidl-lists-all" fails replaces!("UIDL", "1 id-0\r\n", "");
    uidl_shared: "uidl-distinct" fails replaces!("UIDL", "id-1\r\n", "id-0\r\n");
    uidl_changes: "uidl-persists" fails habit(&[IdsByPlace]);

    zero_is_the_first: "number-zero" fails says!("RETR 0", ok("here"));
    list_zero: "number-zero" fails says!("LIST 0", ok("1 100"));
    beyond_the_last: "number-beyond" fails says!("LIST 1011", ok("1011 0"));
    number_wraps: "number-wraps" fails says!("LIST 4294967297", ok("1 100"));
    number_with_sign: "number-form" fails says!("LIST +1", ok("1 100"));
    number_is_octal: "number-octal" fails says!("LIST 010", ok("8 100"));
    top_without_lines: "argument-missing" fails says!("TOP 1", ok("here"));
    list_with_two_numbers: "argument-extra" fails says!("LIST 1 1", ok("1 100"));
    noop_with_argument: "argument-none" fails says!("NOOP x", ok("idle"));
    top_negative: "top-lines-form" fails says!("TOP 1 -1", ok("here"));
    refusal_of_two_lines: "error-one-line" fails says!("RETR 1011", b"-ERR no\r\n.\r\n".to_vec());

    retr_refused: "retr" fails edit(|_, command, reply| if command.starts_with("RETR") { err("not now") } else { reply });
    retr_adds_a_line: "retr-octets" fails edit(|_, command, reply| if command.starts_with("RETR") { with_line(&reply, b"\r\n") } else { reply });
    retr_stuffs_nothing: "retr-stuffing" fails replaces!("RETR", "\r\n..x\r\n", "\r\n.x\r\n");
    first_octet_not_stuffed: "retr-first-octet" fails replaces!("RETR", "+OK here\r\n..Odd", "+OK here\r\n.Odd");
    retr_with_bare_lf: "retr-line-ends" fails replaces!("RETR", "line 2 of it\r\n", "line 2 of it\n");
    retr_differs: "retr-again" fails edit(|session, command, reply| if command.starts_with("RETR 1") { session.errors += 1; if session.errors > 1 { with_line(&reply, b"again\r\n") } else { reply } } else { reply });
    eight_bit_header: "retr-eight-bit-header" fails replaces!("RETR", "Subject: one", "Subject: \u{e9}ins");
    top_zero_is_all: "top-zero" fails edit(|session, command, reply| match command.strip_prefix("TOP ").and_then(|rest| rest.strip_suffix(" 0")) { Some(number) => whole(session, number, &reply), None => reply });
    top_counts_header_lines: "top-lines" fails edit(counts_header_lines);
    top_all_truncates: "top-all" fails edit(|_, command, reply| if command.ends_with(" 99999999") { without_last_line(&reply) } else { reply });
    top_lines_wrap: "top-wraps" fails edit(|session, command, reply| if command.ends_with(" 4294967296") && reply.starts_with(b"+OK") { [&b"+OK here\r\n"[..], &stuffed(&top(&session.current()[0].octets, Some(0)))].concat() } else { reply });

    pipelined_commands_lost: "pipelining" fails habit(&[DropsPipelined]);
    pipelined_commands_lost_behind_a_message: "pipelining-retr" fails habit(&[DropsPipelined]);
    pipelined_commands_lost_at_login: "pipelining-login" warns habit(&[DropsPipelinedAtLogin]);
    idle_session_closed: "autologout" fails edit(|session, command, reply| { session.is_closing |= command == "NOOP"; reply });

    utf8_with_argument: "utf8" fails says!("UTF8 x", ok("yes"));
    utf8_refused: "utf8" fails says!("UTF8", err("not yet"));
    utf8_inside: "utf8-after-login" fails says_inside!("UTF8", ok("yes"));
    utf8_changes_ascii: "utf8-ascii" fails edit(|session, command, reply| { session.errors += usize::from(command == "UTF8"); if session.errors > 0 && command.starts_with("RETR") { with_line(&reply, b"utf8\r\n") } else { reply } });
    lang_with_strange_tags: "lang-list" fails says!("LANG", b"+OK\r\nen_US.utf8 English\r\n.\r\n".to_vec());
    lang_takes_anything: "lang-set" fails says!("LANG qqx-restante", ok("qqx now"));
    lang_before_login_only: "lang-after-login" fails says_inside!("LANG en", err("too late"));
    lang_without_default: "lang-default" fails says!("LANG *", err("which?"));
    lang_not_in_utf8: "lang-codes" fails edit(|session, command, reply| if session.language == "de" && command == "LANG qqx-restante" { b"-ERR f\xFCr uns\r\n".to_vec() } else { reply });
    lang_translates_the_status: "lang-codes" fails edit(|session, command, reply| if session.language == "de" && command == "LANG qqx-restante" { b"-FEHLER\r\n".to_vec() } else { reply });

    no_lock: "lock" warns habit(&[NoLock]);
    busy_without_code: "lock-code" fails replaces!("PASS", "[IN-USE] ", "");
    busy_told_to_anybody: "lock-tells-nothing" fails says!("PASS restante-check-wrong", err("[IN-USE] busy"));
    lock_kept: "lock-released" fails habit(&[LockKeptByQuit]);

    dele_renumbers: "dele-list" fails edit(|session, command, reply| if command == "LIST" && !session.marks.is_empty() { renumbered(&reply) } else { reply });
    dele_forgotten_in_list: "dele-list" fails edit(|session, command, reply| if command == "LIST" && !session.marks.is_empty() { replaced(&reply, "here\r\n", "here\r\n1 100\r\n") } else { reply });
    dele_renumbers_uidl: "dele-uidl" fails edit(|session, command, reply| if command == "UIDL" && !session.marks.is_empty() { renumbered(&reply) } else { reply });
    dele_forgotten_in_stat: "dele-stat" fails edit(|session, command, reply| if command == "STAT" && session.is_in { let marks = std::mem::take(&mut session.marks); let all = session.stat(); session.marks = marks; all } else { reply });
    dele_forgotten_by_retr: "dele-out-of-sight" fails says!("RETR 1", ok("here"));
    dele_twice: "dele-out-of-sight" fails edit(|_, command, reply| if command == "DELE 1" { ok("marked") } else { reply });
    dele_moves_the_next: "dele-neighbours" fails edit(|session, command, reply| if command == "RETR 2" && !session.marks.is_empty() { whole(session, "3", &reply) } else { reply });
    dele_zero: "dele-argument" fails says!("DELE 0", ok("marked"));
    dele_beyond_marks_the_last: "dele-argument" fails edit(|session, command, reply| { if command == "DELE -1" { session.marks.insert(0); } reply });
    noop_takes_marks_back: "dele-noop" fails edit(|session, command, reply| { if command == "NOOP" { session.marks.clear(); } reply });
    list_of_nothing_refused: "dele-all" fails edit(|session, command, reply| if command == "LIST" && session.left().is_empty() { err("no messages") } else { reply });
    rset_does_nothing: "rset" fails habit(&[RsetForgetsNothing]);
    drop_removes: "drop-keeps" fails habit(&[DropRemoves]);

    dots_spoiled: "message-dots" fails spoils!("dots");
    lines_spoiled: "message-lines" fails spoils!("lines");
    long_lines_cut: "message-long-lines" fails edit(|_, command, reply| if command.starts_with("RETR") { replaced(&reply, &"x".repeat(1000), &format!("{}\r\n", "x".repeat(1000))) } else { reply });
    eight_bit_spoiled: "message-eight-bit" fails replaces!("RETR", "Gr\u{fc}\u{df}e", "Gr????e");
    nul_cuts: "message-nul" warns replaces!("RETR", "before\0after", "before");
    bare_cr_spoiled: "message-bare-cr" warns replaces!("RETR", "one\rtwo", "one\r\ntwo");
    no_body_spoiled: "message-no-body" warns spoils!("no-body");
    empty_body_spoiled: "message-empty-body" fails spoils!("empty-body");
    blank_lines_cut: "message-blank-lines" fails replaces!("RETR", "\t\r\n\r\n.", "\t\r\n.");
    last_line_lost: "message-no-line-end" fails replaces!("RETR", "last without an end\r\n", "");
    large_truncated: "message-large" fails replaces!("RETR", "line 11999\r\n", "");

    rset_and_quit_remove: "rset-quit" fails habit(&[RsetForgetsNothing]);
    quit_removes_nothing: "quit-removes" fails habit(&[QuitRemovesNothing]);
    quit_removes_another: "quit-removes" fails habit(&[QuitRemovesNeighbour]);
    top_and_quit_remove: "top-keeps" warns habit(&[TopRemoves]);
    retr_and_quit_remove: "retr-keeps" fails habit(&[RetrRemoves]);
    unique_id_again: "unique-id-fresh" warns edit(|_, command, reply| if command == "UIDL" { ids_by_number(&reply) } else { reply });
    delivery_is_seen: "delivery-unseen" fails habit(&[NoSnapshot]);
    lock_does_not_hold: "lock-holds" fails habit(BOTH);

    status_in_lower_case: "reply-status" fails says!("XYZZ", b"-err what?\r\n".to_vec());
    status_misspelt: "reply-status" fails says!("XYZZ", b"+ERR what?\r\n".to_vec());
    status_glued: "reply-separator" fails says!("XYZZ", b"-ERRwhat?\r\n".to_vec());
    status_alone: "reply-space" warns says!("XYZZ", b"-ERR\r\n".to_vec());
    reply_with_bare_lf: "reply-line-ends" fails says!("XYZZ", b"-ERR what?\n".to_vec());
    reply_echoes: "reply-octets" fails edit(|_, command, reply| if command.len() > 500 { err(command) } else { reply });
    codes_not_announced: "resp-codes-announced" fails edit(|_, command, reply| if command == "CAPA" { replaced(&reply, "RESP-CODES\r\n", "") } else { replaced(&reply, "[AUTH]", "[SYS/PERM]") });
    code_with_blanks: "resp-codes-form" fails replaces!("PASS", "[AUTH]", "[AUTH FAILED]");
    auth_code_not_announced: "auth-code-announced" warns replaces!("CAPA", "AUTH-RESP-CODE\r\n", "");
}

const BOTH: &[Habit] = &[NoLock, NoSnapshot];

/// A server that says no for ever after it has said no to a login.
fn sticks(session: &mut Session, command: &str, reply: Vec<u8>) -> Vec<u8> {
    if command.starts_with("PASS restante") || command == "*" {
        session.errors = 100;
    }
    let is_login = command.starts_with("USER") || command.starts_with("AUTH");
    if session.errors >= 100 && is_login { err("go away") } else { reply }
}

/// Another text for an account that is there.
fn tells(session: &mut Session, command: &str, reply: Vec<u8>) -> Vec<u8> {
    if command.starts_with("USER") {
        session.errors = usize::from(command == "USER ann");
    }
    let is_known = session.errors == 1 && command.starts_with("PASS") && reply.starts_with(b"-ERR");
    if is_known { err("[AUTH] wrong password") } else { reply }
}

/// The correct top, without as many of the body lines as the header has lines.
fn counts_header_lines(session: &mut Session, command: &str, reply: Vec<u8>) -> Vec<u8> {
    let words: Vec<&str> = command.split(' ').collect();
    let ["TOP", number, lines] = words.as_slice() else { return reply };
    let (Some(index), Ok(lines)) = (session.find(number), lines.parse::<usize>()) else { return reply };
    let octets = session.current()[index].octets.clone();
    let start: Vec<u8> =
        octets.split_inclusive(|&octet| octet == b'\n').take(lines).flatten().copied().collect();
    [&b"+OK here\r\n"[..], &stuffed(&start)].concat()
}

/// Whether a reply is the challenge that holds the server's proof of SCRAM.
fn is_proof(reply: &[u8]) -> bool {
    // `v=` in base64.
    reply.starts_with(b"+ dj")
}

/// What RETR answers.
fn whole(session: &Session, number: &str, otherwise: &[u8]) -> Vec<u8> {
    match session.find(number) {
        Some(index) => [&b"+OK here\r\n"[..], &stuffed(&session.current()[index].octets)].concat(),
        None => otherwise.to_vec(),
    }
}

fn contains(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

fn replaced(octets: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    match octets.windows(from.len()).position(|window| window == from) {
        Some(at) => [&octets[..at], to, &octets[at + from.len()..]].concat(),
        None => octets.to_vec(),
    }
}

/// One line more before the end of a multi-line response.
fn with_line(reply: &[u8], line: &[u8]) -> Vec<u8> {
    match reply.strip_suffix(b".\r\n") {
        Some(start) if !start.is_empty() => [start, line, b".\r\n"].concat(),
        _ => reply.to_vec(),
    }
}

fn without_last_line(reply: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = reply.split_inclusive(|&octet| octet == b'\n').collect();
    let Some((end, lines)) = lines.split_last() else { return reply.to_vec() };
    [lines[..lines.len() - 1].concat(), end.to_vec()].concat()
}

/// Each entry of a listing by `edit`; number and the rest.
fn entries(reply: &[u8], edit: impl Fn(usize, &str, &str) -> String) -> Vec<u8> {
    let text = String::from_utf8_lossy(reply).into_owned();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (at, line) in lines.iter_mut().enumerate().skip(1) {
        if let Some((number, rest)) = line.clone().split_once(' ') {
            *line = edit(at, number, rest);
        }
    }
    (lines.join("\r\n") + "\r\n").into_bytes()
}

fn more_in_lines(reply: &[u8]) -> Vec<u8> {
    entries(reply, |_, number, rest| format!("{number} {rest} more"))
}

fn renumbered(reply: &[u8]) -> Vec<u8> {
    entries(reply, |at, _, rest| format!("{at} {rest}"))
}

fn ids_by_number(reply: &[u8]) -> Vec<u8> {
    entries(reply, |_, number, _| format!("{number} n{number}"))
}
