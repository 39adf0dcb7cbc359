//! One message head: an index of field ranges into the buffer it was read into.
//!
//! Order and case stay as they came; nothing is copied, hashed or allocated per field. Names that
//! Nexus has an opinion on are recognised once, here, and compared as a [`Name`] from then on.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::recycle::Recycled;

/// Fields in a request head; browsers send about 20. More is a mistake or an attack.
pub const REQUEST_FIELDS_MAX: usize = 100;

/// Fields in a response head: applications are trusted further than clients.
pub const RESPONSE_FIELDS_MAX: usize = 256;

/// Fields that Nexus adds to a head at most, those of a configuration included.
const OWN_FIELDS_MAX: usize = 64;

/// Bytes in a head: room for large cookies.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Bytes in a request target. RFC 9112 §3 recommends at least 8,000.
pub const TARGET_BYTES_MAX: usize = 16 * 1024;

/// A range of bytes in the buffer that holds the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Returns the range from `start` to before `end`.
    pub fn new(start: usize, end: usize) -> Self {
        let narrow = |n: usize| u32::try_from(n).expect("heads are far below 4 GiB");
        Self { start: narrow(start), end: narrow(end) }
    }

    /// Finds `part` inside `whole`, which it must be a slice of.
    fn find(whole: &[u8], part: &[u8]) -> Self {
        debug_assert!(u32::try_from(whole.len()).is_ok(), "buffers are far below 4 GiB");
        let start = (part.as_ptr() as usize - whole.as_ptr() as usize) as u32;
        Self { start, end: start + part.len() as u32 }
    }

    /// Returns the bytes of the range.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    /// Returns whether the range is empty.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Returns the rest of the range from its `skip`th byte on.
    pub fn skip(self, skip: usize) -> Self {
        Self::new(self.start as usize + skip, self.end as usize)
    }

    /// Returns the first `len` bytes of the range.
    pub fn first(self, len: usize) -> Self {
        Self::new(self.start as usize, self.start as usize + len)
    }
}

/// The minor version of HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// What tells a backend of a client's certificate, in lower case.
pub const CERTIFICATE_FIELDS: [&str; 3] =
    ["x-client-cert-subject", "x-client-cert-san", "x-client-cert-fingerprint"];

/// A field name, as far as Nexus has an opinion on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// Passed on and never looked at.
    Other,
    /// `Connection`
    Connection,
    /// `Content-Length`
    ContentLength,
    /// `Date`
    Date,
    /// `Expect`
    Expect,
    /// `Host`
    Host,
    /// `Keep-Alive`, `Proxy-Connection`, `Proxy-Authorization`, `Proxy-Authenticate`: one hop's own.
    OneHop,
    /// `Max-Forwards`
    MaxForwards,
    /// `TE`
    Te,
    /// `Trailer`
    Trailer,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Upgrade`
    Upgrade,
    /// `Forwarded`
    Forwarded,
    /// `X-Forwarded-For`
    ForwardedFor,
    /// `X-Forwarded-Proto`
    ForwardedProto,
    /// `X-Forwarded-Host`
    ForwardedHost,
    /// `X_Forwarded_For` and its like, which many applications read as the real ones.
    ForwardedTwin,
    /// One of [`CERTIFICATE_FIELDS`].
    Certificate,
    /// `X-Forwarded-By`, `X-Backend-Server`, `X-Nexus-Error`: Nexus's own words in a response.
    Own,
}

impl Name {
    /// Recognises a name, in any case.
    fn recognise(name: &[u8]) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            2 if is("te") => Self::Te,
            4 if is("host") => Self::Host,
            4 if is("date") => Self::Date,
            6 if is("expect") => Self::Expect,
            7 if is("upgrade") => Self::Upgrade,
            7 if is("trailer") => Self::Trailer,
            9 if is("forwarded") => Self::Forwarded,
            10 if is("connection") => Self::Connection,
            10 if is("keep-alive") => Self::OneHop,
            12 if is("max-forwards") => Self::MaxForwards,
            13 if is("x-nexus-error") => Self::Own,
            14 if is("content-length") => Self::ContentLength,
            14 if is("x-forwarded-by") => Self::Own,
            16 if is("x-backend-server") => Self::Own,
            16 if is("proxy-connection") => Self::OneHop,
            17 if is("transfer-encoding") => Self::TransferEncoding,
            18 if is("proxy-authenticate") => Self::OneHop,
            19 if is("proxy-authorization") => Self::OneHop,
            15..=25 if name[0] | 0x20 == b'x' => Self::recognise_said(name),
            _ => Self::Other,
        }
    }

    /// Recognises what proxies say of clients.
    fn recognise_said(name: &[u8]) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("x-forwarded-for") {
            Self::ForwardedFor
        } else if is("x-forwarded-proto") {
            Self::ForwardedProto
        } else if is("x-forwarded-host") {
            Self::ForwardedHost
        } else {
            let dashed = |known: &str| {
                name.len() == known.len()
                    && name.iter().zip(known.as_bytes()).all(|(byte, known)| {
                        byte.to_ascii_lowercase() == *known || (*byte == b'_' && *known == b'-')
                    })
            };
            let twin = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
            if twin.into_iter().any(dashed) {
                Self::ForwardedTwin
            } else if CERTIFICATE_FIELDS.into_iter().any(is) {
                Self::Certificate
            } else if CERTIFICATE_FIELDS.into_iter().any(dashed) {
                Self::ForwardedTwin
            } else {
                Self::Other
            }
        }
    }
}

/// One field line.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// What it is called.
    pub name: Name,
    /// Whether `Connection` names it, so that it must not be passed on.
    pub one_hop: bool,
    /// The name as written.
    pub label: Span,
    /// The value without white space around it.
    pub value: Span,
}

impl Field {
    /// Returns where its line stands, if that is written as it would be: `Name: value` and CRLF.
    #[inline]
    pub fn line(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let (colon, end) = (self.label.end as usize, self.value.end as usize);
        let is_plain = self.value.start == self.label.end + 2
            && bytes.get(colon..colon + 2) == Some(b": ")
            && bytes.get(end..end + 2) == Some(b"\r\n");
        is_plain.then_some(self.label.start as usize..end + 2)
    }
}

/// A parsed request head.
#[derive(Debug)]
pub struct RequestHead {
    /// The method as written.
    pub method: Span,
    /// The target as written.
    pub target: Span,
    /// The minor version.
    pub version: Version,
    /// The fields in order.
    pub fields: Recycled<Field>,
    /// How many bytes the head takes, leading empty lines included.
    pub len: usize,
}

/// A parsed response head.
#[derive(Debug)]
pub struct ResponseHead {
    /// The status code, 100–599.
    pub status: u16,
    /// The reason phrase, which may be empty.
    pub phrase: Span,
    /// The minor version.
    pub version: Version,
    /// The fields in order.
    pub fields: Recycled<Field>,
    /// How many bytes the head takes.
    pub len: usize,
}

/// Why bytes are not a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadHead {
    /// They break the grammar.
    Malformed,
    /// The version is well-formed, but of another major version.
    Version,
    /// There are too many fields.
    TooManyFields,
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) { Version::Http10 } else { Version::Http11 }
}

fn index(bytes: &[u8], parsed: &[httparse::Header<'_>]) -> Recycled<Field> {
    let mut fields = Recycled::default();
    fields.extend(parsed.iter().map(|field| Field {
        name: Name::recognise(field.name.as_bytes()),
        one_hop: false,
        label: Span::find(bytes, field.name.as_bytes()),
        value: Span::find(bytes, field.value),
    }));
    fields
}

/// Parses a request head from the start of `bytes`; `None` asks for more of them.
///
/// # Errors
///
/// Says what is wrong with bytes that can never become a head. RFC 9112 §2–5; a bare LF ends a
/// line as §2.2 allows.
pub fn parse_request(bytes: &[u8]) -> Result<Option<RequestHead>, BadHead> {
    request_of::<REQUEST_FIELDS_MAX>(bytes)
}

/// The same of a head that Nexus has written, which may have added some.
///
/// # Errors
///
/// As [`parse_request`].
pub fn parse_own_request(bytes: &[u8]) -> Result<Option<RequestHead>, BadHead> {
    request_of::<{ REQUEST_FIELDS_MAX + OWN_FIELDS_MAX }>(bytes)
}

#[inline]
fn request_of<const SLOTS: usize>(bytes: &[u8]) -> Result<Option<RequestHead>, BadHead> {
    let mut slots = [const { MaybeUninit::uninit() }; SLOTS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut slots) {
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(BadHead::TooManyFields),
        Err(httparse::Error::Version) if is_other_major(bytes) => Err(BadHead::Version),
        Err(_) => Err(BadHead::Malformed),
        Ok(httparse::Status::Complete(len)) => {
            let span = |part: Option<&str>| Span::find(bytes, part.unwrap_or_default().as_bytes());
            Ok(Some(RequestHead {
                method: span(request.method),
                target: span(request.path),
                version: version(request.version),
                fields: index(bytes, request.headers),
                len,
            }))
        }
    }
}

/// Says whether the request line ends in a well-formed version of another major, `HTTP/2.0` say.
fn is_other_major(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| !line.is_empty());
    let version = line.and_then(|line| line.rsplit(|byte| *byte == b' ').next());
    matches!(version, Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
        if *major != b'1' && major.is_ascii_digit() && minor.is_ascii_digit())
}

/// Parses a response head from the start of `bytes`; `None` asks for more of them.
///
/// # Errors
///
/// Says what is wrong with bytes that can never become a head: the grammar of RFC 9112 §4–5, or a
/// status outside 100–599.
pub fn parse_response(bytes: &[u8]) -> Result<Option<ResponseHead>, BadHead> {
    response_of::<RESPONSE_FIELDS_MAX>(bytes)
}

/// The same of a head that Nexus has written, which may have added some.
///
/// # Errors
///
/// As [`parse_response`].
pub fn parse_own_response(bytes: &[u8]) -> Result<Option<ResponseHead>, BadHead> {
    response_of::<{ RESPONSE_FIELDS_MAX + OWN_FIELDS_MAX }>(bytes)
}

#[inline]
fn response_of<const SLOTS: usize>(bytes: &[u8]) -> Result<Option<ResponseHead>, BadHead> {
    let mut slots = [const { MaybeUninit::uninit() }; SLOTS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut slots,
    );
    match parsed {
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(BadHead::TooManyFields),
        Err(_) => Err(BadHead::Malformed),
        Ok(httparse::Status::Complete(len)) => {
            let status = response.code.unwrap_or_default();
            if !(100..600).contains(&status) {
                return Err(BadHead::Malformed);
            }
            let phrase = response.reason.unwrap_or_default();
            let phrase = if phrase.is_empty() {
                Span::default()
            } else {
                Span::find(bytes, phrase.as_bytes())
            };
            Ok(Some(ResponseHead {
                status,
                phrase,
                version: version(response.version),
                fields: index(bytes, response.headers),
                len,
            }))
        }
    }
}

/// Splits a list-valued field (RFC 9110 §5.6.1) into its non-empty members.
pub fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_case_stay_as_they_came() {
        let bytes = b"GET /p HTTP/1.1\r\nhOsT: a\r\nX-B:  1 \r\nx-a: 2\r\n\r\nrest";
        let head = parse_request(bytes).unwrap().unwrap();
        let lines: Vec<_> =
            head.fields.iter().map(|f| (f.label.of(bytes), f.value.of(bytes))).collect();
        assert_eq!(lines, [(&b"hOsT"[..], &b"a"[..]), (b"X-B", b"1"), (b"x-a", b"2")]);
        assert_eq!((head.method.of(bytes), head.target.of(bytes)), (&b"GET"[..], &b"/p"[..]));
        assert_eq!(&bytes[head.len..], b"rest");
    }

    #[test]
    fn a_spoofed_twin_is_recognised() {
        assert_eq!(Name::recognise(b"X_Forwarded-For"), Name::ForwardedTwin);
        assert_eq!(Name::recognise(b"x-forwarded-for"), Name::ForwardedFor);
        assert_eq!(Name::recognise(b"x-forwarded-fox"), Name::Other);
    }

    #[test]
    fn only_a_well_formed_other_major_is_a_version_error() {
        let verdict = |line: &str| parse_request(line.as_bytes()).map(|_| ()).unwrap_err();
        assert_eq!(verdict("GET / HTTP/2.0\r\n\r\n"), BadHead::Version);
        assert_eq!(verdict("GET / HTTP/1.2\r\n\r\n"), BadHead::Malformed);
        assert_eq!(verdict("GET / http/1.1\r\n\r\n"), BadHead::Malformed);
    }

    #[test]
    fn too_many_fields_are_refused_as_such() {
        let head = |n: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(n));
        assert!(parse_request(head(100).as_bytes()).is_ok());
        assert_eq!(parse_request(head(101).as_bytes()).unwrap_err(), BadHead::TooManyFields);
    }
}
