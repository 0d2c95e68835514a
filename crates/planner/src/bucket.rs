//! Reports in a bucket: copied beside the tables, because each pass over the clusters reads them
//! again, and a plan that is made every night needs one new day of them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    ObjectStore, ObjectStoreExt as _, aws::AmazonS3Builder, path::Path as Key, prefix::PrefixStore,
};

use crate::{Day, Error, Fleet};

/// Files of reports that a plan reads, at most: 28 days of 24 hours of 1,500 boxes.
const FILES_MAX: usize = 1 << 20;
/// The largest file, far above what an hour of one box takes.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Files that are on their way at once.
const AT_ONCE: usize = 8;

/// Copies what `plan` will read of the bucket at `url` (`s3://BUCKET/PREFIX`) into `folder`, in the same
/// layout, and removes what is there and not in it any more. Keys, region and endpoint are those of
/// the environment (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT`, ...). Returns how many bytes were
/// moved: a file that is there with its size is not moved again, since a report never changes.
pub async fn fetch(url: &str, fleet: &Fleet, day: Day, folder: &Path) -> Result<u64, Error> {
    let wrong = |source| Error::Bucket {
        url: url.to_owned(),
        source,
    };
    let store = AmazonS3Builder::from_env().with_url(url).build();
    let prefix = url
        .splitn(4, '/')
        .nth(3)
        .unwrap_or_default()
        .trim_matches('/');
    let store = PrefixStore::new(store.map_err(wrong)?, prefix);
    fetch_from(&store, url, (fleet, day), folder).await
}

/// The same of any store; `url` is for errors.
async fn fetch_from(
    store: &dyn ObjectStore,
    url: &str,
    (fleet, day): (&Fleet, Day),
    folder: &Path,
) -> Result<u64, Error> {
    let wrong = |source| Error::Bucket {
        url: url.to_owned(),
        source,
    };
    let wanted = list(store, (fleet, day)).await.map_err(wrong)?;
    if wanted.len() > FILES_MAX || wanted.values().any(|bytes| *bytes > FILE_BYTES_MAX) {
        let problem = format!(
            "{url} has more than {FILES_MAX} reports, or one of more than {FILE_BYTES_MAX} bytes"
        );
        return Err(Error::Plan(problem));
    }
    fs::create_dir_all(folder).map_err(Error::of_file(folder))?;
    let mut missing = wanted.clone();
    keep(folder, folder, &mut missing)?;
    let moved = missing.values().sum();
    stream::iter(missing)
        .map(|(key, bytes)| copy(store, url, key, bytes, folder))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(moved)
}

/// Keys and sizes of the reports of the fleet's boxes on the days before.
async fn list(
    store: &dyn ObjectStore,
    (fleet, day): (&Fleet, Day),
) -> Result<BTreeMap<String, u64>, object_store::Error> {
    let mut found = BTreeMap::new();
    for age in 1..=i64::from(fleet.knobs.days) {
        let of_day = format!("day={}", day.before(age));
        let mut keys = store.list(Some(&Key::from(of_day)));
        while let Some(object) = keys.try_next().await? {
            let key = object.location.as_ref();
            if found.len() <= FILES_MAX && is_of_fleet(key, fleet) {
                found.insert(key.to_owned(), object.size);
            }
        }
    }
    Ok(found)
}

/// `day=2026-11-21/node=NAME/FILE.parquet` of a box of the fleet. Names of boxes are labels, so that no
/// such key leads out of a folder; that of a file is looked at.
fn is_of_fleet(key: &str, fleet: &Fleet) -> bool {
    let parts: Vec<&str> = key.split('/').collect();
    let [_, node, file] = parts[..] else {
        return false;
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_file = file.ends_with(".parquet") && file.bytes().all(is_plain);
    let known = |name: &str| fleet.find(name).is_some();
    is_file && node.strip_prefix("node=").is_some_and(known)
}

/// Takes from `missing` what is in `folder` with its size, and removes whatever else is there.
fn keep(folder: &Path, root: &Path, missing: &mut BTreeMap<String, u64>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::of_file(folder))? {
        let path = entry.map_err(Error::of_file(folder))?.path();
        let known = fs::symlink_metadata(&path).map_err(Error::of_file(&path))?;
        if known.is_dir() {
            keep(&path, root, missing)?;
            continue;
        }
        let key = path.strip_prefix(root).unwrap_or(&path);
        let key = key.to_string_lossy();
        if missing.get(&*key) == Some(&known.len()) {
            missing.remove(&*key);
        } else {
            fs::remove_file(&path).map_err(Error::of_file(&path))?;
        }
    }
    Ok(())
}

/// Copies a file, which has its name only when it is whole.
async fn copy(
    store: &dyn ObjectStore,
    url: &str,
    key: String,
    bytes: u64,
    folder: &Path,
) -> Result<(), Error> {
    let wrong = |source| Error::Bucket {
        url: format!("{url}/{key}"),
        source,
    };
    let got = store.get(&Key::from(&*key)).await.map_err(wrong)?;
    let mut content = got.into_stream();
    let path: PathBuf = folder.join(&key);
    let parent = path.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(Error::of_file(parent))?;
    let part = path.with_extension("part");
    let mut file = File::create(&part).map_err(Error::of_file(&part))?;
    let mut written = 0;
    while let Some(piece) = content.try_next().await.map_err(wrong)? {
        written += piece.len() as u64;
        // A body that does not end is not written to its end.
        if written > bytes {
            break;
        }
        file.write_all(&piece).map_err(Error::of_file(&part))?;
    }
    if written != bytes {
        let problem =
            format!("{url}/{key} has {written} bytes or more, and was listed with {bytes}");
        return Err(Error::Plan(problem));
    }
    fs::rename(&part, &path).map_err(Error::of_file(&path))
}

#[cfg(test)]
mod tests {
    use object_store::{PutPayload, memory::InMemory};

    use super::*;

    const URL: &str = "s3://reports/popularity";

    fn fleet(folder: &Path) -> Fleet {
        let path = folder.join("fleet.toml");
        let text = "[[appliance]]\nname = 'a'\nregion = 'eu'\ncapacity = '1TB'\n";
        fs::write(&path, format!("[plan]\ndays = 2\n{text}")).unwrap();
        Fleet::read(&path).unwrap()
    }

    async fn put(store: &InMemory, key: &str, content: &'static str) {
        let payload = PutPayload::from_static(content.as_bytes());
        store.put(&Key::from(key), payload).await.unwrap();
    }

    fn files(folder: &Path) -> Vec<String> {
        let name = |path: PathBuf| path.strip_prefix(folder).unwrap().display().to_string();
        let mut found: Vec<String> = walk(folder).into_iter().map(name).collect();
        found.sort();
        found
    }

    fn walk(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let paths = entries.map(|entry| entry.path());
        let paths = paths.flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        });
        paths.collect()
    }

    #[tokio::test]
    async fn what_a_plan_reads_of_a_bucket_is_copied_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (fleet, day) = (fleet(folder.path()), "2026-11-21".parse().unwrap());
        let store = InMemory::new();
        put(&store, "day=2026-11-20/node=a/00-0.parquet", "one").await;
        put(&store, "day=2026-11-19/node=a/00-0.parquet", "two").await;
        put(&store, "day=2026-11-18/node=a/00-0.parquet", "old").await;
        put(&store, "day=2026-11-20/node=b/00-0.parquet", "gone").await;
        put(&store, "day=2026-11-20/node=a/notes.txt", "notes").await;
        let into = folder.path().join("reports");
        let fetch = || fetch_from(&store, URL, (&fleet, day), &into);

        assert_eq!(fetch().await.unwrap(), 6);

        let copied = [
            "day=2026-11-19/node=a/00-0.parquet",
            "day=2026-11-20/node=a/00-0.parquet",
        ];
        assert_eq!(files(&into), copied);
        assert_eq!(fs::read(into.join(copied[1])).unwrap(), b"one");
        assert_eq!(fetch().await.unwrap(), 0, "nothing moves twice");
    }

    #[tokio::test]
    async fn what_a_bucket_no_longer_has_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (fleet, day) = (fleet(folder.path()), "2026-11-21".parse().unwrap());
        let store = InMemory::new();
        put(&store, "day=2026-11-20/node=a/00-0.parquet", "one").await;
        let into = folder.path().join("reports");
        let stale = into.join("day=2026-11-19/node=a");
        fs::create_dir_all(&stale).unwrap();
        fs::write(stale.join("00-0.parquet"), "stale").unwrap();

        let moved = fetch_from(&store, URL, (&fleet, day), &into).await;

        assert_eq!(moved.unwrap(), 3);
        assert_eq!(files(&into), ["day=2026-11-20/node=a/00-0.parquet"]);
    }
}
