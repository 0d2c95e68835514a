//! What a config that is right may still come to grief over: things that a file cannot tell, and a look
//! at this machine can.

use crate::{NodeConfig, Sections};

impl Sections {
    /// What of it this machine cannot do. Blocks while it asks the kernel.
    pub fn warnings(&self) -> Vec<String> {
        let falls_back = self.tls.falls_back().map(|warning| warning.to_string());
        let disks = self.store.disks.iter().filter_map(|disk| {
            let path = disk.path.display();
            match disk.shortage() {
                Ok(None) => None,
                Ok(Some(short)) => Some(format!(
                    "disk {path}: {} bytes are needed, {} are free: it would be left out",
                    short.missing_bytes, short.free_bytes
                )),
                Err(error) => Some(format!("disk {path}: {error}: it would be left out")),
            }
        });
        falls_back.into_iter().chain(disks).collect()
    }
}

/// What `check` says of a config that is right: how its memory is split, and what to look at.
pub fn checked<C: NodeConfig>(config: &C) -> String {
    let mut told = config.sections().memory.to_string();
    for warning in config.warnings() {
        told.push_str("\n\nwarning: ");
        told.push_str(&warning);
    }
    told
}
