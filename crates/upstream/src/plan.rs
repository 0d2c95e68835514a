//! Who is asked next, if anybody. Pure.

/// Why the last try does not count as the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setback {
    /// Nothing was sent: there was no connection.
    Unreachable,
    /// The request was sent, and no usable answer came.
    Broken,
    /// The answer broke a rule. The same hop would say it again; another may be honest.
    Useless,
    /// The hop said that it, or what is behind it, is in trouble.
    Status {
        /// Whether the same hop may be asked again within milliseconds.
        may_repeat: bool,
    },
}

impl Setback {
    /// The metrics' label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::Useless => "useless",
            Self::Status { .. } => "status",
        }
    }

    /// Whether another try costs the upstream work, and so needs budget. A connection that was
    /// refused cost it nothing, and a shield that dies must not use up what the others need.
    fn costs(self) -> bool {
        self != Self::Unreachable
    }

    fn may_repeat(self) -> bool {
        match self {
            Self::Unreachable | Self::Broken => true,
            Self::Useless => false,
            Self::Status { may_repeat } => may_repeat,
        }
    }
}

/// The next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// Whom to ask.
    pub(crate) hop: usize,
    /// 0 when this hop was not asked before; else how many tries there have been, for backoff.
    pub(crate) repeats: u32,
}

/// The tries of one read.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    order: &'a [usize],
    asked: Vec<usize>,
    retries_max: u32,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(order: &'a [usize], retries_max: u32) -> Self {
        Self {
            order,
            asked: Vec::new(),
            retries_max,
        }
    }

    /// The next try: a hop not asked yet before one that was, each only if its breaker
    /// `admits` it, and after a costly setback only if the budget `affords` it.
    pub(crate) fn next(
        &mut self,
        setback: Option<Setback>,
        mut admits: impl FnMut(usize) -> bool,
        affords: impl FnOnce() -> bool,
    ) -> Option<Step> {
        if self.asked.len() > self.retries_max as usize {
            return None;
        }
        let unasked = self.order.iter().filter(|hop| !self.asked.contains(hop));
        let again = self.order.iter().filter(|hop| self.asked.contains(hop));
        let repeats = setback.is_some_and(Setback::may_repeat);
        let mut candidates = unasked.chain(again.filter(|_hop| repeats)).copied();
        let hop = candidates.find(|&hop| admits(hop))?;
        if setback.is_some_and(Setback::costs) && !affords() {
            return None;
        }
        let tries = u32::try_from(self.asked.len()).unwrap_or(u32::MAX);
        let repeats = if self.asked.contains(&hop) { tries } else { 0 };
        self.asked.push(hop);
        Some(Step { hop, repeats })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(hop: usize) -> Step {
        Step { hop, repeats: 0 }
    }

    #[test]
    fn another_hop_is_asked_before_the_same_one() {
        let mut tries = Tries::new(&[2, 0], 2);
        assert_eq!(tries.next(None, |_| true, || false), Some(first(2)));
        assert_eq!(
            tries.next(Some(Setback::Broken), |_| true, || true),
            Some(first(0))
        );
        let last = tries.next(Some(Setback::Broken), |_| true, || true);
        assert_eq!(last, Some(Step { hop: 2, repeats: 2 }));
        assert_eq!(tries.next(Some(Setback::Broken), |_| true, || true), None);
    }

    #[test]
    fn a_hop_with_an_open_breaker_is_passed_over() {
        let mut tries = Tries::new(&[0, 1, 2], 2);
        assert_eq!(tries.next(None, |hop| hop != 0, || false), Some(first(1)));
        assert_eq!(
            tries.next(Some(Setback::Unreachable), |hop| hop != 0, || false),
            Some(first(2))
        );
        let mut tries = Tries::new(&[0, 1], 2);
        assert_eq!(tries.next(None, |_| false, || true), None);
    }

    #[test]
    fn a_spent_budget_ends_costly_retries_but_not_failover_from_a_dead_hop() {
        let mut tries = Tries::new(&[0, 1], 2);
        tries.next(None, |_| true, || false);
        assert_eq!(
            tries.next(Some(Setback::Unreachable), |_| true, || false),
            Some(first(1))
        );
        assert_eq!(tries.next(Some(Setback::Broken), |_| true, || false), None);
    }

    #[test]
    fn a_hop_that_lied_or_asked_for_patience_is_not_asked_again() {
        for setback in [Setback::Useless, Setback::Status { may_repeat: false }] {
            let mut tries = Tries::new(&[0], 2);
            tries.next(None, |_| true, || true);
            assert_eq!(tries.next(Some(setback), |_| true, || true), None);
        }
    }

    #[test]
    fn no_retries_means_one_try() {
        let mut tries = Tries::new(&[0, 1], 0);
        tries.next(None, |_| true, || true);
        assert_eq!(
            tries.next(Some(Setback::Unreachable), |_| true, || true),
            None
        );
    }
}
