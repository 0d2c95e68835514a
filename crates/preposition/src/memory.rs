//! What plans take of the memory. Pure.
//!
//! Two plans are there at a time: the one in force, and the one that comes in its place. The child that
//! tries a manifest has both as well. So each may take a quarter of what there is for plans, and what
//! comes in is refused when it would take more. It is the same for all: a node that had given one plan
//! more than that could never replace it.

use manifest::Refused;

use crate::applied::InForce;

/// Plans that are there at a time.
pub(crate) const PLANS_MAX: usize = 2;

/// What an object of a plan takes beside its name and its facts, at most, while it is worked at: what
/// has become of it and its place in the order (5), the index (21 in a table that is at least 7/16
/// full: 48), the queue (8), its next attempt (48) and its failures (21), the end of its pin (32), and
/// its part in the comparison with the plan before (16).
pub(crate) const WORKING_BYTES: u64 = 178;

/// What one plan may take of what there is for plans, the manifest that makes it included.
pub(crate) fn plan_bytes_max(memory_bytes: u64) -> u64 {
    memory_bytes / 4
}

/// What a child may take of it that tries a plan.
pub(crate) fn child_bytes(memory_bytes: u64) -> u64 {
    memory_bytes / 2
}

impl InForce {
    /// Bytes of memory that it takes while it is worked at.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let plan = &self.state.plan;
        let working = (plan.len() as u64).saturating_mul(WORKING_BYTES);
        plan.memory_bytes() + self.released.memory_bytes() + working
    }

    /// Whether it may take what it does, where one plan may take `max`.
    pub(crate) fn check_memory(&self, max: u64) -> Result<(), Refused> {
        let limits = manifest::Limits {
            memory_bytes_max: max,
            ..manifest::Limits::default()
        };
        limits.check_memory(self.memory_bytes())
    }
}

#[cfg(test)]
mod tests {
    use manifest::Object;

    use super::*;

    #[test]
    fn a_plan_is_counted_with_its_names_its_facts_and_the_work_at_it() {
        let plan = |count: u64| {
            let paths: Vec<String> = (0..count).map(|n| format!("/{n:09}")).collect();
            let objects = paths.iter().map(|path| Object::seed("vod", path, 1, 1));
            InForce::sample(objects)
        };
        let (few, many) = (plan(100).memory_bytes(), plan(1100).memory_bytes());
        // 80 of facts, 8 of its row, 10 of its name.
        assert_eq!(many - few, 1000 * (80 + 8 + 10 + WORKING_BYTES));
        assert!(plan(100).check_memory(few).is_ok());
        assert_eq!(plan(100).check_memory(few - 1).unwrap_err().status(), 413);
    }

    #[test]
    fn two_plans_in_the_node_and_two_in_the_child_are_all_that_there_is() {
        let memory_bytes = 1 << 30;
        let plans = PLANS_MAX as u64 * plan_bytes_max(memory_bytes);
        assert_eq!(plans + child_bytes(memory_bytes), memory_bytes);
    }
}
