//! What a night cost, as a table and as JSON.

use serde_json::{Value, json};

use super::{
    super::measure::{Spread, as_f64},
    Costs, Report,
    relay::WINDOW,
};

impl Report {
    pub(crate) fn markdown(&self) -> String {
        let most = |bytes: u64| {
            let limit = as_f64(self.rate_bytes_per_s) * WINDOW.as_secs_f64();
            as_f64(bytes) / limit
        };
        let (alone, all) = (most(self.alone), most(self.most));
        let mean = self.mean / as_f64(self.rate_bytes_per_s);
        let spread = |ratios: &[f64]| Spread::of(ratios.iter().copied()).text(3);
        let viewers = self.courses.iter().map(|costs| {
            let (from, throughput) = (costs.tier.name(), spread(&costs.ratios));
            let cpu = spread(&costs.cpu);
            format!(
                "| viewers' throughput from {from}, with the fill by without | {throughput} |\n\
                 | CPU time of the edge for a GB served from {from}, with by without | {cpu} |\n",
            )
        });
        let viewers: String = viewers.collect();
        format!(
            "| fill | figure |\n|---|---|\n\
             | rate, MB/s | {} |\n\
             | busiest 10 s on the wire, of the rate, without viewers | {alone:.3} |\n\
             | the same in all of the run | {all:.3} |\n\
             | mean on the wire, of the rate | {mean:.3} |\n\
             {viewers}",
            self.rate_bytes_per_s / 1_000_000,
        )
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "rate_bytes_per_s": self.rate_bytes_per_s,
            "busiest_10_s_bytes": { "alone": self.alone, "all": self.most },
            "mean_bytes_per_s": self.mean,
            "viewers": self.courses.iter().map(Costs::json).collect::<Vec<_>>(),
        })
    }
}

impl Costs {
    fn json(&self) -> Value {
        json!({
            "from": self.tier.name(),
            "throughput_ratios": self.ratios,
            "cpu_ratios": self.cpu,
            "busiest_10_s_bytes": self.most,
        })
    }
}
