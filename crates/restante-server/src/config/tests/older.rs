//! The configuration of what older POP had: POP2, boards, submission.

use super::super::*;
use super::{LEAST, folder, problems, read, same_lines};

#[test]
fn r937_p_1_1_pop2_listens_on_port_109_unless_told_otherwise() {
    let folder = folder();
    let text = "[[listen]]\nprotocol = \"pop2\"\n[auth]\nplaintext_without_tls = \"always\"\n";
    let text = format!("{text}{LEAST}");
    let config = read(&folder, &text).unwrap();
    let [listen] = config.listen.as_slice() else { panic!("{:?}", config.listen) };
    assert_eq!((listen.protocol, listen.tls), (Protocol::Pop2, TlsMode::Off));
    assert_eq!(listen.address.to_string(), "0.0.0.0:109");
    assert_eq!(config.warnings, []);
    assert_eq!(read(&folder, &config.show()).unwrap().listen, config.listen);
}

#[test]
fn pop2_needs_a_way_to_take_a_password() {
    let listen = |more: &str| format!("[[listen]]\nprotocol = \"pop2\"\n{more}");
    let tls = "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    same_lines(
        &problems(&format!("{}{tls}{LEAST}", listen("tls = \"starttls\"\n"))),
        &["3: POP2 knows no STARTTLS"],
    );
    let never = "[auth]\nplaintext_without_tls = \"never\"\n";
    same_lines(
        &problems(&format!("{}{never}{LEAST}", listen(""))),
        &["1: POP2 on 0.0.0.0:109 takes passwords in clear, which auth.plaintext_without_tls forbids"],
    );
    let config = read(&folder(), &format!("{}{LEAST}", listen(""))).unwrap();
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    assert!(warning.what.contains("refuses everybody but programs of this machine"), "{warning:?}");
    let good = format!("{}{never}{tls}{LEAST}", listen("tls = \"implicit\"\n"));
    assert_eq!(read(&folder(), &good).unwrap().warnings, []);
}
