//! A tree of labels in one table: from a node by a label to a node, in one look.
//!
//! However many labels a node has, a step is a hash, a comparison and two cache lines. The keys are
//! the operator's, so the hash needs no secret: whoever asks can add nothing to the table.

use std::collections::HashMap;

/// A node; 0 is the root that every tree has.
pub(super) type Node = u32;

/// A tree that can grow.
#[derive(Debug)]
pub(super) struct Growing {
    children: HashMap<(Node, Box<[u8]>), Node>,
    nodes: u32,
}

/// A tree that can be walked.
#[derive(Debug)]
pub(super) struct Tree {
    /// A power of two, at most half of them taken.
    slots: Box<[Slot]>,
    labels: Box<[u8]>,
    ignores_case: bool,
}

/// A step. The root is nobody's child, so that 0 marks a slot that is free.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    parent: Node,
    child: Node,
    start: u32,
    len: u32,
}

impl Growing {
    pub(super) fn new() -> Self {
        Self { children: HashMap::new(), nodes: 1 }
    }

    /// Adds a root.
    pub(super) fn root(&mut self) -> Node {
        self.nodes += 1;
        self.nodes - 1
    }

    /// Returns the node that `label` leads to from `parent`, which may be new.
    pub(super) fn grow(&mut self, parent: Node, label: &[u8]) -> Node {
        let next = self.nodes;
        let child = *self.children.entry((parent, label.into())).or_insert(next);
        self.nodes = self.nodes.max(child + 1);
        child
    }

    /// Lays the tree out. Labels of one that ignores case must be in lower case.
    pub(super) fn freeze(self, ignores_case: bool) -> Tree {
        let mut slots = vec![Slot::default(); (self.children.len() * 2 + 1).next_power_of_two()];
        let mut labels = Vec::new();
        for ((parent, label), child) in self.children {
            let narrow = |n: usize| u32::try_from(n).expect("labels are far below 4 GiB");
            let slot =
                Slot { parent, child, start: narrow(labels.len()), len: narrow(label.len()) };
            labels.extend_from_slice(&label);
            let mut at = hash(parent, &label) & (slots.len() - 1);
            while slots[at].child != 0 {
                at = (at + 1) & (slots.len() - 1);
            }
            slots[at] = slot;
        }
        Tree { slots: slots.into(), labels: labels.into(), ignores_case }
    }
}

impl Tree {
    /// Returns the node that `label` leads to from `parent`.
    pub(super) fn step(&self, parent: Node, label: &[u8]) -> Option<Node> {
        let mut at = hash(parent, label) & (self.slots.len() - 1);
        loop {
            let slot = &self.slots[at];
            if slot.child == 0 {
                return None;
            }
            if slot.parent == parent && slot.len as usize == label.len() {
                let known = &self.labels[slot.start as usize..][..label.len()];
                if known == label || (self.ignores_case && known.eq_ignore_ascii_case(label)) {
                    return Some(slot.child);
                }
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Returns how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.slots) + self.labels.len()
    }
}

/// Mixes eight bytes at a time; letters in both cases are one to it.
fn hash(parent: Node, label: &[u8]) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    const LOWER: u64 = 0x2020_2020_2020_2020;
    let mix = |state: u64, word: u64| {
        let product = u128::from(state ^ word ^ ODD) * u128::from(ODD);
        (product ^ (product >> 64)) as u64
    };
    let (words, rest) = label.as_chunks::<8>();
    let mut state = mix(u64::from(parent), label.len() as u64);
    for word in words {
        state = mix(state, u64::from_le_bytes(*word) | LOWER);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(state, u64::from_le_bytes(last) | LOWER) as usize
}
