//! One test, at least, for each ledger row with decision "obey"; its name begins with the row's id.
//!
//! Each is put to Dovecot too, so that the law is tested and not ourselves (see `restante_test::judge`).
//! Rows about the passing of time stand in restante-server, where the clock can be turned.

mod lmtp;
pub(crate) mod mechanisms;
mod proxy;
mod rfc0937;
mod rfc1081;
mod rfc1082;
mod rfc1460;
mod rfc1939;
mod rfc1957;
mod rfc2449;
mod rfc2595;
mod rfc3206;
mod rfc4616;
mod rfc5034;
mod rfc5322;
mod rfc6186;
mod rfc6856;
mod rfc8314;
mod rfc8997;
mod rfc9325;
