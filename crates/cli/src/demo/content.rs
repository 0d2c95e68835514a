//! The origin's content: the clip that is built into this program, and the page that plays it.

use std::{fs, path::Path};

use include_dir::{Dir, include_dir};

use crate::Error;

/// Test pattern and tone, made by `assets/make-clip.sh`.
static CLIP: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/assets/clip");

const PAGE: &str = include_str!("../../assets/player.html");

/// Writes the clip and the page below `origin`.
pub(crate) fn write(origin: &Path) -> Result<(), Error> {
    let clip = origin.join("clip");
    fs::create_dir_all(&clip).map_err(|error| Error::file(&clip, error))?;
    CLIP.extract(&clip)
        .map_err(|error| Error::file(&clip, error))?;
    let page = clip.join("player.html");
    fs::write(&page, PAGE).map_err(|error| Error::file(page, error))
}
