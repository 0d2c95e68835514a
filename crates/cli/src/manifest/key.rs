//! `millpond manifest key` and `sign`.

use std::{fs, io, path::PathBuf};

use clap::ValueEnum;
use manifest::{Keys, Label, PlannerKey, Role, Signed, SigningKey};
use signing::Algorithm;

use super::files;
use crate::{Error, keys::replace, output::say};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The key's id, which every signature names: letters, digits, '.', '_' and '-'.
    #[arg(long)]
    kid: String,
    /// Where the signing key is written. It is the planner's secret, and no node needs it.
    #[arg(long, value_name = "FILE")]
    signing_key: PathBuf,
    /// The keys that nodes trust. Made if it is absent; else the key is added.
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// What the key may sign: manifests, and that a manifest may drop much of what is planned.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "plan")]
    role: Vec<Kind>,
    /// How many keys must sign every manifest. Without it the file's number stays, at first 1.
    #[arg(long, value_name = "KEYS")]
    plan_threshold: Option<usize>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Plan,
    Evict,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SignArguments {
    /// The manifest, which is replaced by the signed one.
    manifest: PathBuf,
    /// A signing key that `millpond manifest key` made; several to sign with each.
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// Where the signed manifest is written instead.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn make(arguments: &Arguments) -> Result<(), Error> {
    let path = &arguments.keys;
    let key = SigningKey::generate(Algorithm::Ed25519, Label::parse(&arguments.kid)?)?;
    let roles = arguments.role.iter().map(|role| match role {
        Kind::Plan => Role::Plan,
        Kind::Evict => Role::Evict,
    });
    let (mut planners, mut thresholds) = held(path)?;
    planners.push(PlannerKey {
        key: key.verify_key(),
        roles: roles.collect(),
    });
    thresholds.extend(arguments.plan_threshold.map(|keys| (Role::Plan, keys)));
    let keys = Keys::new(planners, thresholds).map_err(|error| Error::manifest(path, error))?;
    if arguments.signing_key.exists() {
        return Err(Error::Exists(arguments.signing_key.clone()));
    }
    replace(path, &keys.to_json())?;
    replace(&arguments.signing_key, &key.to_json())?;
    let secret = arguments.signing_key.display();
    say(format!("signing key  {secret} (keep it from the nodes)"));
    let count = keys.keys().len();
    say(format!("trusted keys {} ({count} keys)", path.display()));
    Ok(())
}

pub(super) fn sign(arguments: &SignArguments) -> Result<(), Error> {
    let path = &arguments.manifest;
    // What no node would read is not signed.
    let (manifest, file) = files::manifest(path)?;
    let mut signed = Signed::parse(&file).map_err(|refused| Error::manifest(path, refused))?;
    for key in &arguments.key {
        let signing_key = files::signing_key(key)?;
        signed
            .sign(&signing_key)
            .map_err(|error| Error::manifest(key, error))?;
    }
    let output = arguments.output.as_ref().unwrap_or(path);
    files::write(output, &signed.to_bytes())?;
    let kids: Vec<_> = signed.kids().map(ToString::to_string).collect();
    say(format!(
        "{}: generation {} for {}, signed by {}",
        output.display(),
        manifest.head.generation,
        manifest.head.audience,
        kids.join(", ")
    ));
    Ok(())
}

type Held = (Vec<PlannerKey>, Vec<(Role, usize)>);

fn held(path: &std::path::Path) -> Result<Held, Error> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Held::default()),
        Ok(_) | Err(_) => {
            let keys = files::keys(path)?;
            Ok((keys.keys().to_vec(), keys.thresholds().collect()))
        }
    }
}
