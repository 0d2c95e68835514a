//! From the rows of a plan to files.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use forecast::show::bytes as readable;
use manifest::{Encoding, Manifest, Signed, SigningKey};
use planner::{Job, Limits, Summary, Taken};

use super::{
    arguments::Manifests,
    output::{say, tell},
    plan::{Failed, of_file},
};

/// What is written of a box, and not yet under its name.
struct Written {
    manifest: PathBuf,
    delta: PathBuf,
    has_delta: bool,
}

/// Writes a manifest for each box, and what changes against the one before, and tells what they come to.
/// Unless all can be written, those of the plan before stay.
pub(crate) async fn write(
    work: &Path,
    job: &Job,
    rows: &Path,
    limits: &Limits,
    (arguments, key): (&Manifests, &SigningKey),
) -> Result<(), Failed> {
    let mut summaries: Vec<Summary> = Vec::new();
    let mut written: Vec<Written> = Vec::new();
    let mut failed = None;
    let stamp = arguments.stamp();
    tell("manifests");
    let collected = planner::collect(work, job, rows, (limits, &stamp), |manifest, summary| {
        let mut files = Written::of(&arguments.output, &summary.appliance);
        let done = files.write(&manifest, arguments, (&summary.appliance, key));
        written.push(files);
        summaries.push(summary);
        done.map_err(|error| {
            failed = Some(error);
            planner::Error::Plan("a manifest could not be written".to_owned())
        })
    });
    let collected = collected.await;
    let done = collected.map_err(|error| failed.unwrap_or(Failed::Plan(error)));
    let done = done.and_then(|()| written.iter().try_for_each(Written::publish));
    if done.is_err() {
        written.iter().for_each(Written::discard);
    }
    done?;
    sync(&arguments.output)?;
    report(&summaries, arguments.json)
}

/// What changes against the manifest before, if there is one.
fn delta(
    arguments: &Manifests,
    name: &str,
    manifest: &Manifest,
) -> Result<Option<Manifest>, Failed> {
    let Some(folder) = &arguments.previous else {
        return Ok(None);
    };
    let [whole, step] = ["manifest", "delta"].map(|form| folder.join(format!("{name}.{form}")));
    let (Some(whole_file), step_file) = (read(&whole)?, read(&step)?) else {
        return Ok(None);
    };
    let whole = Taken {
        path: &whole,
        file: &whole_file,
    };
    let step = step_file.as_deref().map(|file| Taken { path: &step, file });
    Ok(Some(planner::delta(whole, step, manifest)?))
}

/// A manifest, if it is there. A byte more than one may have is enough to refuse it.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Failed> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(of_file(path))?,
    };
    let most = manifest::Limits::default().file_bytes_max + 1;
    let mut content = Vec::new();
    let read = file.take(most).read_to_end(&mut content);
    read.map_err(of_file(path))?;
    Ok(Some(content))
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<(), Failed> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(of_file(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Signs a manifest and writes it, to stay there whatever happens to the machine.
fn seal(manifest: &Manifest, key: &SigningKey, path: &Path) -> Result<(), Failed> {
    let payload = manifest.to_payload(Encoding::Zstd);
    let mut signed = Signed::draft(&payload);
    signed.sign(key)?;
    let file = File::create(path).map_err(of_file(path))?;
    let written = (&file).write_all(&signed.to_bytes());
    written
        .and_then(|()| file.sync_all())
        .map_err(of_file(path))
}

/// Makes names stay as files do.
fn sync(folder: &Path) -> Result<(), Failed> {
    let open = File::open(folder).map_err(of_file(folder))?;
    open.sync_all().map_err(of_file(folder))
}

impl Written {
    fn of(output: &Path, name: &str) -> Self {
        Self {
            manifest: output.join(format!("{name}.manifest")),
            delta: output.join(format!("{name}.delta")),
            has_delta: false,
        }
    }

    fn write(
        &mut self,
        manifest: &Manifest,
        arguments: &Manifests,
        (name, key): (&str, &SigningKey),
    ) -> Result<(), Failed> {
        if let Some(delta) = delta(arguments, name, manifest)? {
            self.has_delta = true;
            seal(&delta, key, &part(&self.delta))?;
        }
        seal(manifest, key, &part(&self.manifest))
    }

    /// Gives the files their names. A run that is broken off in between leaves no delta beside a whole plan
    /// of another generation, which nothing could be told against.
    fn publish(&self) -> Result<(), Failed> {
        // That of a plan before would be taken for one of this.
        remove(&self.delta)?;
        rename(&self.manifest)?;
        if self.has_delta {
            rename(&self.delta)?;
        }
        Ok(())
    }

    /// Removes what has no name yet. Why there is no plan is told by then; what cannot be removed is written
    /// over by the next.
    fn discard(&self) {
        for path in [&self.manifest, &self.delta] {
            let _left = fs::remove_file(part(path));
        }
    }
}

/// What a file is called until all are whole.
fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn rename(path: &Path) -> Result<(), Failed> {
    fs::rename(part(path), path).map_err(of_file(path))
}

fn report(summaries: &[Summary], is_json: bool) -> Result<(), Failed> {
    if is_json {
        say(serde_json::to_string_pretty(summaries)?);
        return Ok(());
    }
    say(format!(
        "{:<20} {:>10} {:>10} {:>8} {:>9} {:>10} {:>10} {:>9} {:>10}",
        "box",
        "holds",
        "capacity",
        "objects",
        "beginnings",
        "fill",
        "budget",
        "seeds",
        "serves/day"
    ));
    for summary in summaries {
        say(format!(
            "{:<20} {:>10} {:>10} {:>8} {:>9} {:>10} {:>10} {:>9} {:>10}",
            summary.appliance,
            readable(summary.bytes),
            readable(summary.capacity),
            summary.objects,
            summary.beginnings,
            readable(summary.fill_bytes),
            readable(summary.budget),
            summary.seeds,
            readable(summary.served_bytes),
        ));
        if summary.fill_bytes_pinned > summary.budget {
            let nights = summary.fill_bytes_pinned.div_ceil(summary.budget.max(1));
            say(format!(
                "  what is pinned takes {nights} nights of its budget, and nothing else is filled"
            ));
        }
    }
    Ok(())
}
