//! Days played again: every night a plan is made from what was seen, its fills run while few watch, and
//! the next day shows what that brought.

mod night;
pub mod plot;
mod record;
pub mod report;
mod reported;
mod run;
mod table;
mod tally;

pub use night::{Knowledge, Night, Nights};
pub use record::{Play, Record, TooLong};
pub use reported::Reports;
pub use run::{Follow, Strategy, cold_day, run};
pub use table::{Options, Row, Table, table};
pub use tally::{Launched, Of, Tally};
