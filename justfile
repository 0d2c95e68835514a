# Each recipe is one visible command; everything works without `just`.

# play signed segments through edge, shield and origin
demo:
    cargo run --release -p millpond -- demo

# every test
test:
    cargo test --workspace

# every test, faster (needs cargo-nextest)
nextest:
    cargo nextest run --workspace

# format, lints and documents, as errors
lint:
    cargo fmt --all --check && cargo clippy --workspace --all-targets -- -D warnings && RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# what the continuous integration runs
ci:
    bash .ci/run

# criterion benches of verify, lookup and the hit path
bench:
    cargo bench -p benches

# the edge beside nginx: CPU-seconds per GB and requests per CPU-second, as ratios
compare:
    cargo run --release -p benches -- compare

# the policy beside LRU and the offline optimum: a fifth of the presets, about ten minutes, 5 GB of /tmp
simulate:
    cargo build --release -p millpond && for preset in n a; do target/release/millpond trace --preset $preset --scale 0.2 --output /tmp/millpond-$preset.trace && target/release/millpond simulate /tmp/millpond-$preset.trace --slices whole --segment 2GiB --warmup 7 --sweep --plot /tmp/millpond-$preset.svg; done

# the sketch's bounds among ten million objects in its default memory
ten-million:
    cargo test -p popularity --test ten_million -- --ignored

# what nightly plans bring: a fifth of the presets n and a, a twentieth of l; about ten minutes
replay:
    cargo build --release -p millpond && for run in 'n --scale 0.2' 'a --scale 0.2' 'l --scale 0.05'; do target/release/millpond replay --preset $run --plot /tmp/millpond-plans-${run%% *}.svg; done

# a million objects accepted, compared and ordered within 1 GiB of address space
manifest:
    cargo test --release -p manifest --test scale -- --ignored --nocapture && cargo bench -p benches --bench manifest

# a million objects accepted, kept, compared with the plan before and queued, from bytes to the first object
million:
    cargo test --release -p preposition --lib million -- --ignored --nocapture

# the rate of a fill on the wire, and what it costs viewers served from RAM and from the disk that is filled
fill:
    cargo run --release -p benches -- fill

# one viewer behind 100 ms and a bottleneck, over HTTP/1.1, 2 and 3: two minutes, as root
path:
    cargo run --release -p benches -- path

# the process that applies manifests killed a thousand times, at any step
kills:
    cargo test -p preposition --lib a_thousand_times -- --ignored --nocapture

# foreign programs that tests and comparisons use (Debian)
foreign:
    bash .ci/foreign

# how long it takes to find ten million slices at start (on a sparse file, 1.3 GB of disk)
recovery:
    cargo test --release -p store --lib recovery::scale -- --ignored --nocapture

# How long a large table of what was asked for takes to be recalled at a start (needs 3 GB of memory).
recall:
    cargo test --release -p store --lib asked -- --ignored --nocapture

# records of a client, damaged in all ways, for five minutes (FUZZ_SECONDS)
fuzz-records:
    cargo test --release -p tls --lib damage -- --ignored --nocapture

# CPU of a whole idle process, which must run alone.
idle:
    cargo test -p downstream --test loopback lifecycle -- --ignored --nocapture

# fifty million rows of reports become the same signed manifests in 4 GiB and in 1.5 GiB, which the kernel holds it to (6 GB of /tmp)
scale-plan:
    cargo build --profile plan -p planner && target/plan/millpond-plan sample --output /tmp/millpond-plan && mkdir -p /tmp/millpond-plan/manifests && for memory in 4294967296 1610612736; do prlimit --data=$memory target/plan/millpond-plan plan --memory $memory --day 2026-11-21 --fleet /tmp/millpond-plan/fleet.toml --catalog /tmp/millpond-plan/catalog.parquet --reports /tmp/millpond-plan/popularity --key /tmp/millpond-plan/planner.json --work /tmp/millpond-plan/work --previous /tmp/millpond-plan/manifests --output /tmp/millpond-plan/manifests --json >/tmp/millpond-plan/$memory && prlimit --data=$memory target/plan/millpond-plan digest --memory $memory --work /tmp/millpond-plan/work >>/tmp/millpond-plan/$memory || exit 1; done && cmp /tmp/millpond-plan/4294967296 /tmp/millpond-plan/1610612736

# the planner's SQL on Spark: two workers, the same plan row for row (installs 400 MB)
spark:
    bash .ci/foreign spark && cargo test -p planner --test plan spark -- --ignored
