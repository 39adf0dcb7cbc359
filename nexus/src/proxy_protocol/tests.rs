use proptest::prelude::*;

use super::*;

/// Reads bytes and says what they are: `SOURCE > DESTINATION`, `local`, `more` or `malformed`.
fn said(bytes: &[u8]) -> String {
    match read(bytes) {
        Err(Malformed) => "malformed".to_owned(),
        Ok(None) => "more".to_owned(),
        Ok(Some(Header { ends: None, .. })) => "local".to_owned(),
        Ok(Some(Header { ends: Some(ends), .. })) => {
            format!("{} > {}", ends.source, ends.destination)
        }
    }
}

#[test]
fn a_line_of_version_1_says_who_is_there() {
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(107 - 16));
    for (line, expected) in [
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r\nGET", "1.2.3.4:1000 > 5.6.7.8:80"),
        ("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", "[2001:db8::1]:1 > [::1]:65535"),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 0 0\r\n", "1.2.3.4:0 > 5.6.7.8:0"),
        ("PROXY UNKNOWN\r\n", "local"),
        ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "local"),
        (&longest, "local"),
        ("", "more"),
        ("PROXY", "more"),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1000 80", "more"),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r", "more"),
        ("GET / HTTP/1.1\r\n", "malformed"),
        ("proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "malformed"),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", "malformed"),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", "malformed"),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", "malformed"),
        ("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", "malformed"),
        ("PROXY TCP4 ::1 ::2 1 2\r\n", "malformed"),
        ("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", "malformed"),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", "malformed"),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", "malformed"),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", "malformed"),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\0", "malformed"),
        ("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", "malformed"),
        ("PROXY \r\n", "malformed"),
        (&longest.replace(" f", " ff"), "malformed"),
        (&"PROXY UNKNOWN ".repeat(9), "malformed"),
    ] {
        assert_eq!(said(line.as_bytes()), expected, "{line:?}");
    }
}

/// Makes a header of version 2, with as many bytes behind its first 16 as `rest` has.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &len, rest].concat()
}

#[test]
fn a_header_of_version_2_says_who_is_there() {
    let v4 = [1, 2, 3, 4, 5, 6, 7, 8, 0x03, 0xe8, 0, 80];
    let (mut v6, with_more) = ([0; 36], [&v4[..], &[0x04, 0, 3, 1, 2, 3]].concat());
    (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 7, 8);
    let plain = "1.2.3.4:1000 > 5.6.7.8:80";
    for (bytes, expected) in [
        (v2(0x21, 0x11, &v4), plain),
        (v2(0x21, 0x11, &with_more), plain),
        (v2(0x21, 0x21, &v6), "[::1]:7 > [::2]:8"),
        (v2(0x20, 0x00, &[]), "local"),
        (v2(0x20, 0x11, &v4), "local"),
        (v2(0x20, 0xff, &[1]), "local"),
        (v2(0x21, 0x00, &[9; 20]), "local"),
        (v2(0x21, 0x31, &[0; 216]), "local"),
        (v2(0x21, 0x12, &v4), "local"),
        (v2(0x21, 0xff, &[]), "local"),
        (v2(0x21, 0x11, &[0; BYTES_MAX - 16]), "0.0.0.0:0 > 0.0.0.0:0"),
        (v2(0x21, 0x11, &[0; BYTES_MAX - 15]), "malformed"),
        (v2(0x21, 0x11, &v4[..11]), "malformed"),
        (v2(0x21, 0x21, &v6[..35]), "malformed"),
        (v2(0x22, 0x11, &v4), "malformed"),
        (v2(0x11, 0x11, &v4), "malformed"),
        (v2(0x21, 0x11, &v4)[..27].to_vec(), "more"),
        (SIGNATURE.to_vec(), "more"),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), "malformed"),
        (b"\r\n\r\nGET / HTTP/1.1".to_vec(), "malformed"),
    ] {
        assert_eq!(said(&bytes), expected, "{bytes:?}");
    }
}

#[test]
fn a_destination_of_another_family_is_nowhere() {
    let ends = |source: &str, destination: &str| {
        let Ends { source, destination } =
            Ends::of(source.parse().unwrap(), destination.parse().unwrap());
        format!("{source} > {destination}")
    };
    assert_eq!(ends("1.2.3.4:5", "5.6.7.8:80"), "1.2.3.4:5 > 5.6.7.8:80");
    assert_eq!(ends("1.2.3.4:5", "[::1]:80"), "1.2.3.4:5 > 0.0.0.0:80");
    assert_eq!(ends("[::1]:5", "0.0.0.0:80"), "[::1]:5 > [::]:80");
}

fn address() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| (a.into(), b.into())),
        any::<([u8; 16], [u8; 16])>().prop_map(|(a, b)| (a.into(), b.into())),
    ]
}

/// Bytes near a header: one that was written, with a change or not, or anything.
fn near() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![Just(Version::V1), Just(Version::V2)];
    let written = (version, proptest::option::of((address(), any::<(u16, u16)>())));
    let written = written.prop_map(|(version, ends)| write(version, ends.map(ends_of))).boxed();
    let changed = (written.clone(), any::<proptest::sample::Index>(), any::<u8>());
    let changed = changed.prop_map(|(mut bytes, at, byte)| {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes
    });
    prop_oneof![written, changed, proptest::collection::vec(any::<u8>(), 0..200)]
}

fn ends_of(((source, destination), (from, to)): ((IpAddr, IpAddr), (u16, u16))) -> Ends {
    let (source, destination) = (SocketAddr::new(source, from), SocketAddr::new(destination, to));
    Ends { source, destination }
}

proptest! {
    #[test]
    fn what_is_written_is_read_whatever_follows(
        version in prop_oneof![Just(Version::V1), Just(Version::V2)],
        ends in proptest::option::of((address(), any::<(u16, u16)>()).prop_map(ends_of)),
        more in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let bytes = write(version, ends);
        let len = bytes.len();
        prop_assert_eq!(read(&[bytes, more].concat()), Ok(Some(Header { ends, len })));
    }

    #[test]
    fn no_cut_matters(bytes in near()) {
        let whole = read(&bytes);
        for at in 0..=bytes.len() {
            match read(&bytes[..at]) {
                // Until it is whole all of it belongs to it; then only so much, whatever follows.
                Ok(None) => {
                    if let Ok(Some(header)) = whole {
                        prop_assert!(at < header.len);
                    }
                }
                Ok(Some(header)) => {
                    prop_assert!(header.len <= at && header.len <= BYTES_MAX);
                    prop_assert_eq!(whole, Ok(Some(header)));
                }
                Err(Malformed) => prop_assert_eq!(whole, Err(Malformed)),
            }
        }
    }
}
