//! A TOML document as our own small tree, every value with its place in the text.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Tables and lists inside each other. Ours go four deep; more is refused so that walking never
/// runs out of stack.
const DEPTH_MAX: usize = 16;

/// Stack to parse on. The parser allows 80 levels of nesting with 80 dots in each key, which
/// overflowed 2 MiB in an unoptimised build (seen); pages that are not touched cost nothing.
const PARSER_STACK_BYTES: usize = 128 << 20;

/// A value and the offset of its first byte.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    /// `None` when it does not fit even 128 bits.
    Integer(Option<i128>),
    Flag(bool),
    /// A float, a date or a time: none of our keys takes one. Holds its kind.
    Other(&'static str),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key, the offset of its first byte, and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: usize,
    pub(super) node: Node,
}

impl Value {
    /// What an operator would call it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Other(kind) => kind,
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// A syntax error: its offset and what the parser says.
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

/// Parses on a thread of its own, which has the stack for the worst that the parser lets through.
///
/// With faults, the tree holds what could be read all the same.
pub(super) fn parse(text: &str) -> (Vec<Entry>, Vec<Fault>) {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(PARSER_STACK_BYTES);
        match builder
            .spawn_scoped(scope, || parse_here(text))
            .map(std::thread::ScopedJoinHandle::join)
        {
            Ok(Ok(parsed)) => parsed,
            Ok(Err(_)) => failed("the parser gave up on this file"),
            Err(error) => failed(&format!("cannot start a thread to parse it: {error}")),
        }
    })
}

fn failed(message: &str) -> (Vec<Entry>, Vec<Fault>) {
    (
        Vec::new(),
        vec![Fault {
            at: 0,
            message: message.to_owned(),
        }],
    )
}

fn parse_here(text: &str) -> (Vec<Entry>, Vec<Fault>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let fault = |error: &toml::de::Error| Fault {
        at: error.span().map_or(0, |span| span.start),
        message: error.message().to_owned(),
    };
    let mut faults = errors.iter().map(fault).collect();
    let entries = convert_table(table.get_ref(), 0, &mut faults);
    (entries, faults)
}

fn convert_table(table: &DeTable<'_>, depth: usize, faults: &mut Vec<Fault>) -> Vec<Entry> {
    let entry = |(key, value): (&Spanned<_>, _)| Entry {
        key: AsRef::<str>::as_ref(key.get_ref()).to_owned(),
        at: key.span().start,
        node: convert(value, depth + 1, faults),
    };
    table.iter().map(entry).collect()
}

fn convert(node: &Spanned<DeValue<'_>>, depth: usize, faults: &mut Vec<Fault>) -> Node {
    let at = node.span().start;
    if depth > DEPTH_MAX {
        faults.push(Fault {
            at,
            message: format!("nested more than {DEPTH_MAX} deep"),
        });
        return Node {
            at,
            value: Value::Other("something nested too deep"),
        };
    }
    let value = match node.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).ok())
        }
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Datetime(_) => Value::Other("a date or time"),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| convert(item, depth + 1, faults))
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(convert_table(table, depth, faults)),
    };
    Node { at, value }
}
