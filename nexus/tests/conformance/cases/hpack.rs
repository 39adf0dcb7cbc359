//! The compression of fields (RFC 7541).

use crate::case::{Case, case, raw};
use crate::client::Client;
use crate::expect::{KEPT, Outcome};
use crate::hpack::{
    DYNAMIC, Decoder, EOS, Index, added, get, huffman, huffman_bits, huffman_padded, indexed,
    literal, literal_named, literal_of, size_update, string,
};
use crate::wire::{Code, flag, kind};

/// The index of `accept-encoding: gzip, deflate`.
const ACCEPT_ENCODING: usize = 16;

pub(super) const CASES: &[Case] = &[
    raw("7541 §C", "this suite's own HPACK reads and writes the RFC's examples", |_| {
        let mut decoder = Decoder::new(256);
        let found = decoder.block(ANSWER).ok_or("the example is read")?;
        let expected = ANSWER_FIELDS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        if found != expected {
            return Err(format!("{expected:?}: no, but {found:?}"));
        }
        let host = literal_named(Index::Added, 1, &huffman("www.example.com"));
        let asked = [indexed(2), indexed(6), indexed(4), host].concat();
        if asked == ASKED { KEPT } else { Err(format!("written {asked:x?}")) }
    }),
    case("7541 §2.3.3", "an index beyond both tables is an error of compression", |c| {
        broken(c, &indexed(DYNAMIC))
    }),
    case("7541 §2.3.3", "a name's index beyond both tables is an error of compression", |c| {
        broken(c, &literal_named(Index::Without, DYNAMIC, &string("v")))
    }),
    case("7541 §2.3.3", "an index far beyond both tables is an error of compression", |c| {
        broken(c, &indexed(1 << 20))
    }),
    case("7541 §2.3.2", "an entry is found again, newest first", |c| {
        let first = [get(), added("x-echo", "one"), added("x-other", "two")].concat();
        c.head(1, flag::ALL, &first);
        c.told(1, "echo=one")?;
        c.head(3, flag::ALL, &[get(), indexed(DYNAMIC + 1)].concat());
        c.told(3, "echo=one")?;
        c.head(
            5,
            flag::ALL,
            &[get(), literal_named(Index::Added, DYNAMIC + 1, &string("new"))].concat(),
        );
        c.told(5, "echo=new")?;
        c.head(7, flag::ALL, &[get(), indexed(DYNAMIC)].concat());
        c.told(7, "echo=new")
    }),
    case("7541 §2.3.2", "an entry may be there twice", |c| {
        let twice = [get(), added("x-echo", "same"), added("x-echo", "same")].concat();
        c.head(1, flag::ALL, &twice);
        c.told(1, "echo=same")?;
        c.head(3, flag::ALL, &[get(), indexed(DYNAMIC + 1)].concat());
        c.told(3, "echo=same")
    }),
    case("7541 §4.2", "a change of the table's size after a field is an error", |c| {
        broken(c, &size_update(100))
    }),
    case("7541 §4.2", "a change of the table's size at the end is an error", |c| {
        c.head(1, flag::ALL, &[get(), literal("x", "y"), size_update(4096)].concat());
        c.connection_error(&[Code::COMPRESSION_ERROR])
    }),
    case(
        "7541 §4.2",
        "a change of the table's size after a field is one in CONTINUATION too",
        |c| {
            c.head(1, flag::END_STREAM, &get());
            let rest = [size_update(100), literal("x", "y")].concat();
            c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &rest);
            c.connection_error(&[Code::COMPRESSION_ERROR])
        },
    ),
    case("7541 §4.2", "the table's size may change at the start, twice", |c| {
        c.head(1, flag::ALL, &[size_update(0), size_update(4096), get()].concat());
        c.answered(1, "200")
    }),
    case("7541 §4.2", "the table's size may change at the start of trailers", |c| {
        c.post(1, &[]);
        c.head(1, flag::ALL, &[size_update(0), literal("x-trailer", "small")].concat());
        c.told(1, "trailer=small")
    }),
    case("7541 §4.3", "a table of no size is empty", |c| {
        c.head(1, flag::ALL, &[get(), added("x-echo", "gone")].concat());
        c.told(1, "echo=gone")?;
        c.head(3, flag::ALL, &[size_update(0), get(), indexed(DYNAMIC)].concat());
        c.connection_error(&[Code::COMPRESSION_ERROR])
    }),
    case("7541 §4.3", "a table that grows again is still empty", |c| {
        c.head(1, flag::ALL, &[get(), added("x-echo", "gone")].concat());
        c.told(1, "echo=gone")?;
        c.head(
            3,
            flag::ALL,
            &[size_update(0), size_update(4096), get(), indexed(DYNAMIC)].concat(),
        );
        c.connection_error(&[Code::COMPRESSION_ERROR])
    }),
    case("7541 §4.3", "a smaller table keeps what is newest", |c| {
        // 32 + 6 + 3 bytes each: two fit.
        let three = ["one", "two", "six"].map(|value| added("x-echo", value)).concat();
        c.head(1, flag::ALL, &[get(), three].concat());
        c.told(1, "echo=one")?;
        c.head(3, flag::ALL, &[size_update(82), get(), indexed(DYNAMIC + 1)].concat());
        c.told(3, "echo=two")?;
        c.head(5, flag::ALL, &[get(), indexed(DYNAMIC + 2)].concat());
        c.connection_error(&[Code::COMPRESSION_ERROR])
    }),
    case("7541 §4.4", "an entry that is added drives the oldest out", |c| {
        let block = [size_update(82), get(), added("x-echo", "one"), added("x-echo", "two")];
        c.head(1, flag::ALL, &block.concat());
        c.told(1, "echo=one")?;
        c.head(3, flag::ALL, &[get(), added("x-echo", "six"), indexed(DYNAMIC + 1)].concat());
        c.told(3, "echo=six")?;
        c.head(5, flag::ALL, &[get(), indexed(DYNAMIC + 1)].concat());
        c.told(5, "echo=two")?;
        c.head(7, flag::ALL, &[get(), indexed(DYNAMIC + 2)].concat());
        c.connection_error(&[Code::COMPRESSION_ERROR])
    }),
    case(
        "7541 §4.4",
        "an entry larger than the table empties it, and is a field all the same",
        |c| {
            c.head(1, flag::ALL, &[get(), added("x-echo", "one")].concat());
            c.told(1, "echo=one")?;
            c.head(3, flag::ALL, &[get(), added("x-large", &"x".repeat(4096))].concat());
            c.answered(3, "200")?;
            c.head(5, flag::ALL, &[get(), indexed(DYNAMIC)].concat());
            c.connection_error(&[Code::COMPRESSION_ERROR])
        },
    ),
    case("7541 §4.4", "an entry as large as the table fits", |c| {
        let value = "v".repeat(4096 - 32 - 6);
        c.head(1, flag::ALL, &[get(), added("x-echo", &value)].concat());
        c.told(1, &value)?;
        c.head(3, flag::ALL, &[get(), indexed(DYNAMIC)].concat());
        c.told(3, &value)
    }),
    case("7541 §4.4", "an entry's name outlives the entry that it drives out", |c| {
        c.head(1, flag::ALL, &[size_update(60), get(), added("x-echo", "one")].concat());
        c.told(1, "echo=one")?;
        let next = literal_named(Index::Added, DYNAMIC, &string("two"));
        c.head(3, flag::ALL, &[get(), next].concat());
        c.told(3, "echo=two")?;
        c.head(5, flag::ALL, &[get(), indexed(DYNAMIC)].concat());
        c.told(5, "echo=two")
    }),
    case("7541 §5.1", "an integer that does not end is an error of compression", |c| {
        broken(c, &[&[0xff][..], &[0xff; 20], &[0]].concat())
    }),
    case("7541 §5.1", "an integer that never grows is an error of compression", |c| {
        broken(c, &[&[0xff][..], &[0x80; 20], &[0]].concat())
    }),
    case("7541 §5.1", "an integer that is cut short is an error of compression", |c| {
        broken(c, &[0xff, 0x80])
    }),
    case("7541 §5.1", "an integer may be longer than it has to be", |c| {
        // 61 + 0 as 0x3f prefix of 6 bits is 63: `www-authenticate` needs none; 16 as 15 + 1.
        let long = [&[0x0f, 0x81, 0x00][..], &string("v")].concat();
        c.head(1, flag::ALL, &[get(), long].concat());
        c.answered(1, "200")
    }),
    case("7541 §5.2", "a string longer than the block is an error of compression", |c| {
        broken(c, &[&[0, 1, b'x'][..], &[100, b'y']].concat())
    }),
    case("7541 §5.2", "a string that is the longest there is is an error of compression", |c| {
        broken(c, &[&[0, 1, b'x', 0x7f][..], &[0xff, 0xff, 0xff, 0x7f]].concat())
    }),
    case("7541 §5.2", "a field without a value is an error of compression", |c| {
        broken(c, &[0, 1, b'x'])
    }),
    case("7541 §5.2", "Huffman's code is read, whatever it says", |c| {
        let all: String = (b' '..=b'~').map(char::from).collect();
        let field = literal_of(Index::Without, &huffman("x-echo"), &huffman(all.trim()));
        c.head(1, flag::ALL, &[get(), field].concat());
        c.told(1, all.trim())
    }),
    case("7541 §5.2", "Huffman's code may say nothing", |c| {
        c.head(
            1,
            flag::ALL,
            &[get(), literal_of(Index::Without, &huffman("x-echo"), &[128])].concat(),
        );
        c.told(1, "echo= ")
    }),
    case("7541 §5.2", "padding of more than seven bits is an error of compression", |c| {
        coded(c, &huffman_padded(&bits("value"), true, 1))
    }),
    case("7541 §5.2", "padding of bytes alone is an error of compression", |c| {
        coded(c, &huffman_padded(&[], true, 2))
    }),
    case("7541 §5.2", "padding of zeros is an error of compression", |c| {
        coded(c, &huffman_padded(&bits("value"), false, 0))
    }),
    case("7541 §5.2", "padding that is not all ones is an error of compression", |c| {
        let mut bits = bits("a");
        bits.extend([true, false]);
        coded(c, &huffman_padded(&bits, true, 0))
    }),
    case("7541 §5.2", "the end of string in a string is an error of compression", |c| {
        coded(c, &huffman_padded(&huffman_bits(&[usize::from(b'a'), EOS]), true, 0))
    }),
    case("7541 §5.2", "the end of string amid a string is an error of compression", |c| {
        let symbols = [usize::from(b'a'), EOS, usize::from(b'b')];
        coded(c, &huffman_padded(&huffman_bits(&symbols), true, 0))
    }),
    case("7541 §6.1", "a field of the static table is found", |c| {
        c.head(1, flag::ALL, &[get(), indexed(ACCEPT_ENCODING)].concat());
        c.answered(1, "200")
    }),
    case("7541 §6.1", "index 0 is an error of compression", |c| broken(c, &indexed(0))),
    case("7541 §6.2.1", "a literal is added: name by index, plain", |c| {
        named(c, Index::Added, &string("v"))
    }),
    case("7541 §6.2.1", "a literal is added: name by index, Huffman", |c| {
        named(c, Index::Added, &huffman("v"))
    }),
    case("7541 §6.2.1", "a literal is added: new name, plain", |c| {
        echoed(c, Index::Added, &string("x-echo"), &string("plain"), "plain")
    }),
    case("7541 §6.2.1", "a literal is added: new name, Huffman", |c| {
        echoed(c, Index::Added, &huffman("x-echo"), &huffman("coded"), "coded")
    }),
    case("7541 §6.2.2", "a literal is not added: name by index, plain", |c| {
        named(c, Index::Without, &string("v"))
    }),
    case("7541 §6.2.2", "a literal is not added: name by index, Huffman", |c| {
        named(c, Index::Without, &huffman("v"))
    }),
    case("7541 §6.2.2", "a literal is not added: new name, plain", |c| {
        echoed(c, Index::Without, &string("x-echo"), &string("plain"), "plain")?;
        unknown(c)
    }),
    case("7541 §6.2.2", "a literal is not added: new name, Huffman", |c| {
        echoed(c, Index::Without, &huffman("x-echo"), &huffman("coded"), "coded")?;
        unknown(c)
    }),
    case("7541 §6.2.3", "a literal is never added: name by index, plain", |c| {
        named(c, Index::Never, &string("v"))
    }),
    case("7541 §6.2.3", "a literal is never added: name by index, Huffman", |c| {
        named(c, Index::Never, &huffman("v"))
    }),
    case("7541 §6.2.3", "a literal is never added: new name, plain", |c| {
        echoed(c, Index::Never, &string("x-echo"), &string("plain"), "plain")?;
        unknown(c)
    }),
    case("7541 §6.2.3", "a literal is never added: new name, Huffman", |c| {
        echoed(c, Index::Never, &huffman("x-echo"), &huffman("coded"), "coded")?;
        unknown(c)
    }),
    case("7541 §6.3", "a table larger than was agreed on is an error of compression", |c| {
        let most = c.limits.header_table as usize;
        c.head(1, flag::ALL, &[size_update(most + 1), get()].concat());
        c.connection_error(&[Code::COMPRESSION_ERROR])
    }),
    case("7541 §6.3", "a table as large as was agreed on is legal", |c| {
        let most = c.limits.header_table as usize;
        c.head(1, flag::ALL, &[size_update(most), get()].concat());
        c.answered(1, "200")
    }),
    case("7541 §6.3", "a table larger than all bounds is an error of compression", |c| {
        c.head(1, flag::ALL, &[size_update(1 << 30), get()].concat());
        c.connection_error(&[Code::COMPRESSION_ERROR])
    }),
];

/// §C.4.1
const ASKED: &[u8] = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";

/// §C.6.1
const ANSWER: &[u8] = b"\x48\x82\x64\x02\x58\x85\xae\xc3\x77\x1a\x4b\x61\x96\xd0\x7a\xbe\x94\x10\
    \x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff\x6e\x91\x9d\x29\xad\x17\
    \x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3";

const ANSWER_FIELDS: [(&str, &str); 4] = [
    (":status", "302"),
    ("cache-control", "private"),
    ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
    ("location", "https://www.example.com"),
];

fn bits(text: &str) -> Vec<bool> {
    huffman_bits(&text.bytes().map(usize::from).collect::<Vec<_>>())
}

/// A request with something after it that cannot be read.
fn broken(c: &mut Client, rest: &[u8]) -> Outcome {
    c.head(1, flag::ALL, &[&get(), rest].concat());
    c.connection_error(&[Code::COMPRESSION_ERROR])
}

/// A request with a field whose value cannot be read.
fn coded(c: &mut Client, value: &[u8]) -> Outcome {
    broken(c, &literal_of(Index::Without, &string("x-echo"), value))
}

/// A request with a field whose name is in the static table.
fn named(c: &mut Client, index: Index, value: &[u8]) -> Outcome {
    c.head(1, flag::ALL, &[get(), literal_named(index, ACCEPT_ENCODING, value)].concat());
    c.answered(1, "200")
}

/// A request with a field that is told back.
fn echoed(c: &mut Client, index: Index, name: &[u8], value: &[u8], text: &str) -> Outcome {
    c.head(1, flag::ALL, &[get(), literal_of(index, name, value)].concat());
    c.told(1, &format!("echo={text} "))
}

/// A request with the newest entry of a table that has none.
fn unknown(c: &mut Client) -> Outcome {
    c.head(3, flag::ALL, &[get(), indexed(DYNAMIC)].concat());
    c.connection_error(&[Code::COMPRESSION_ERROR])
}
