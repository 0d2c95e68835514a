//! What names the paths that a purge reaches.

use crate::{BadExpression, Expression, Pattern};

/// For how many a regular expression counts: it takes up to 128 KiB, and some microseconds for each
/// beginning of URLs that it tells apart.
const EXPRESSION_WEIGHT: usize = 16;

/// Which paths of a site a purge reaches.
#[derive(Debug, Clone)]
pub enum Paths {
    /// Those that a pattern matches.
    Pattern(Pattern),
    /// Those whose URLs a regular expression matches.
    Expression(Expression),
}

impl From<Pattern> for Paths {
    fn from(pattern: Pattern) -> Self {
        Self::Pattern(pattern)
    }
}

impl From<Expression> for Paths {
    fn from(expression: Expression) -> Self {
        Self::Expression(expression)
    }
}

impl Paths {
    /// The same for paths in which the case of letters does not count.
    ///
    /// # Errors
    /// When a regular expression is too large so.
    pub fn ignoring_case(self) -> Result<Self, BadExpression> {
        Ok(match self {
            Self::Pattern(pattern) => Self::Pattern(pattern.ignoring_case()),
            Self::Expression(expression) => Self::Expression(expression.ignoring_case()?),
        })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.matches(path),
            Self::Expression(expression) => expression.matches(path),
        }
    }

    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Pattern(_) => 1,
            Self::Expression(_) => EXPRESSION_WEIGHT,
        }
    }
}
