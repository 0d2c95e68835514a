//! Tokens out of what is logged.

use std::borrow::Cow;

use super::Carriers;

impl Carriers {
    /// A target, URL or `Referer` for the log: every token in it becomes `-`. Generous, because
    /// what gets logged may be malformed: any segment that starts with `~`, and the parameter
    /// after any delimiter.
    pub fn redacted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let parameter = self.parameter.as_str();
        let mut shown = String::new();
        let mut kept = 0;
        let mut at = 0;
        while at < text.len() {
            let Some((announced, ends)) = token_follows(text, at, parameter) else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            };
            let start = at + announced;
            let end = text[start..].find(ends);
            let end = end.map_or(text.len(), |length| start + length);
            shown.push_str(&text[kept..start]);
            shown.push('-');
            (kept, at) = (end, end);
        }
        if kept == 0 {
            return Cow::Borrowed(text);
        }
        shown.push_str(&text[kept..]);
        Cow::Owned(shown)
    }
}

/// How many bytes at `at` announce a token (`/~`, or the parameter's name and `=` after a
/// delimiter), and what ends it.
fn token_follows(text: &str, at: usize, parameter: &str) -> Option<(usize, &'static [char])> {
    let rest = &text[at..];
    if rest.starts_with("/~") {
        return Some((2, &['/', '?', '#', ' ']));
    }
    let delimited = at == 0 || b"?&;# /".contains(&text.as_bytes()[at - 1]);
    let named = rest
        .strip_prefix(parameter)
        .is_some_and(|rest| rest.starts_with('='));
    (delimited && named).then_some((parameter.len() + 1, &['&', '#', ';', ' ']))
}
