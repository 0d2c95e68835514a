//! What nodes answered, told to people or to programs.

use serde::Serialize;
use serde_json::{Value, json};
use steering::client::ClientError;

use super::{Failed, Node, hint::hint};
use crate::{
    Error,
    output::{chain, plain, remark, say},
};

/// What one node answered.
pub(super) struct Answer<'n, T> {
    pub(super) node: &'n Node,
    pub(super) outcome: Result<T, Failed>,
}

/// What all nodes answered, in the order in which they were named.
pub(super) struct Answers<'n, T> {
    pub(super) answers: Vec<Answer<'n, T>>,
    json: bool,
}

impl<'n, T: Serialize> Answers<'n, T> {
    pub(super) fn new(answers: Vec<Answer<'n, T>>, json: bool) -> Self {
        Self { answers, json }
    }

    /// Tells everything: answers on standard output, with `show` for people; on standard error, with
    /// a hint, which node has not done it. That makes the command fail.
    pub(super) fn tell(self, show: impl Fn(&str, &T)) -> Result<(), Error> {
        if self.json {
            say(self.json());
        } else {
            for Answer { node, outcome } in &self.answers {
                if let Ok(answer) = outcome {
                    show(&node.name, answer);
                }
            }
        }
        self.settle()
    }

    /// All of it, in one line.
    pub(super) fn json(&self) -> String {
        let told: Vec<Value> = self.answers.iter().map(Answer::json).collect();
        Value::from(told).to_string()
    }

    /// Tells which nodes have not done it: that makes the command fail.
    pub(super) fn settle(self) -> Result<(), Error> {
        let (mut silent, mut refused, mut unkept) = (0, 0, 0);
        for Answer { node, outcome } in &self.answers {
            let Err(error) = outcome else { continue };
            match error {
                Failed::Call(ClientError::Refused(_)) => refused += 1,
                Failed::Call(
                    ClientError::Url { .. }
                    | ClientError::Tls(_)
                    | ClientError::Broken { .. }
                    | ClientError::Odd(_),
                ) => silent += 1,
                Failed::Restless | Failed::Unwritten { .. } => unkept += 1,
            }
            complain(&node.name, error);
        }
        if silent + refused + unkept == 0 {
            return Ok(());
        }
        Err(Error::Nodes {
            asked: self.answers.len(),
            silent,
            refused,
            unkept,
        })
    }
}

/// Why a node has not done it, and what may help.
fn complain(name: &str, error: &Failed) {
    let mut text = format!("{name}: {}", plain(&chain(error)));
    if let Some(hint) = hint(error) {
        text.push_str("\n  hint: ");
        text.push_str(hint);
    }
    remark(&text);
}

impl<T: Serialize> Answer<'_, T> {
    fn json(&self) -> Value {
        let (name, url) = (&self.node.name, &self.node.url);
        match &self.outcome {
            Ok(answer) => json!({ "node": name, "url": url, "answer": answer }),
            Err(error) => {
                let code = match error {
                    Failed::Call(ClientError::Refused(problem)) => problem.code.as_str(),
                    Failed::Call(ClientError::Broken { .. }) => "no_answer",
                    Failed::Call(
                        ClientError::Url { .. } | ClientError::Tls(_) | ClientError::Odd(_),
                    ) => "odd",
                    Failed::Restless => "restless",
                    Failed::Unwritten { .. } => "unwritten",
                };
                let error = json!({ "code": code, "detail": chain(error), "hint": hint(error) });
                json!({ "node": name, "url": url, "error": error })
            }
        }
    }
}
