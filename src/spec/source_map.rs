//! Where each field of a YAML text was written, by path: `workloads[0].identity.name`. It knows no spec.

use super::model::Places;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};
use std::fmt;

enum Node {
    Scalar,
    List(Vec<Spanned<Node>>),
    Fields(Vec<(Spanned<String>, Spanned<Node>)>),
}

/// Lines and columns of keys and values, from 1.
#[derive(Default)]
pub(super) struct SourceMap {
    /// Of each value.
    pub(super) values: Places,
    /// Of each key.
    keys: Places,
}

impl SourceMap {
    /// A text that cannot be read has no marks; whoever reads it typed says why.
    pub(super) fn of(text: &str) -> Self {
        let mut marks = Self::default();
        // what stands twice is to be found too
        let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::PassThrough };
        if let Ok(root) = serde_saphyr::from_str_with_options::<Spanned<Node>>(text, options) {
            marks.enter("", &root);
        }
        marks
    }

    fn enter(&mut self, path: &str, node: &Spanned<Node>) {
        self.values.insert(path.to_owned(), place(node.referenced));
        match &node.value {
            Node::Scalar => {}
            Node::List(items) => items.iter().enumerate().for_each(|(at, item)| self.enter(&format!("{path}[{at}]"), item)),
            Node::Fields(fields) => {
                for (key, value) in fields {
                    let path = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
                    self.keys.insert(path.clone(), place(key.referenced));
                    self.enter(&path, value);
                }
            }
        }
    }

    /// The innermost field whose key, or else whose value, stands there.
    pub(super) fn path_at(&self, at: (u64, u64)) -> Option<&str> {
        let innermost = |places: &'_ Places| places.iter().filter(|(_, p)| **p == at).map(|(path, _)| path.clone()).max_by_key(String::len);
        let path = innermost(&self.keys).or_else(|| innermost(&self.values))?;
        self.values.get_key_value(&path).map(|(path, _)| path.as_str())
    }

    /// The fields or the list in which a field lies, and where that begins.
    pub(super) fn around(&self, path: &str) -> (String, Option<(u64, u64)>) {
        let parent = path.rfind(['.', '[']).map_or("", |at| &path[..at]);
        (parent.to_owned(), self.values.get(parent).copied())
    }
}

fn place(location: Location) -> (u64, u64) {
    (location.line(), location.column())
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Fields(fields))
    }
}
