use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use prometheus::Registry;
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::Instant};

use super::*;
use crate::Demand;

/// 2026-11-21 15:00.
const BEGIN: Duration = Duration::from_hours(498_687);

/// A shelf that refuses so many puts before it takes one.
#[derive(Default)]
struct TestShelf {
    refusals: AtomicU32,
    taken: Mutex<Vec<(String, usize)>>,
}

impl Shelf for TestShelf {
    fn put(
        &self,
        key: String,
        report: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async move {
            let left = self.refusals.load(Ordering::Relaxed);
            if left > 0 {
                self.refusals.store(left - 1, Ordering::Relaxed);
                return Err("503".to_owned());
            }
            self.taken.lock().push((key, report.len()));
            Ok(())
        })
    }
}

impl TestShelf {
    fn keys(&self) -> Vec<String> {
        let taken = self.taken.lock();
        assert!(taken.iter().all(|(_, bytes)| *bytes > 500));
        taken.iter().map(|(key, _)| key.clone()).collect()
    }
}

/// A keeper at work, on paused time.
struct Run {
    popularity: Arc<Popularity>,
    registry: Registry,
    stop: CancellationToken,
    task: JoinHandle<()>,
    clock: Clock,
}

impl Run {
    async fn start(folder: &TempDir, shelf: Option<Arc<TestShelf>>) -> Self {
        let begun = Instant::now();
        let clock: Clock = Arc::new(move || BEGIN + begun.elapsed());
        Self::by(clock, Duration::from_mins(1), folder, shelf).await
    }

    async fn by(
        clock: Clock,
        look: Duration,
        folder: &TempDir,
        shelf: Option<Arc<TestShelf>>,
    ) -> Self {
        let keeping = Keeping {
            folder: folder.path().join("popularity"),
            node: "edge-1".into(),
            shelf: shelf.map(|shelf| shelf as Arc<dyn Shelf>),
            clock: Arc::clone(&clock),
            look,
        };
        let config = Config {
            memory_bytes: *Config::MEMORY_BYTES.start(),
            sessions_min: 1,
            ..Config::default()
        };
        let registry = Registry::new();
        let keeper = Keeper::open(config, keeping, &registry).await.unwrap();
        let stop = CancellationToken::new();
        Self {
            popularity: Arc::clone(keeper.popularity()),
            registry,
            task: tokio::spawn(keeper.run(stop.clone())),
            stop,
            clock,
        }
    }

    fn ask(&self, object: u8) {
        let demand = Demand {
            object: &[object; 16],
            site: &"vod".into(),
            path: &format!("/{object}").into(),
            size: 10,
            served: 0..10,
            viewer: 1,
        };
        self.popularity.count(&demand, (self.clock)());
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    fn count(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families
            .iter()
            .find(|family| family.name() == name)
            .unwrap();
        let metric = &family.get_metric()[0];
        metric.get_counter().get_value()
    }
}

async fn minutes(count: u64) {
    tokio::time::sleep(Duration::from_mins(count)).await;
}

#[tokio::test(start_paused = true)]
async fn each_hour_has_its_report_and_so_has_the_last_part_of_one() {
    let (folder, shelf) = (TempDir::new().unwrap(), Arc::new(TestShelf::default()));
    let run = Run::start(&folder, Some(Arc::clone(&shelf))).await;
    run.ask(1);
    minutes(61).await;
    run.ask(2);
    minutes(60).await;
    minutes(60).await;
    run.ask(3);
    run.stop().await;
    let keys = shelf.keys();
    let hours: Vec<_> = keys
        .iter()
        .map(|key| key.split_once("-1/").unwrap())
        .collect();
    assert_eq!(
        hours.len(),
        3,
        "an hour without a request has none: {keys:?}"
    );
    for ((folder, file), hour) in hours.into_iter().zip(["15-", "16-", "18-"]) {
        assert_eq!(folder, "popularity/day=2026-11-21/node=edge");
        assert!(
            file.starts_with(hour) && file.ends_with(".parquet"),
            "{keys:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn where_time_goes_by_fast_each_hour_has_its_report_all_the_same() {
    const HOUR_MS: u64 = 100;
    let (folder, shelf) = (TempDir::new().unwrap(), Arc::new(TestShelf::default()));
    let begun = Instant::now();
    let clock: Clock =
        Arc::new(move || BEGIN + begun.elapsed() * u32::try_from(3_600_000 / HOUR_MS).unwrap());
    let look = Duration::from_millis(1);
    let run = Run::by(clock, look, &folder, Some(Arc::clone(&shelf))).await;
    tokio::time::sleep(Duration::from_millis(HOUR_MS / 2)).await;
    for object in 0..3 {
        run.ask(object);
        tokio::time::sleep(Duration::from_millis(HOUR_MS)).await;
    }
    let keys = shelf.keys();
    let hours =
        ["/15-", "/16-", "/17-"].map(|hour| keys.iter().filter(move |key| key.contains(hour)));
    assert_eq!(hours.map(Iterator::count), [1, 1, 1], "{keys:?}");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_refused_is_kept_and_put_again() {
    let (folder, shelf) = (TempDir::new().unwrap(), Arc::new(TestShelf::default()));
    shelf.refusals.store(5, Ordering::Relaxed);
    let run = Run::start(&folder, Some(Arc::clone(&shelf))).await;
    run.ask(1);
    minutes(62).await;
    assert_eq!(shelf.keys(), [""; 0]);
    minutes(60).await;
    assert_eq!(shelf.keys().len(), 1);
    assert_eq!(shelf.refusals.load(Ordering::Relaxed), 0);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_not_delivered_is_delivered_after_a_restart() {
    let (folder, shelf) = (TempDir::new().unwrap(), Arc::new(TestShelf::default()));
    shelf.refusals.store(1000, Ordering::Relaxed);
    let run = Run::start(&folder, Some(Arc::clone(&shelf))).await;
    run.ask(1);
    run.stop().await;
    shelf.refusals.store(0, Ordering::Relaxed);
    let run = Run::start(&folder, Some(Arc::clone(&shelf))).await;
    minutes(1).await;
    assert_eq!(shelf.keys().len(), 1);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn popularity_outlives_a_restart() {
    let folder = TempDir::new().unwrap();
    let run = Run::start(&folder, None).await;
    (0..50).for_each(|object| run.ask(object));
    let before = run.popularity.top(100, (run.clock)());
    run.stop().await;
    let run = Run::start(&folder, None).await;
    assert_eq!(before.objects.len(), 50);
    assert_eq!(run.popularity.top(100, (run.clock)()), before);
    assert!(!folder.path().join("popularity/sketch.unfinished").exists());
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_loses_what_came_since_the_last_hour_and_no_more() {
    let (folder, shelf) = (TempDir::new().unwrap(), Arc::new(TestShelf::default()));
    let run = Run::start(&folder, Some(Arc::clone(&shelf))).await;
    run.ask(1);
    minutes(61).await;
    run.ask(2);
    // As `kill -9` does: nothing is ended, and a sketch that was being written is there in part.
    run.task.abort();
    assert!(run.task.await.unwrap_err().is_cancelled());
    let unfinished = folder.path().join("popularity/sketch.unfinished");
    fs::write(unfinished, "half of").unwrap();
    let run = Run::start(&folder, Some(Arc::clone(&shelf))).await;
    let known = run.popularity.top(100, (run.clock)()).objects;
    let paths: Vec<_> = known.iter().map(|known| &*known.path).collect();
    assert_eq!(paths, ["/1"]);
    assert_eq!(
        shelf.keys().len(),
        1,
        "the report of the hour that was whole"
    );
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_sketch_is_counted_and_an_empty_one_takes_its_place() {
    const REFUSED: &str = "millpond_popularity_sketches_refused_total";
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("popularity/sketch");
    let run = Run::start(&folder, None).await;
    run.ask(1);
    run.stop().await;
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&flipped, &whole[..whole.len() / 2], b"something else", b""] {
        fs::write(&file, damaged).unwrap();
        let run = Run::start(&folder, None).await;
        assert!((run.count(REFUSED) - 1.0).abs() < 0.1);
        assert_eq!(run.popularity.top(9, (run.clock)()).objects, []);
        run.stop().await;
        let run = Run::start(&folder, None).await;
        assert!(run.count(REFUSED) < 0.1, "the next start finds a whole one");
        run.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_shelf_no_report_is_made() {
    let folder = TempDir::new().unwrap();
    let run = Run::start(&folder, None).await;
    run.ask(1);
    minutes(130).await;
    run.stop().await;
    let reports = fs::read_dir(folder.path().join("popularity/reports")).unwrap();
    assert_eq!(reports.count(), 0);
}

#[test]
fn object_storage_that_is_down_is_asked_less_and_less() {
    let now = Duration::from_hours(10);
    let mut retry = Retry::at_once();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        retry = retry.after(false, now);
        pauses.push(retry.at.unwrap().saturating_sub(now).as_secs() / 60);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(retry.after(true, now).at, None);
}
