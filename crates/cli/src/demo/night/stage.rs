//! What is played with, told before it begins.

use std::collections::HashSet;

use forecast::{catalogue::Object, show::bytes};

use super::{
    library::Library,
    nodes::{ALONE, FILLED, Size, WINDOW},
    planner::{self, Planner},
};

/// What the nodes and the viewers are, in a few lines.
pub(super) fn text(
    library: &Library,
    size: &Size,
    planner: &Planner,
    asked: &HashSet<Object>,
) -> String {
    let sum = |objects: &mut dyn Iterator<Item = Object>| -> u64 {
        objects.map(|object| library.catalogue.bytes(object)).sum()
    };
    let origin = format!(
        "origin   {} films and episodes in {} pieces, {}: five minutes of one rendition each, {} times \
         smaller;\n         viewers ask for {} of them, {}",
        library.catalogue.assets.len(),
        library.objects().len(),
        bytes(sum(&mut library.objects())),
        library.shrunk,
        asked.len(),
        bytes(sum(&mut asked.iter().copied())),
    );
    let nodes = format!(
        "nodes    a shield, and two edges with {} of disk, 8 MiB of RAM and the same viewers: `{FILLED}` is \
         filled\n         from {:02}:00 to {:02}:00, {} a night and {} a second at most; `{ALONE}` is not",
        bytes(size.disk_bytes),
        WINDOW.start,
        WINDOW.end,
        bytes(size.window_bytes),
        bytes(size.bytes_per_s),
    );
    let planner = match planner {
        Planner::Program(program) => format!("planner  {}", program.display()),
        Planner::Here => format!(
            "planner  the estimator of `millpond replay`, in this process. The planner itself is a program of\n\
             \x20        its own: `{}`, then --planner target/plan/millpond-plan",
            planner::BUILD
        ),
    };
    format!("{origin}\n{nodes}\n{planner}")
}
