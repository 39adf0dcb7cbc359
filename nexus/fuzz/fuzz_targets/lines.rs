//! A head that was written, taken apart with the strictest means.

/// A head whose every line is in order.
pub struct Head<'a> {
    /// The request line or status line.
    pub first: &'a [u8],
    fields: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Head<'a> {
    /// Takes `bytes` apart.
    ///
    /// # Panics
    ///
    /// Panics unless they are one head and nothing else: lines end in CRLF, no other control but
    /// the tab is in them, a field is `name: value`.
    pub fn strict(bytes: &'a [u8]) -> Self {
        let shown = || bytes.escape_ascii().to_string();
        let lines =
            bytes.strip_suffix(b"\r\n\r\n").unwrap_or_else(|| panic!("no end: {}", shown()));
        let mut rest = lines;
        let mut next = || {
            let end = rest.windows(2).position(|two| two == b"\r\n");
            let line = &rest[..end.unwrap_or(rest.len())];
            rest = end.map_or(&[][..], |end| &rest[end + 2..]);
            let is_bad = |byte: &u8| *byte != b'\t' && byte.is_ascii_control();
            assert!(!line.iter().any(is_bad), "a control: {}", shown());
            assert!(!line.is_empty(), "an empty line: {}", shown());
            (line, end.is_some())
        };
        let (first, mut is_more) = next();
        let mut fields = Vec::new();
        while is_more {
            let (line, more) = next();
            let colon = line.windows(2).position(|two| two == b": ");
            let at = colon.unwrap_or_else(|| panic!("no field: {}", shown()));
            fields.push((&line[..at], &line[at + 2..]));
            is_more = more;
        }
        Self { first, fields }
    }

    /// Returns the values of all fields of this name.
    pub fn all(&self, name: &str) -> Vec<&'a [u8]> {
        let is_named = |field: &&(&[u8], &[u8])| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is_named).map(|(_, value)| *value).collect()
    }

    /// Asserts that the end of the body is told at most once, in the one plain way.
    pub fn assert_framing_is_plain(&self) {
        let (lengths, codings) = (self.all("content-length"), self.all("transfer-encoding"));
        assert!(lengths.len() + codings.len() <= 1, "{lengths:?} {codings:?}");
        assert!(codings.iter().all(|coding| *coding == b"chunked"), "{codings:?}");
        for length in lengths {
            let number: u64 = std::str::from_utf8(length).unwrap().parse().unwrap();
            assert_eq!(number.to_string().as_bytes(), length);
        }
    }

    /// Asserts that nothing passes that ends at this hop.
    pub fn assert_hop_is_over(&self) {
        for name in ["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"]
        {
            assert!(self.all(name).is_empty(), "{name} passes");
        }
    }
}
