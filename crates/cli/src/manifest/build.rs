//! `millpond manifest new`: from a catalogue, a listing or a directory.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use manifest::{
    Encoding, Head, Hints, Kind, Label, Limits, Manifest, Names, Objects, Signed, changes,
    read_objects,
};
use steering::report::amount;

use super::{files, sources};
use crate::{Error, output::say};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The name of the appliance or cluster that it is for, as its config has it.
    #[arg(long, value_parser = super::audience)]
    audience: Label,
    /// A number above that of the manifest before. Default: one above that of `--previous`, else
    /// the seconds since 1970.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..1 << 53))]
    generation: Option<u64>,
    /// The manifest before it: nodes take this one only after that one.
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Write only what changes against `--previous`, which is a full manifest.
    #[arg(long, requires = "previous")]
    delta: bool,
    /// How long nodes may accept it, in seconds: up to 35 days.
    #[arg(long, value_name = "SECONDS", default_value_t = 7 * 24 * 3600,
          value_parser = clap::value_parser!(u64).range(1..=35 * 24 * 3600))]
    expires_in: u64,
    /// Let nodes drop more than 30 % of what is planned. Takes a key with the role `evict`.
    #[arg(long)]
    allow_mass_eviction: bool,
    /// Objects, one a line: JSON as in a manifest, or *.csv with the members' names in its head.
    #[arg(long, value_name = "FILE", group = "source")]
    catalog: Option<PathBuf>,
    /// Objects, one a line: `URL SIZE DIGEST`, `URL SIZE` for what is let in at its first miss.
    #[arg(long, value_name = "FILE", group = "source", requires = "site")]
    listing: Option<PathBuf>,
    /// All files below a directory, digested; their paths begin with `/` there.
    #[arg(long, value_name = "DIRECTORY", group = "source", requires = "site")]
    directory: Option<PathBuf>,
    /// The site of a listing or directory.
    #[arg(long)]
    site: Option<String>,
    /// One zstd frame, or lines of JSON to read and grep.
    #[arg(long, value_enum, default_value_t = Form::Zstd)]
    form: Form,
    /// Where it is written.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Zstd,
    Plain,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Error> {
    let objects = arguments.objects()?;
    let previous = arguments
        .previous
        .as_deref()
        .map(Previous::read)
        .transpose()?;
    let head = arguments.head(previous.as_ref());
    let (objects, removed) = match previous.filter(|_| arguments.delta) {
        Some(previous) => previous.changes_to(&objects),
        None => Ok((objects, Names::default())),
    }?;
    let wrong = |wrong| Error::manifest(&arguments.output, wrong);
    let manifest = Manifest::new(head, objects, removed).map_err(wrong)?;
    let payload = manifest.to_payload(match arguments.form {
        Form::Zstd => Encoding::Zstd,
        Form::Plain => Encoding::Plain,
    });
    files::write(&arguments.output, &payload)?;
    say(format!(
        "{}: generation {} for {}, {} objects, {} to fill, {} removed; not signed yet",
        arguments.output.display(),
        manifest.head.generation,
        manifest.head.audience,
        manifest.objects.len(),
        amount(manifest.objects.bytes_wanted()),
        manifest.removed.len(),
    ));
    Ok(())
}

impl Arguments {
    fn objects(&self) -> Result<Objects, Error> {
        let site = self.site.as_deref().unwrap_or_default();
        let (path, lines) = match (&self.catalog, &self.listing, &self.directory) {
            (Some(path), ..) if path.extension().is_some_and(|end| end == "csv") => {
                (path, sources::csv(path, &files::read(path)?)?)
            }
            (Some(path), ..) => (path, files::read(path)?),
            (None, Some(path), _) => (path, sources::listing(path, &files::read(path)?, site)?),
            (None, None, Some(path)) => (path, sources::directory(path, site)?),
            (None, None, None) => {
                let hint = "name the objects with --catalog, --listing or --directory";
                return Err(Error::Usage(hint.to_owned()));
            }
        };
        let read = read_objects(&lines, &Limits::default());
        let (objects, unknown) = read.map_err(|refused| Error::manifest(path, refused))?;
        files::tell_unknown(path, &unknown);
        Ok(objects)
    }

    fn head(&self, previous: Option<&Previous>) -> Head {
        let issued_s = message::now().unix_s();
        let after = previous.map(|previous| previous.manifest.head.generation);
        let generation = self.generation.or_else(|| after.map(|before| before + 1));
        let kind = match after {
            Some(base) if self.delta => Kind::Delta { base },
            Some(_) | None => Kind::Full,
        };
        Head {
            audience: self.audience.clone(),
            generation: generation.unwrap_or(issued_s),
            previous: previous.map(|previous| previous.digest),
            issued_s,
            expires_s: issued_s.saturating_add(self.expires_in),
            kind,
            hints: Hints::default(),
            allow_mass_eviction: self.allow_mass_eviction,
        }
    }
}

/// The manifest before a new one.
struct Previous {
    path: PathBuf,
    manifest: Manifest,
    digest: manifest::Digest,
}

impl Previous {
    fn read(path: &Path) -> Result<Self, Error> {
        let (manifest, file) = files::manifest(path)?;
        let signed = Signed::parse(&file).map_err(|refused| Error::manifest(path, refused))?;
        Ok(Self {
            path: path.to_owned(),
            digest: signed.digest,
            manifest,
        })
    }

    /// What a delta says so that `wanted` is the plan.
    fn changes_to(&self, wanted: &Objects) -> Result<(Objects, Names), Error> {
        if self.manifest.head.kind != Kind::Full {
            let path = self.path.display();
            let hint = format!("{path} is a delta itself: write a full manifest after it");
            return Err(Error::Argument(hint));
        }
        let changes = changes(&self.manifest.objects, wanted);
        changes.map_err(|wrong| Error::manifest(&self.path, wrong))
    }
}
