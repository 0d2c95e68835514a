//! The loop of a night, with an S3 server and the planner's own program: what viewers ask for is
//! reported, planned from, and filled.

use std::{fs, path::Path, process::Stdio};

use jiff::civil::Date;
use manifest::Digest;
use serde_json::json;
use tempfile::TempDir;
use tests::{
    client::Protocol,
    eventually,
    foreign::{need_built, run},
    oracle::Object,
    planner::Planner,
};
use tokio::process::Command;

use crate::weed::{ACCESS, SECRET, Weed, reports};

const REPORTS: &str = "fleet/a/popularity";

/// A fleet of `edge1`, and a catalogue with an object that is watched and one that must be held.
fn write_inputs(folder: &Path, watched: &Object, wanted: &Object) {
    let fleet = "[plan]\nshrink_days = 0\n\
        [[appliance]]\nname = 'edge1'\nregion = 'eu'\ncapacity = '200MB'\nbudget = '100%'\n";
    fs::write(folder.join("fleet.toml"), fleet).unwrap();
    let line = |object: &Object, is_mandatory: bool| {
        let digest = Digest::of(&object.content()).to_string();
        let of = json!({"site": "media", "path": object.name, "size": object.bytes,
            "digest": digest, "mandatory": is_mandatory});
        format!("{of}\n")
    };
    let catalog = [line(watched, false), line(wanted, true)].concat();
    fs::write(folder.join("catalog.ndjson"), catalog).unwrap();
}

/// The only report, as `day=../node=../..parquet`.
async fn reported(weed: &Weed) -> String {
    let reports = eventually(60, "the S3 server to have a report", async || {
        let objects = weed.all(REPORTS).await;
        (!objects.is_empty()).then_some(objects)
    });
    let reports = reports.await;
    assert_eq!(reports.len(), 1, "{reports:?}");
    let key = reports[0].0.strip_prefix(REPORTS).unwrap();
    key.trim_start_matches('/').to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edge_reports_to_an_s3_server_is_planned_from_and_filled() {
    let Some(program) = need_built("millpond-plan", "cargo build -p planner") else {
        return;
    };
    let Some(weed) = Weed::ready().await else {
        return;
    };
    let (secrets, planner) = (TempDir::new().unwrap(), Planner::new());
    let watched = Object::new("/v/watched.m4s", 300_001);
    let wanted = Object::new("/v/wanted.m4s", 900_007);
    let plan = planner.edge("00:00-00:00");
    let plan = plan.edge_keys(&reports(&weed, secrets.path()));
    let mut world = plan.start(&[watched.clone(), wanted.clone()]).await;
    let reply = world.client.get(Protocol::Http2, &watched.name, &[]).await;
    reply.is_whole(&watched);
    // It reports when it ends.
    world.restart_edge().await;
    let key = reported(&weed).await;
    let parts: Vec<&str> = key.split('/').collect();
    assert_eq!(parts[1], "node=edge1", "{key}");
    let day: Date = parts[0].strip_prefix("day=").unwrap().parse().unwrap();

    let folder = TempDir::with_prefix("millpond-planned-").unwrap();
    write_inputs(folder.path(), &watched, &wanted);
    let file = |name: &str| folder.path().join(name);
    let mut command = Command::new(program);
    command
        .args(["plan", "--day", &day.tomorrow().unwrap().to_string()])
        .args(["--reports", &format!("s3://origin/{REPORTS}")])
        .arg("--fleet")
        .arg(file("fleet.toml"))
        .arg("--catalog")
        .arg(file("catalog.ndjson"))
        .arg("--key")
        .arg(planner.write_key())
        .arg("--work")
        .arg(file("work"))
        .arg("--output")
        .arg(file("manifests"))
        .env("AWS_ACCESS_KEY_ID", ACCESS)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT", &weed.endpoint)
        .env("AWS_ALLOW_HTTP", "true")
        .stdin(Stdio::null());
    run(&mut command, 120).await;
    let manifest = file("manifests").join("edge1.manifest");
    fs::rename(manifest, planner.root().join("edge1")).unwrap();

    let held = "millpond_fill_objects{state=\"held\"}";
    eventually(60, "both to be held", async || {
        (world.edge().metric(held).await >= 2.0).then_some(())
    })
    .await;
    for object in [&watched, &wanted] {
        let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
        reply.is_whole(object);
        assert!(reply.cache_status().contains("hit"), "{reply:?}");
    }
}
