//! Servers on one core, on two, and on all that the machine has.

use serde_json::{Value, json};

use super::{
    Error,
    arguments::Scaling,
    floor::Sink,
    load::Generator,
    machine,
    measure::Sample,
    report::line_to,
    rows::hits,
    say,
    select::{Peer, Row, Shape, Size},
    stage::{Stage, Tools},
    stay_on,
    world::World,
};

/// What came of one number of cores.
struct Step {
    cores: usize,
    /// The generator's, and whether servers run there as well.
    client: String,
    shared: bool,
    rows: Vec<hits::Row>,
}

/// The table, and all runs.
pub(crate) async fn measure(arguments: &Scaling, cores: usize) -> Result<(String, Value), Error> {
    let common = &arguments.common;
    let rows = common.rows(&["h1-1m", "h2-64k"])?;
    let shapes: Vec<Shape> = rows.into_iter().filter_map(Row::shape).collect();
    let peers = common.peers(&[Peer::Nginx]);
    let sink = Sink::start()?;
    let mut steps = Vec::new();
    let mut machine = Vec::new();
    for count in 1..=cores {
        let shared = count == cores;
        let client = if shared {
            list(0, cores)
        } else {
            list(count, cores)
        };
        say(&format!("servers on {count} of {cores} cores"));
        stay_on(&client)?;
        let world = World::make().await?;
        let generator = Generator::find(&client).await?;
        let tools = Tools {
            world: &world,
            generator: &generator,
            sink: &sink,
            rounds: common.rounds(),
        };
        let setup = common.setup(list(0, count), count);
        let rows = step(tools, setup, &peers, &shapes).await?;
        machine = machine::describe(cores, "as many as the row says", &generator, &peers);
        steps.push(Step {
            cores: count,
            client,
            shared,
            rows,
        });
        world.close().await;
    }
    Ok((markdown(&machine, &steps), json(&machine, &steps)))
}

async fn step(
    tools: Tools<'_>,
    setup: super::servers::Setup,
    peers: &[Peer],
    shapes: &[Shape],
) -> Result<Vec<hits::Row>, Error> {
    let stage = Stage::start(tools, setup, peers).await?;
    let asked = |size: &Size| shapes.iter().any(|shape| shape.size == *size);
    let sizes: Vec<Size> = Size::ALL.into_iter().filter(asked).collect();
    hits::warm(&stage, &sizes).await?;
    let mut rows = Vec::new();
    for shape in shapes {
        rows.push(hits::hits(&stage, *shape).await?);
    }
    Ok(rows)
}

/// Cores as `taskset` reads them.
fn list(first: usize, end: usize) -> String {
    let cores: Vec<String> = (first..end).map(|core| core.to_string()).collect();
    cores.join(",")
}

fn markdown(machine: &[String], steps: &[Step]) -> String {
    let mut text = String::new();
    for line in machine {
        line_to(&mut text, &format!("- {line}"));
    }
    line_to(
        &mut text,
        "\n| | cores | server | CPU-s per GB | GB/s | the generator |",
    );
    line_to(&mut text, "|---|---|---|---|---|---|");
    for step in steps {
        let client = if step.shared {
            "shares all cores: GB/s says little".to_owned()
        } else {
            format!("on other cores ({})", step.client)
        };
        for row in &step.rows {
            for entry in &row.entries {
                line_to(
                    &mut text,
                    &format!(
                        "| {} | {} | {} | {} | {} | {client} |",
                        row.title,
                        step.cores,
                        entry.label,
                        entry.over(Sample::cpu_s_per_gb).text(3),
                        entry.over(Sample::gb_per_s).text(2),
                    ),
                );
            }
        }
    }
    text
}

fn json(machine: &[String], steps: &[Step]) -> Value {
    let steps = steps.iter().map(|step| {
        let rows: Vec<Value> = step.rows.iter().map(hits::Row::json).collect();
        json!({ "cores": step.cores, "generator": step.client, "rows": rows })
    });
    json!({ "machine": machine, "steps": steps.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_listed_from_the_first_to_before_the_end() {
        assert_eq!(list(0, 3), "0,1,2");
        assert_eq!(list(1, 2), "1");
    }
}
