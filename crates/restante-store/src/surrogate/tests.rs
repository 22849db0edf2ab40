//! Surrogates: what is expected written by hand, and what must hold for every message.

use proptest::prelude::*;
use restante_proto::body::{Encoder, Extent};

use super::*;

fn convert(stored: &[u8]) -> Vec<u8> {
    pieces([stored])
}

fn pieces<'a>(stored: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut surrogate, mut output) = (Surrogate::new(), Vec::new());
    stored.into_iter().for_each(|piece| surrogate.push(piece, &mut output));
    surrogate.finish(&mut output);
    output
}

/// The surrogate of a message with this header and a body of one line.
fn header(stored: &str) -> String {
    let message = format!("{stored}\n\nbödy\n");
    let output = String::from_utf8(convert(message.as_bytes())).unwrap();
    output.strip_suffix("\n\nbödy\n").unwrap().to_owned()
}

fn encoded(stored: &[u8], extent: Extent) -> (Vec<u8>, u64) {
    let (mut encoder, mut output) = (Encoder::new(extent), Vec::new());
    encoder.encode(stored, &mut output);
    encoder.finish(&mut output);
    (output, encoder.octets())
}

fn measured(stored: &[u8], size: usize) -> Option<u64> {
    let mut measure = Measure::new();
    for piece in stored.chunks(size) {
        if !measure.update(piece) {
            break;
        }
    }
    measure.finish(encoded(stored, Extent::Whole).1)
}

#[test]
fn r6857_3_1_1_an_all_ascii_field_is_left_alone() {
    let odd = "Subject :  a\t b \nTO: \"a\"  <b@c> ,,;\n \tx: (y\nX-Odd:=?UTF-8?Q?=C3?=  \n folded\t";
    assert_eq!(header(odd), odd);
    assert_eq!(header(&format!("{odd}\nX: é")), format!("{odd}\nX: =?UTF-8?Q?=C3=A9?="));
    // Within a field, what comes before and after is left alone too.
    assert_eq!(header("Subject: a  b é c\t d"), "Subject: a  b =?UTF-8?Q?=C3=A9?= c\t d");
    assert_eq!(
        header("To: \"a b\" <c@d>  , é <e@f> (g)"),
        "To: \"a b\" <c@d>  , =?UTF-8?Q?=C3=A9?= <e@f> (g)"
    );
}

#[test]
fn r6857_2_1_the_charset_is_utf_8() {
    let all = "Subject: é\nFrom: é <a@b>\nKeywords: é, b\nX-Any: 書\nComments: (é)";
    let output = header(all);
    assert_eq!(output.matches("=?").count(), 5, "{output}");
    assert_eq!(output.matches("=?UTF-8?").count(), 5, "{output}");
}

#[test]
fn r6857_3_2_8_1_fields_without_known_structure_are_unstructured() {
    assert_eq!(header("X-Foo: grüße an alle"), "X-Foo: =?UTF-8?Q?gr=C3=BC=C3=9Fe?= an alle");
    // Neighbours go into one, with the space between them.
    assert_eq!(header("Subject: für  Jörg an"), "Subject: =?UTF-8?Q?f=C3=BCr__J=C3=B6rg?= an");
    // The space between an encoded-word of the sender and ours must be seen.
    assert_eq!(
        header("Subject: =?UTF-8?Q?a?= é =?UTF-8?Q?b?="),
        "Subject: =?UTF-8?Q?a?= =?UTF-8?Q?_=C3=A9_?= =?UTF-8?Q?b?="
    );
    // Base64 where that is shorter.
    assert_eq!(header("Subject: 書留"), "Subject: =?UTF-8?B?5pu455WZ?=");
    assert_eq!(header("Subject:é"), "Subject:=?UTF-8?Q?=C3=A9?=");
    // A line that is no field at all.
    assert_eq!(header("Grüße von hier\nTo: a@b"), "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?= von hier\nTo: a@b");
    assert_eq!(header("Ü: a"), "=?UTF-8?Q?=C3=9C=3A?= a");
}

#[test]
fn long_texts_are_folded_and_no_letter_is_cut() {
    let subject = format!("Subject: {}", "ü".repeat(100));
    let output = header(&subject);
    assert!(output.lines().count() > 5);
    for line in output.lines() {
        assert!(line.len() <= 76, "{line}");
        let word = line.trim_start_matches("Subject:").trim();
        let octets = word.strip_prefix("=?UTF-8?Q?").and_then(|word| word.strip_suffix("?=")).unwrap();
        assert_eq!(octets.len() % "=C3=BC".len(), 0, "{line}");
    }
    assert_eq!(output.matches("=C3=BC").count(), 100);
    // CRLF where the message has CRLF.
    let output = convert(format!("{subject}\r\n\r\n").as_bytes());
    let bare = memchr::memchr_iter(b'\n', &output).filter(|&at| output[at - 1] != b'\r').count();
    assert_eq!(bare, 0);
}

#[test]
fn names_in_addresses_are_encoded() {
    assert_eq!(
        header("From: Jörg Groß <joerg@example.org>"),
        "From: =?UTF-8?Q?J=C3=B6rg_Gro=C3=9F?= <joerg@example.org>"
    );
    assert_eq!(
        header("From: \"Groß, J\\\"örg\" <j@example.org>"),
        "From: =?UTF-8?Q?Gro=C3=9F=2C_J=22=C3=B6rg?= <j@example.org>"
    );
    assert_eq!(header("To: a@b (Jörg (x))"), "To: a@b (=?UTF-8?Q?J=C3=B6rg_=28x=29?=)");
    assert_eq!(header("Keywords: a, Größe, c"), "Keywords: a, =?UTF-8?Q?Gr=C3=B6=C3=9Fe?=, c");
}

#[test]
fn r6857_3_1_6_1_u_labels_become_a_labels() {
    assert_eq!(header("To: user@bücher.example"), "To: user@xn--bcher-kva.example");
    assert_eq!(
        header("To: Bücher <user@BÜCHER.example>, b@c"),
        "To: =?UTF-8?Q?B=C3=BCcher?= <user@xn--bcher-kva.example>, b@c"
    );
    assert_eq!(header("Return-Path: <a@bücher.example>"), "Return-Path: <a@xn--bcher-kva.example>");
}

#[test]
fn r6857_3_1_7_1_a_group_with_such_an_address_loses_its_members() {
    assert_eq!(
        header("To: G: jö@x.example, b@c;, d@e"),
        "To: G =?UTF-8?Q?j=C3=B6=40x=2Eexample=2C_b=40c?= :;, d@e"
    );
    // One that can be said keeps them.
    assert_eq!(
        header("To: G: a@bücher.example, é <b@c>;"),
        "To: G: a@xn--bcher-kva.example, =?UTF-8?Q?=C3=A9?= <b@c>;"
    );
    assert_eq!(header("Cc: Größe:;"), "Cc: =?UTF-8?Q?Gr=C3=B6=C3=9Fe?=:;");
}

#[test]
fn r6857_3_1_8_1_a_mailbox_with_such_a_local_part_becomes_a_group() {
    assert_eq!(header("From: J <jö@x.example>"), "From: J =?UTF-8?Q?j=C3=B6=40x=2Eexample?= :;");
    assert_eq!(header("From: jö@x.example (J)"), "From: =?UTF-8?Q?j=C3=B6=40x=2Eexample?= :; (J)");
    assert_eq!(
        header("To: a@b, Jörg <jö@x>, c@d"),
        "To: a@b, =?UTF-8?Q?J=C3=B6rg?= =?UTF-8?Q?j=C3=B6=40x?= :;, c@d"
    );
}

#[test]
fn r6858_2_3_1_a_subject_is_encoded() {
    assert_eq!(header("Subject: É"), "Subject: =?UTF-8?Q?=C3=89?=");
}

#[test]
fn r6858_2_1_2_no_address_is_left_that_could_be_somebodys() {
    for field in ["Delivered-To: jö@x", "Resent-From: <jö@x>", "Disposition-Notification-To: jö@x"] {
        assert!(!header(field).contains('@'), "{}", header(field));
    }
}

#[test]
fn r6857_3_1_10_1_identifiers_move_to_another_name() {
    assert_eq!(
        header("Message-ID: <jö@x>\nTo: a@b"),
        "Downgraded-Message-ID: =?UTF-8?Q?=3Cj=C3=B6=40x=3E?=\nTo: a@b"
    );
    for name in ["Resent-Message-ID", "In-Reply-To", "References", "Original-Recipient", "Final-Recipient"] {
        let output = header(&format!("{name}: rfc822; <jö@x>"));
        assert!(output.starts_with(&format!("Downgraded-{name}: ")) && output.is_ascii(), "{output}");
    }
    // What can be converted is.
    assert_eq!(header("References: <a@b> (é)"), "References: <a@b> (=?UTF-8?Q?=C3=A9?=)");
    assert_eq!(
        header("Final-Recipient: utf-8; a@bücher.example"),
        "Final-Recipient: utf-8; a@xn--bcher-kva.example"
    );
}

#[test]
fn r6857_3_1_10_2_received_loses_what_cannot_be_said() {
    let date = "Thu, 1 Jan 2026 00:00:00 +0000";
    assert_eq!(
        header(&format!("Received: from a (é) by b with LMTP id 7\n\tfor <jö@x>; {date}")),
        format!("Received: from a (=?UTF-8?Q?=C3=A9?=) by b with LMTP id 7\n\t; {date}")
    );
    assert_eq!(
        header(&format!("Received: from bücher.example by b id é for <a@bücher.example>; {date}")),
        format!("Received: from xn--bcher-kva.example by b for <a@xn--bcher-kva.example>; {date}")
    );
    assert!(!header("Received: é").contains("Downgraded"));
}

#[test]
fn r6857_3_1_4_1_mime_parameters_become_extended_parameters() {
    assert_eq!(
        header("Content-Disposition: attachment; filename=\"é.txt\"; size=3"),
        "Content-Disposition: attachment; filename*=UTF-8''%C3%A9.txt; size=3"
    );
    assert_eq!(
        header("Content-Type: text/plain (é);\n name = \"a \\\"é\\\".txt\" (no)"),
        "Content-Type: text/plain (=?UTF-8?Q?=C3=A9?=);\n name*=UTF-8''a%20%22%C3%A9%22.txt"
    );
    assert_eq!(
        header("Content-Type: a/b; name*0=\"é\"; name*1=\"b\""),
        "Content-Type: a/b; name*0*=UTF-8''%C3%A9; name*1=\"b\""
    );
    // In several parts where a line would be too long.
    let output = header(&format!("Content-Type: a/b; name=\"{}\"", "é".repeat(400)));
    assert!(output.lines().all(|line| line.len() <= 998) && output.contains("name*1*=%C3%A9"), "{output}");
    // What keeps to no grammar is still said.
    assert_eq!(header("Content-Type: téxt"), "Content-Type: =?UTF-8?Q?t=C3=A9xt?=");
}

#[test]
fn r6857_4_1_1_parts_at_every_level_have_headers() {
    let message = "Subject: plain\nContent-Type: multipart/mixed; boundary=\"b=1\"\n\nö prologue\n\
        --b=1\nContent-Type: multipart/alternative;\n boundary=in\n\n\
        --in\nContent-Description: é\n\nbödy: ö\n--in--\nö between\n\
        --b=1 \nContent-Type: message/rfc822\n\nSubject: é\nFrom: jö@x\n\nSubject: ö\n\
        --b=1\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nSubject: ö\n\
        --b=1\nContent-Type: message/global-delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: utf-8; jö@x\n\
        --b=1--\nSubject: ö\n";
    let expected = message
        .replace("Content-Description: é", "Content-Description: =?UTF-8?Q?=C3=A9?=")
        .replace("Subject: é\nFrom: jö@x", "Subject: =?UTF-8?Q?=C3=A9?=\nFrom: =?UTF-8?Q?j=C3=B6=40x?= :;")
        .replace(
            "Final-Recipient: utf-8; jö@x",
            "Downgraded-Final-Recipient: utf-8; =?UTF-8?Q?j=C3=B6=40x?=",
        );
    assert_eq!(String::from_utf8(convert(message.as_bytes())).unwrap(), expected);
    // The parts of a digest are messages.
    let digest = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: é\n\n--b--\n";
    let expected = digest.replace('é', "=?UTF-8?Q?=C3=A9?=");
    assert_eq!(String::from_utf8(convert(digest.as_bytes())).unwrap(), expected);
}

#[test]
fn r6857_5_1_signatures_are_kept() {
    let signature = "DKIM-Signature: v=1; a=rsa-sha256; h=subject:from;\n\tb=abc+/=";
    assert_eq!(
        header(&format!("{signature}\nSubject: é")),
        format!("{signature}\nSubject: =?UTF-8?Q?=C3=A9?=")
    );
    let signed = "Content-Type: multipart/signed; boundary=b\nSubject: é\n\n--b\n\nx\n--b\n\
        Content-Type: application/pgp-signature\n\nsig\n--b--\n";
    let output = String::from_utf8(convert(signed.as_bytes())).unwrap();
    assert_eq!(output, signed.replace('é', "=?UTF-8?Q?=C3=A9?="));
}

/// Octets that are no UTF-8 were there before UTF8 was: nobody knows what they say.
#[test]
fn fields_that_are_no_utf8_stay_as_they_are() {
    let message = b"Subject: \xE9\nX: \xC3\xA9\n\n\xE9\n";
    assert_eq!(convert(message), b"Subject: \xE9\nX: =?UTF-8?Q?=C3=A9?=\n\n\xE9\n");
    assert_eq!(measured(b"Subject: \xE9\n\n\xE9\n", 100), None);
}

#[test]
fn a_field_that_is_too_large_is_hidden_and_not_held() {
    let long = format!("X: {}\n more é\nSubject: é\n\nbödy\n", "aé".repeat(100_000));
    let mut surrogate = Surrogate::new();
    let mut output = Vec::new();
    for piece in long.as_bytes().chunks(1000) {
        surrogate.push(piece, &mut output);
        assert!(surrogate.held.capacity() < 3 * FIELD_OCTETS_MAX);
    }
    surrogate.finish(&mut output);
    let expected = format!("X: {}\n more ??\nSubject: =?UTF-8?Q?=C3=A9?=\n\nbödy\n", "a??".repeat(100_000));
    assert_eq!(output, expected.as_bytes());
}

#[test]
fn a_message_without_end_of_header_is_a_header() {
    assert_eq!(convert("Subject: é".as_bytes()), b"Subject: =?UTF-8?Q?=C3=A9?=");
    assert_eq!(convert("Subject: a\n é".as_bytes()), b"Subject: a\n =?UTF-8?Q?=C3=A9?=");
    assert_eq!(convert(b""), b"");
    assert_eq!(convert("\nSubject: é\n".as_bytes()), "\nSubject: é\n".as_bytes());
}

#[test]
fn only_a_message_that_changes_has_a_surrogate() {
    assert_eq!(measured("Subject: a\n\nbödy\n".as_bytes(), 5), None);
    assert_eq!(measured(b"Subject: a\n\nbody\n", 5), None);
    let message = "Subject: é\n\nbödy\n".as_bytes();
    assert_eq!(measured(message, 5), Some(encoded(&convert(message), Extent::Whole).1));
}

/// Headers and bodies out of pieces that matter.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "Subject: ",
        "To: ",
        "From: ",
        "Received: from ",
        "Message-ID: <",
        "Content-Type: ",
        "multipart/mixed; boundary=b",
        "message/rfc822",
        "; name=",
        "Content-Disposition: x; filename=",
        "Keywords: ",
        "\n",
        "\r\n",
        "\n\n",
        "\r\n\r\n",
        " ",
        "\t",
        "é",
        "書",
        "a",
        "\"",
        "(",
        ")",
        "<",
        ">",
        "@",
        ":",
        ";",
        ",",
        "=",
        "\\",
        "--b",
        "--b--",
        "for <",
        "id ",
        "=?UTF-8?Q?a?=",
        ".",
        "%",
        "'",
        "*",
    ];
    let word = prop_oneof![
        12 => prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        1 => Just(vec![0xE9]),
        1 => any::<u8>().prop_map(|octet| vec![octet]),
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

/// Valid UTF-8 only.
fn texts() -> impl Strategy<Value = String> {
    messages().prop_map(|message| String::from_utf8_lossy(&message).into_owned())
}

proptest! {
    #[test]
    fn the_header_is_ascii_and_the_body_untouched(header in texts(), body in texts()) {
        let header = header.replace(['\r', '\n'], "");
        let message = format!("{header}\n\n{body}");
        let output = convert(message.as_bytes());
        let behind = message.len() - message.find("\n\n").map_or(0, |at| at + 2);
        let (converted, rest) = output.split_at(output.len() - behind);
        // Unless the header said that headers follow.
        let has_parts = header.contains("multipart") || header.contains("message/");
        prop_assert!(converted.is_ascii() || has_parts, "{}", converted.escape_ascii());
        prop_assert!(has_parts || rest == &message.as_bytes()[message.len() - behind..]);
    }

    #[test]
    fn what_has_no_header_outside_ascii_is_its_own_surrogate(message in messages()) {
        let once = convert(&message);
        prop_assert_eq!(convert(&once), once.clone(), "twice is once");
        let ascii: Vec<u8> = message.iter().map(|octet| octet & 0x7F).collect();
        prop_assert_eq!(convert(&ascii), ascii);
    }

    #[test]
    fn r6858_4_2_the_octets_are_those_that_are_sent(message in messages(), size in 1_usize..40) {
        let output = convert(&message);
        let octets = encoded(&output, Extent::Whole).1;
        prop_assert_eq!(measured(&message, size), (output != message).then_some(octets));
        prop_assert_eq!(measured(&message, message.len().max(1)), measured(&message, 1));
    }

    #[test]
    fn pieces_do_not_matter(message in messages(), size in 1_usize..9) {
        prop_assert_eq!(pieces(message.chunks(size)), convert(&message));
    }

    #[test]
    fn r6858_4_1_top_counts_the_lines_of_the_surrogate(message in messages(), lines in 0_u64..6) {
        let output = convert(&message);
        let (top, whole) = (encoded(&output, Extent::Top(lines)).0, encoded(&output, Extent::Whole).0);
        prop_assert!(whole.starts_with(top.strip_suffix(b".\r\n").unwrap()));
    }
}
