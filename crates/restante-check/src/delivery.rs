//! Hands messages of our own over by LMTP or SMTP, with words of its own: the server that takes them may be ours.

use crate::bench::Bench;
use crate::target::Delivery;
use crate::transcript::visible;
use crate::verdict::Step;
use crate::wire::Wire;

/// Hands one message over, exactly these octets; `Err` tells why it was not taken.
pub(crate) fn deliver(
    bench: &mut Bench<'_>,
    delivery: &Delivery,
    message: &[u8],
) -> Step<Result<(), String>> {
    let mut wire = bench.connect_to(&delivery.address)?;
    let done = hand_over(&mut wire, delivery, message);
    // What is said from now on changes nothing.
    let _ = wire.write(b"QUIT\r\n");
    wire.close();
    match done {
        Ok(()) => Ok(Ok(())),
        Err(why) => Ok(Err(why)),
    }
}

fn hand_over(wire: &mut Wire, delivery: &Delivery, message: &[u8]) -> Result<(), String> {
    expect(reply(wire)?, '2')?;
    let hello = if delivery.is_lmtp { "LHLO restante-check.invalid" } else { "EHLO restante-check.invalid" };
    let extensions = ask(wire, hello)?;
    let offers = |word: &str| {
        extensions.iter().any(|line| line.get(4..).is_some_and(|text| text.eq_ignore_ascii_case(word)))
    };
    let (is_chunked, is_eight_bit) = (!message.ends_with(b"\r\n"), !message.is_ascii());
    if is_chunked && !offers("CHUNKING") {
        return Err("a message without a line end at its end takes BDAT, which is not offered".into());
    }
    if is_eight_bit && !offers("8BITMIME") {
        return Err("the server does not offer 8BITMIME".into());
    }
    let body = if is_eight_bit { " BODY=8BITMIME" } else { "" };
    expect(ask(wire, &format!("MAIL FROM:<>{body}"))?, '2')?;
    expect(ask(wire, &format!("RCPT TO:<{}>", delivery.recipient))?, '2')?;
    let note = format!("a message of {} octets", message.len());
    if is_chunked {
        let command = format!("BDAT {} LAST\r\n", message.len());
        write(wire, &[command.as_bytes(), message].concat(), &format!("BDAT, {note}"))?;
    } else {
        expect(ask(wire, "DATA")?, '3')?;
        write(wire, &dotted(message), &note)?;
    }
    expect(reply(wire)?, '2').map(|_| ())
}

fn ask(wire: &mut Wire, command: &str) -> Result<Vec<String>, String> {
    write(wire, format!("{command}\r\n").as_bytes(), command)?;
    reply(wire)
}

fn write(wire: &mut Wire, octets: &[u8], shown: &str) -> Result<(), String> {
    wire.transcript().client(wire.number(), shown.as_bytes());
    wire.write(octets).map_err(crate::judge::why)
}

/// A reply: its lines, of which the last has a space behind the code.
fn reply(wire: &mut Wire) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    while lines.len() < REPLY_LINES_MAX {
        let line = wire.line(4096).map_err(crate::judge::why)?;
        wire.transcript().server(wire.number(), &line.octets);
        let text = visible(&line.octets);
        let is_last = text.as_bytes().get(3) != Some(&b'-');
        lines.push(text);
        if is_last {
            return Ok(lines);
        }
    }
    Err("a reply without an end".into())
}

fn expect(lines: Vec<String>, class: char) -> Result<Vec<String>, String> {
    match lines.first() {
        Some(first) if first.starts_with(class) => Ok(lines),
        first => Err(first.cloned().unwrap_or_default()),
    }
}

/// A message as DATA wants it: stuffed, and ended.
fn dotted(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + 64);
    let mut is_line_start = true;
    for &octet in message {
        if is_line_start && octet == b'.' {
            wire.push(b'.');
        }
        wire.push(octet);
        is_line_start = octet == b'\n';
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// Lines of one reply.
const REPLY_LINES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_at_the_beginning_of_lines_are_doubled() {
        assert_eq!(dotted(b".\r\n..a\r\nb.c\r\n"), b"..\r\n...a\r\nb.c\r\n.\r\n");
    }
}
