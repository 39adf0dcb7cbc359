//! Picking allocates nothing, whatever the algorithm and however large the pool; nor does finding out
//! whom a request is from.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it is")]

use nexus::http1::forwarded::ForwardedFields;
use nexus::http1::head::parse_request;
use nexus::http1::origin::Origin;
use nexus::picker::{Algorithm, Ask, Candidate, Loads, Place, mix};
use nexus::pool::layers::{Layers, Member, Rules};

/// Loads that differ.
struct Busy;

impl Loads for Busy {
    fn in_flight(&self, place: Place) -> u32 {
        u32::from(place.0) * 13 % 31
    }

    fn total(&self) -> u64 {
        40_000
    }

    fn latency(&self, place: Place) -> f32 {
        (1000 + u32::from(place.0) % 20 * 1000) as f32
    }
}

fn members(count: u16) -> Vec<Member> {
    let one = |at: u16| Member {
        candidate: Candidate {
            place: Place(at),
            weight: 1 + u32::from(at) * 7 % 10,
            is_available: true,
            id: mix(u64::from(at)),
            requests_max: 30,
        },
        tier: u8::from(at % 5 == 4),
        is_near: at.is_multiple_of(2),
        weight_usual: 1 + u32::from(at) * 7 % 10,
    };
    (0..count).map(one).collect()
}

#[test]
fn picking_allocates_nothing() {
    let seen = allocation_counter::measure(|| drop(std::hint::black_box(vec![1])));
    assert_eq!(seen.count_total, 1, "what is allocated is counted");
    for algorithm in Algorithm::ALL {
        for count in [3, 100, 10_000] {
            let rules = Rules { algorithm, available_min: 1, zone_load_max: 140 };
            let layers = Layers::new(rules, members(count));
            let tried = [Place(1)];
            let allocated = allocation_counter::measure(|| {
                for turn in 0..100 {
                    let dice = mix(turn as u64);
                    for tried in [&[][..], &tried] {
                        let picked = layers.pick(&Ask { turn, dice, key: dice, tried }, &Busy);
                        std::hint::black_box(picked.unwrap());
                    }
                }
            });
            assert_eq!(allocated.count_total, 0, "{algorithm:?} of {count}");
        }
    }
}

#[test]
fn finding_out_whom_a_request_is_from_allocates_nothing() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4, 10.0.0.2:80\r\n\
        Forwarded: for=\"[2001:db8::1]:80\", for=10.0.0.2;proto=https\r\n\r\n";
    let fields = parse_request(head).unwrap().unwrap().fields;
    for by in [ForwardedFields::XForwarded, ForwardedFields::Forwarded, ForwardedFields::Both] {
        for peer in [[9, 9, 9, 9], [10, 0, 0, 1]] {
            let stranger = std::net::IpAddr::from([9, 9, 9, 9]);
            let trusts = |ip: std::net::IpAddr| ip.is_ipv4() && ip != stranger;
            let allocated = allocation_counter::measure(|| {
                std::hint::black_box(Origin::find(peer.into(), head, &fields, by, trusts));
            });
            assert_eq!(allocated.count_total, 0, "{by:?} {peer:?}");
        }
    }
}
