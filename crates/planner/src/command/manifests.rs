//! From the rows of a plan to files.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use forecast::show::bytes as readable;
use manifest::{Encoding, Manifest, Signed, SigningKey};
use planner::{Job, Limits, Summary, Taken};

use super::{
    arguments::Manifests,
    output::{say, tell},
    plan::{Failed, of_file},
};

/// Writes a manifest for each box, and what changes against the one before, and tells what they come to.
pub(crate) async fn write(
    work: &Path,
    job: &Job,
    rows: &Path,
    limits: &Limits,
    (arguments, key): (&Manifests, &SigningKey),
) -> Result<(), Failed> {
    let output = &arguments.output;
    fs::create_dir_all(output).map_err(of_file(output))?;
    let mut summaries: Vec<Summary> = Vec::new();
    let mut failed = None;
    let stamp = arguments.stamp();
    tell("manifests");
    let collected = planner::collect(work, job, rows, (limits, &stamp), |manifest, summary| {
        let name = summary.appliance.clone();
        summaries.push(summary);
        let written = delta(arguments, &name, &manifest).and_then(|delta| {
            let path = output.join(format!("{name}.delta"));
            match delta {
                Some(delta) => seal(&delta, key, &path)?,
                // That of a plan before would be taken for one of this.
                None => remove(&path)?,
            }
            seal(&manifest, key, &output.join(format!("{name}.manifest")))
        });
        written.map_err(|error| {
            failed = Some(error);
            planner::Error::Plan("a manifest could not be written".to_owned())
        })
    });
    if let Err(error) = collected.await {
        return Err(failed.unwrap_or(Failed::Plan(error)));
    }
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
    let file = match fs::File::open(path) {
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

/// Signs a manifest and writes it under its name when it is whole.
fn seal(manifest: &Manifest, key: &SigningKey, path: &Path) -> Result<(), Failed> {
    let payload = manifest.to_payload(Encoding::Zstd);
    let mut signed = Signed::draft(&payload);
    signed.sign(key)?;
    let part = path.with_extension("part");
    fs::write(&part, signed.to_bytes()).map_err(of_file(&part))?;
    fs::rename(&part, path).map_err(of_file(path))
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
