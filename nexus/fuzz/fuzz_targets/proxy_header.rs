//! What stands in front of a connection: no cut matters, and what was read is written alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nexus::proxy_protocol::{BYTES_MAX, Header, Version, read, write};

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes);
    for at in 0..bytes.len() {
        match read(&bytes[..at]) {
            Ok(None) => {}
            early => assert_eq!(early, whole),
        }
    }
    let Ok(Some(header)) = whole else {
        return;
    };
    assert!(header.len <= bytes.len().min(BYTES_MAX));
    assert_eq!(read(&bytes[..header.len - 1]), Ok(None), "a header ends with its last byte");
    for version in [Version::V1, Version::V2] {
        let again = write(version, header.ends);
        let len = again.len();
        assert_eq!(read(&again), Ok(Some(Header { len, ..header })));
    }
});
