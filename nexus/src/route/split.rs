//! Which of several pools a request goes to, by weight.

use std::net::IpAddr;

use super::PoolId;

/// Pools that share requests by weight. Made by [`Split::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The pools, each with the sum of weights up to and with its own.
    upto: Box<[(PoolId, u64)]>,
    by_client: bool,
}

/// Why shares are no split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadSplit {
    /// There is none with a weight above 0.
    NobodyHasWeight,
}

impl Split {
    /// Lays out the `shares`; `by_client` keeps each client on its side.
    ///
    /// # Errors
    ///
    /// Fails if no pool would get anything.
    pub fn new(
        shares: impl IntoIterator<Item = (PoolId, u32)>,
        by_client: bool,
    ) -> Result<Self, BadSplit> {
        let mut sum = 0;
        let upto = shares.into_iter().filter(|(_, weight)| *weight > 0).map(|(pool, weight)| {
            sum += u64::from(weight);
            (pool, sum)
        });
        let upto: Box<[_]> = upto.collect();
        if upto.is_empty() { Err(BadSplit::NobodyHasWeight) } else { Ok(Self { upto, by_client }) }
    }

    /// Chooses a pool for a request from `client`; `dice` is any number, all equally likely.
    ///
    /// With `by_client` the client alone decides. If only the weights of two pools change, no
    /// client moves against the change: a growing side keeps those that it had.
    pub fn choose(&self, client: IpAddr, dice: u64) -> PoolId {
        let point = if self.by_client { hash(client) } else { dice };
        let (last, total) = self.upto[self.upto.len() - 1];
        // The upper half of the product is below the total, and even to one part in 2^64.
        let at = ((u128::from(point) * u128::from(total)) >> 64) as u64;
        self.upto.iter().find(|(_, upto)| at < *upto).map_or(last, |(pool, _)| *pool)
    }

    /// Returns the pools in order, each with its weight; those without weight are left out.
    pub fn shares(&self) -> impl Iterator<Item = (PoolId, u64)> {
        let before = std::iter::once(0).chain(self.upto.iter().map(|(_, upto)| *upto));
        self.upto.iter().zip(before).map(|((pool, upto), before)| (*pool, upto - before))
    }

    /// Says whether a client stays on its side.
    pub fn is_by_client(&self) -> bool {
        self.by_client
    }
}

/// Spreads clients evenly, the same way in every Nexus and after every start.
///
/// Of an IPv6 address the first 64 bits count: the rest changes daily (RFC 8981).
fn hash(client: IpAddr) -> u64 {
    let number = match client.to_canonical() {
        IpAddr::V4(ip) => u64::from(u32::from(ip)),
        IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
    };
    // The finisher of splitmix64 (Steele, Lea, Flood 2014).
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PoolId = PoolId(0);
    const B: PoolId = PoolId(1);

    fn clients() -> impl Iterator<Item = IpAddr> {
        (0..10_000u32).map(|n| IpAddr::from((0x0a00_0000 + n).to_be_bytes()))
    }

    #[test]
    fn shares_follow_the_weights() {
        let split = Split::new([(A, 90), (B, 10)], false).unwrap();
        let dice = (0..1000u64).map(|n| n * (u64::MAX / 1000));
        let nobody = IpAddr::from([0; 4]);
        let b = dice.filter(|dice| split.choose(nobody, *dice) == B).count();
        assert!((99..=101).contains(&b), "{b}");
        assert_eq!(split.shares().collect::<Vec<_>>(), [(A, 90), (B, 10)]);
    }

    #[test]
    fn a_client_stays_on_its_side_and_moves_only_with_the_change() {
        let of = |weight| Split::new([(A, 100 - weight), (B, weight)], true).unwrap();
        let (ten, thirty) = (of(10), of(30));
        let side = |split: &Split, client| split.choose(client, 7);
        assert!(clients().all(|client| ten.choose(client, 1) == ten.choose(client, u64::MAX)));
        assert!(
            clients()
                .filter(|client| side(&ten, *client) == B)
                .all(|client| side(&thirty, client) == B)
        );
        let share = clients().filter(|client| side(&thirty, *client) == B).count();
        assert!((2800..3200).contains(&share), "{share}");
    }

    #[test]
    fn a_client_is_itself_over_ipv6_privacy_addresses_and_mapped_ones() {
        let split = Split::new([(A, 1), (B, 1)], true).unwrap();
        let side = |text: &str| split.choose(text.parse().unwrap(), 0);
        assert_eq!(side("2001:db8:1:2::1"), side("2001:db8:1:2:ffff:abcd:1:9"));
        assert_eq!(side("::ffff:10.1.2.3"), side("10.1.2.3"));
    }

    #[test]
    fn nobody_without_weight_is_chosen() {
        let split = Split::new([(A, 0), (B, 1)], false).unwrap();
        assert_eq!(split.choose(IpAddr::from([0; 4]), 0), B);
        assert_eq!(Split::new([(A, 0)], true), Err(BadSplit::NobodyHasWeight));
        assert_eq!(Split::new([], true), Err(BadSplit::NobodyHasWeight));
    }
}
