//! The SQL, in the order in which it runs.

/// What a step is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One cluster or some at a time: its rows are of the clusters that it sees.
    Clusters,
    /// The whole fleet at once.
    Fleet,
}

/// One step: its rows are the table of its name, which later steps read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) scope: Scope,
    pub(crate) sql: &'static str,
}

macro_rules! step {
    ($name:literal, $scope:ident) => {
        Step {
            name: $name,
            scope: Scope::$scope,
            sql: include_str!(concat!("../sql/", $name, ".sql")),
        }
    };
}

/// All of them. Those of [`Scope::Clusters`] that follow each other run for some clusters before
/// they run for the next.
pub(crate) const STEPS: [Step; 25] = [
    step!("cell", Fleet),
    step!("place", Fleet),
    step!("title", Fleet),
    step!("inside", Fleet),
    step!("folder", Fleet),
    step!("asked", Clusters),
    step!("seen", Clusters),
    step!("local", Clusters),
    step!("reached", Clusters),
    step!("watched", Fleet),
    step!("fleet", Fleet),
    step!("spread", Fleet),
    step!("share", Fleet),
    step!("series", Fleet),
    step!("launch", Fleet),
    step!("likely", Clusters),
    step!("expect", Clusters),
    step!("rung", Fleet),
    step!("reach", Fleet),
    step!("candidate", Clusters),
    step!("placed", Clusters),
    step!("pinned", Clusters),
    step!("later", Clusters),
    step!("threshold", Clusters),
    step!("plan", Clusters),
];
/// The one step that reads what boxes reported.
pub(crate) const READS_REPORTS: &str = "asked";
/// What is prepared, besides the reports.
pub(crate) const TABLES: [&str; 9] = [
    "appliance",
    "around",
    "cluster",
    "day",
    "inventory",
    "knob",
    "object",
    "placement",
    "tell",
];
