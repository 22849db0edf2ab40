//! Parsers take anything.

use proptest::prelude::*;

use super::contents::Computed;
use super::template::{Template, Values};
use super::{courier, dovecot, header, listing, number, unhex};

/// Octets in which every word of every format is likely.
fn files() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just(&b"3 V5 N6\n"[..]),
        Just(&b"1 5 6\n"[..]),
        Just(&b"/3 5 6\n"[..]),
        Just(&b"/1 5\n"[..]),
        Just(&b"restante-listing 1\n"[..]),
        Just(&b"1 S5 Pabc O3 :1.a:2,S\n"[..]),
        Just(&b"1.a 5 1:2:0\n"[..]),
        Just(&b"1 5 abc - 1.a\n"[..]),
        Just(&b"Received: x\n\ty\n"[..]),
        Just(&b"\n"[..]),
        Just(&b"\r\n"[..]),
        Just(&b" "[..]),
        Just(&b":"[..]),
        Just(&b"%"[..]),
        Just(&b"-"[..]),
        Just(&b"9"[..]),
        Just(&b"\0"[..]),
    ];
    let piece =
        prop_oneof![4 => word.prop_map(<[u8]>::to_vec), 1 => prop::collection::vec(any::<u8>(), 0..4)];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_octets_make_a_parser_panic(file in files()) {
        if let Ok(list) = dovecot::Uidlist::parse(&file) {
            prop_assert_eq!(&dovecot::Uidlist::parse(&list.write()).unwrap().rows, &list.rows);
            prop_assert_eq!(list.shown(&Template::parse("%08Xu%08Xv%g").unwrap()).len(), list.rows.len());
        }
        if let Ok(list) = courier::Sizelist::parse(&file) {
            prop_assert_eq!(list.shown().len(), list.rows.len());
            prop_assert_eq!(courier::Sizelist::parse(&list.write()).unwrap().rows, list.rows);
        }
        if let Ok(shown) = listing::parse(&file) {
            prop_assert_eq!(listing::parse(&listing::write(shown.iter())).unwrap(), shown);
        }
        for computed in
            [Computed::XUidl, Computed::Qpopper, Computed::Qpopper2, Computed::Popa3d, Computed::DovecotMd5]
        {
            let _ = computed.unique_id(&file, None);
        }
        let _ = header::digest(&file);
    }

    #[test]
    fn no_text_makes_a_template_panic(text in "[%{}| 0-9a-zA-Z()]{0,20}", name in prop::collection::vec(any::<u8>(), 0..9)) {
        if let Ok(template) = Template::parse(&text) {
            let expanded = template.expand(&Values { uid: 7, uid_validity: u32::MAX, name: &name, guid: None, md5: b"" });
            prop_assert!(expanded.len() < 4096);
        }
    }

    #[test]
    fn fields_hold_the_whole_header(file in files()) {
        let octets: usize = header::fields(&file).map(|field| field.whole.len()).sum();
        prop_assert!(octets <= file.len());
    }
}

#[test]
fn numbers_are_digits_and_nothing_else() {
    assert_eq!(number::<u32>(b"007"), Some(7));
    for digits in [&b""[..], b"+1", b" 1", b"1 ", b"4294967296", b"a"] {
        assert_eq!(number::<u32>(digits), None);
    }
    assert_eq!(unhex(b"0aFf"), Some(vec![10, 255]));
    assert_eq!(unhex(b"0"), None);
    assert_eq!(unhex(b"0g"), None);
}
