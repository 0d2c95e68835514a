//! Origins of test objects: a directory, an HTTP server that does what a test tells it, and one
//! that publishes while it is read.

mod gate;
mod live;
mod packager;
mod script;
mod scripted;
mod serve;

use std::{fs, path::Path};

pub use gate::Gate;
pub use live::LiveOrigin;
pub use packager::{PLAYLIST, Packager};
pub use script::{Death, Lie, Script};
pub use scripted::{Read, ScriptedOrigin};

use crate::oracle::Object;

/// Writes objects as files below `folder`.
pub fn write_objects(folder: &Path, objects: &[Object]) {
    for object in objects {
        let file = folder.join(object.name.trim_start_matches('/'));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let part = 16 << 20;
        let mut out = fs::File::create(&file).unwrap();
        for start in (0..object.bytes).step_by(part) {
            let end = object.bytes.min(start + part as u64);
            std::io::Write::write_all(&mut out, &object.slice(start..end)).unwrap();
        }
    }
}
