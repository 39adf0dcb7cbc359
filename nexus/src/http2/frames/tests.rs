use proptest::prelude::*;

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame whose payload is zeros.
fn frame(kind: u8, flags: u8, stream: u32, len: usize) -> Vec<u8> {
    with(kind, flags, stream, &vec![0; len])
}

fn with(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Says what is thought of a preface, SETTINGS, and these frames.
fn verdict(frames: &[Vec<u8>]) -> Verdict {
    let hello = [PREFACE, &frame(SETTINGS, 0, 0, 0)].concat();
    FrameWatch::new(0).see(&[hello, frames.concat()].concat(), 0)
}

#[track_caller]
fn check(frames: &[Vec<u8>], expected: Verdict) {
    assert_eq!(verdict(frames), expected);
}

const BROKEN: Verdict = Verdict::Broken(Reason::PROTOCOL_ERROR);
const MISSIZED: Verdict = Verdict::Broken(Reason::FRAME_SIZE_ERROR);

#[test]
fn the_first_frame_is_settings() {
    for (kind, expected) in
        [(SETTINGS, Verdict::Fine), (HEADERS, BROKEN), (PING, BROKEN), (0xbe, BROKEN)]
    {
        let bytes = [PREFACE, &frame(kind, 0, 1, 0)].concat();
        assert_eq!(FrameWatch::new(0).see(&bytes, 0), expected, "{kind}");
    }
}

#[test]
fn an_ordinary_conversation_is_fine() {
    let window = with(WINDOW_UPDATE, 0, 0, &[0x80, 1, 0, 0]);
    let conversation = [
        frame(SETTINGS, ACK, 0, 0),
        with(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff, 0, 9, 0, 0, 0, 1]),
        window.clone(),
        frame(HEADERS, 0x25, 1, 100),
        frame(HEADERS, 0x24, 3, 16_384),
        frame(CONTINUATION, 0x4, 3, 20),
        frame(DATA, 0, 3, 16_384),
        frame(PRIORITY, 0, 5, 5),
        frame(DATA, END_STREAM, 3, 0),
        frame(PING, 0, 0, 8),
        frame(0xbe, 0xff, 2, 33),
        window,
        frame(RST_STREAM, 0, 1, 4),
        frame(GOAWAY, 0, 0, 40),
    ];
    check(&conversation, Verdict::Fine);
}

#[test]
fn a_frame_of_the_wrong_size_breaks_the_protocol() {
    for (kind, right, wrong) in
        [(PRIORITY, 5, [4, 6]), (RST_STREAM, 4, [3, 5]), (PING, 8, [7, 9]), (GOAWAY, 8, [7, 0])]
    {
        check(&[frame(kind, 0, 0, right)], Verdict::Fine);
        wrong.iter().for_each(|len| check(&[frame(kind, 0, 0, *len)], MISSIZED));
    }
    check(&[frame(WINDOW_UPDATE, 0, 0, 3)], MISSIZED);
    check(&[frame(SETTINGS, 0, 0, 5)], MISSIZED);
    check(&[frame(SETTINGS, 0, 0, 7)], MISSIZED);
    check(&[frame(SETTINGS, ACK, 0, 6)], MISSIZED);
}

#[test]
fn a_client_opens_no_even_stream_and_pushes_nothing() {
    check(&[frame(HEADERS, 4, 2, 0)], BROKEN);
    check(&[frame(HEADERS, 4, 0, 0)], BROKEN);
    check(&[frame(HEADERS, 4, 1 << 31 | 3, 0)], Verdict::Fine);
    check(&[frame(PUSH_PROMISE, 4, 1, 4)], BROKEN);
}

#[test]
fn an_initial_window_has_a_bound() {
    let second = |value: u8| with(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 9, 0, 4, value, 0, 0, 0]);
    check(&[second(0x7f)], Verdict::Fine);
    check(&[second(0x80)], Verdict::Broken(Reason::FLOW_CONTROL_ERROR));
    check(&[with(SETTINGS, 0, 0, &[0, 1, 0x80, 0, 0, 0])], Verdict::Fine);
}

#[test]
fn what_costs_nothing_has_a_limit_each() {
    let small = with(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 255]);
    for (what, piece, most) in [
        (Flood::Pings, frame(PING, 0, 0, 8), 50_000),
        (Flood::SmallWindows, small, 50_000),
        (Flood::Priorities, frame(PRIORITY, 0, 1, 5), 10_000),
        (Flood::Unknown, frame(0x10, 0, 0, 5), 10_000),
        (Flood::Resets, frame(RST_STREAM, 0, 1, 4), 1_000),
        (Flood::EmptyData, frame(DATA, 0, 1, 0), 1_000),
        (Flood::Settings, frame(SETTINGS, 0, 0, 6), 99),
        (Flood::Continuations, frame(CONTINUATION, 0, 1, 9), 32),
        (Flood::GoAways, frame(GOAWAY, 0, 0, 8), 10),
    ] {
        check(&vec![piece.clone(); most], Verdict::Fine);
        check(&vec![piece; most + 1], Verdict::Calm(what));
    }
}

#[test]
fn what_brings_something_has_no_limit() {
    check(&vec![frame(DATA, 0, 1, 1); 100_000], Verdict::Fine);
    check(&vec![with(WINDOW_UPDATE, 0, 1, &[0, 0, 1, 0]); 100_000], Verdict::Fine);
    check(&vec![frame(SETTINGS, ACK, 0, 0); 1_000], Verdict::Fine);
    let blocks = [frame(HEADERS, END_STREAM, 1, 1), frame(CONTINUATION, 4, 1, 1)].concat();
    check(&vec![blocks; 10_000], Verdict::Fine);
}

#[test]
fn resets_are_too_many_by_the_requests() {
    // So many requests, of which the first of each group is reset; with trailers, if it has some.
    let groups = |count: u32, requests: u32, trailers: bool| -> Vec<Vec<u8>> {
        let group = |at: u32| {
            let first = at * requests * 2 + 1;
            let ids = (0..requests).map(|request| first + request * 2);
            let mut frames: Vec<_> = ids.map(|id| frame(HEADERS, 5, id, 9)).collect();
            if trailers {
                frames.push(frame(HEADERS, 5, first, 0));
            }
            frames.push(frame(RST_STREAM, 0, first, 4));
            frames.concat()
        };
        (0..count).map(group).collect()
    };
    check(&groups(20_000, 2, false), Verdict::Fine);
    check(&groups(1_000, 1, false), Verdict::Fine);
    check(&groups(1_001, 1, false), Verdict::Calm(Flood::Resets));
    check(&groups(1_001, 1, true), Verdict::Calm(Flood::Resets));
}

/// So many pings at each time, and what is said of the last.
fn pings(at: &[(u64, usize)]) -> Verdict {
    let mut watch = FrameWatch::new(0);
    watch.see(&[PREFACE, &frame(SETTINGS, 0, 0, 0)].concat(), 0);
    let see = |(ms, count): &(u64, usize)| watch.see(&frame(PING, 0, 0, 8).repeat(*count), *ms);
    at.iter().map(see).last().unwrap()
}

#[test]
fn the_window_slides() {
    const CALM: Verdict = Verdict::Calm(Flood::Pings);
    assert_eq!(pings(&[(0, 50_000), (9_999, 1)]), CALM);
    // Half a window later half of the first counts.
    assert_eq!(pings(&[(0, 50_000), (15_000, 25_000)]), Verdict::Fine);
    assert_eq!(pings(&[(0, 50_000), (15_000, 25_001)]), CALM);
    assert_eq!(pings(&[(0, 50_000), (20_000, 50_000)]), Verdict::Fine);
    assert_eq!(pings(&[(0, 50_000), (1_000_000, 50_000)]), Verdict::Fine);
    // A clock that goes back does not forgive.
    assert_eq!(pings(&[(5_000, 50_000), (0, 1)]), CALM);
}

#[test]
fn a_verdict_stays() {
    let mut watch = FrameWatch::new(0);
    assert_eq!(watch.see(&[PREFACE, &frame(PING, 0, 0, 8)].concat(), 0), BROKEN);
    assert_eq!(watch.see(&frame(SETTINGS, 0, 0, 0), 100_000), BROKEN);
    assert_eq!(BROKEN.reason(), Some(Reason::PROTOCOL_ERROR));
    assert_eq!(Verdict::Calm(Flood::Pings).reason(), Some(Reason::ENHANCE_YOUR_CALM));
    assert_eq!(Verdict::Fine.reason(), None);
}

prop_compose! {
    /// Frames of all types, most of them legal.
    fn frames()(heads in prop::collection::vec(
        (0u8..12, any::<u8>(), 0u32..9, prop::sample::select(vec![0usize, 1, 4, 5, 6, 8, 12, 300])),
        0..60,
    )) -> Vec<u8> {
        heads.iter().flat_map(|(kind, flags, stream, len)| frame(*kind, *flags, *stream, *len)).collect()
    }
}

proptest! {
    #[test]
    fn how_the_bytes_are_cut_changes_nothing(
        frames in frames(),
        cuts in prop::collection::vec(1usize..40, 1..40),
    ) {
        let bytes = [PREFACE, &frame(SETTINGS, 0, 0, 6), &frames].concat();
        let whole = FrameWatch::new(0).see(&bytes, 0);
        let (mut watch, mut rest, mut last) = (FrameWatch::new(0), &bytes[..], Verdict::Fine);
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            if piece.is_empty() {
                break;
            }
            (last, rest) = (watch.see(piece, 0), after);
        }
        prop_assert_eq!(last, whole);
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        FrameWatch::new(0).see(&bytes, u64::MAX);
    }
}
