//! Answers as bytes.

use super::*;

fn bytes(wire: Wire<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    while (out.len() as u64) < wire.total {
        let mut slices = [IoSlice::new(&[]); 2];
        let count = wire.slices(out.len() as u64, &mut slices);
        for slice in &slices[..count] {
            out.extend_from_slice(slice);
        }
    }
    out
}

fn text(wire: Wire<'_>) -> String {
    String::from_utf8(bytes(wire)).unwrap()
}

fn shape(body_bytes: Option<u64>, is_chunked: bool) -> Shape {
    Shape::new("b1", vec![("A".to_owned(), "1".to_owned())], body_bytes, is_chunked)
}

#[test]
fn an_answer_says_who_gave_it_and_what_becomes_of_the_connection() {
    let answer = shape(None, false).answer(503);
    let head = "HTTP/1.1 503 Service Unavailable\r\nX-Fake-Id: b1\r\nA: 1\r\n\
                Content-Type: text/plain\r\nContent-Length: 3\r\n";
    assert_eq!(text(answer.whole(Persist::Implied)), format!("{head}\r\nb1\n"));
    assert_eq!(text(answer.whole(Persist::Close)), format!("{head}Connection: close\r\n\r\nb1\n"));
    assert_eq!(
        text(answer.whole(Persist::Announced)),
        format!("{head}Connection: keep-alive\r\n\r\nb1\n")
    );
}

#[test]
fn a_small_answer_is_in_one_piece_and_a_large_one_is_not() {
    assert!(shape(Some(10_000), false).answer(200).whole(Persist::Implied).together().is_some());
    let large = shape(Some(100_000), false).answer(200);
    assert!(large.whole(Persist::Implied).together().is_none());
    assert!(large.cut(Persist::Implied, 0).together().is_some());
}

#[test]
fn the_body_has_the_size_asked_for_and_begins_with_the_id() {
    for size in [0, 1, 3, 100, 16_384, 65_536, 1_048_575, 1_048_576, 3_000_000] {
        let answer = shape(Some(size), false).answer(200);
        let all = text(answer.whole(Persist::Implied));
        let (head, body) = all.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {size}\r\n"))
                || head.ends_with(&format!(": {size}"))
        );
        assert_eq!(body.len() as u64, size);
        assert!(body.starts_with("b1\n") || size < 3);
    }
}

#[test]
fn chunks_carry_the_size_asked_for() {
    for size in [0, 3, 65_535, 65_536, 200_000] {
        let all = bytes(shape(Some(size), true).answer(200).whole(Persist::Implied));
        let head_bytes = all.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        let mut body = crate::body::Body::ChunkSize;
        let (mut at, mut data) = (head_bytes, 0);
        loop {
            match body.step(&all[at..]).unwrap() {
                crate::body::Step::Data(count) => (at, data) = (at + count, data + count),
                crate::body::Step::Framing(count) => at += count,
                step => break assert_eq!(step, crate::body::Step::End),
            }
        }
        assert_eq!((data as u64, at), (size, all.len()));
    }
}

#[test]
fn a_cut_answer_announces_more_than_it_sends() {
    let cut = |size, bytes| {
        let answer = shape(size, false).longer_than(200, bytes);
        let all = text(answer.cut(Persist::Implied, bytes));
        let (head, body) = all.split_once("\r\n\r\n").unwrap();
        let announced: u64 = head.rsplit_once(": ").unwrap().1.parse().unwrap();
        (announced, body.len() as u64)
    };
    assert_eq!(cut(None, 0), (3, 0));
    assert_eq!(cut(None, 2), (3, 2));
    assert_eq!(cut(None, 3), (4, 3));
    assert_eq!(cut(None, 100_000), (100_001, 100_000));
    assert_eq!(cut(Some(3_000_000), 2_000_000), (3_000_000, 2_000_000));
}

#[test]
fn statuses_without_a_body_have_none() {
    let text = text(shape(Some(100), false).answer(204).whole(Persist::Implied));
    assert_eq!(text, "HTTP/1.1 204 No Content\r\nX-Fake-Id: b1\r\nA: 1\r\n\r\n");
}

#[test]
fn a_gibibyte_is_a_block_many_times_over() {
    let answer = shape(Some(1 << 30), false).answer(200);
    assert_eq!((answer.block.len(), answer.times), (1 << 20, 1 << 10));
}
