//! Reads a workload: its shared fields by their type, and among them the settings of modes and deliveries by their tables. A field that
//! nobody has is refused where it is written, as serde does for a type of its own.

use super::settings::Settings;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor},
    forward_to_deserialize_any,
};
use std::{collections::BTreeMap, fmt, sync::OnceLock};

/// Fields below one another, made from the paths of settings.
#[derive(Default)]
pub struct Branch {
    /// In the order of the tables.
    names: Vec<&'static str>,
    nodes: BTreeMap<&'static str, Node>,
    /// With the shared fields before them, for messages.
    all: OnceLock<Vec<&'static str>>,
}

enum Node {
    /// A setting, by the whole path.
    Setting(&'static str),
    Fields(Branch),
}

impl Branch {
    pub fn of(paths: impl Iterator<Item = &'static str>) -> Self {
        let mut root = Self::default();
        paths.for_each(|path| root.add(path, path));
        root
    }

    fn add(&mut self, rest: &'static str, path: &'static str) {
        let (name, below) = rest.split_once('.').map_or((rest, None), |(name, below)| (name, Some(below)));
        if !self.nodes.contains_key(name) {
            self.names.push(name);
        }
        match below {
            None => drop(self.nodes.insert(name, Node::Setting(path))),
            Some(below) => {
                if let Node::Fields(branch) = self.nodes.entry(name).or_insert_with(|| Node::Fields(Self::default())) {
                    branch.add(below, path);
                }
            }
        }
    }

    fn all(&'static self, shared: &'static [&'static str]) -> &'static [&'static str] {
        self.all.get_or_init(|| shared.iter().chain(&self.names).copied().collect())
    }
}

/// A deserializer for a struct of shared fields that puts settings aside.
pub struct WithSettings<'a, D> {
    pub deserializer: D,
    pub known: &'static Branch,
    pub settings: &'a mut Settings,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for WithSettings<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserializer.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        shared: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let Self { deserializer, known, settings } = self;
        deserializer.deserialize_struct(name, known.all(shared), Mixed { visitor, fields: Fields { shared, known }, settings })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

#[derive(Clone, Copy)]
struct Fields {
    shared: &'static [&'static str],
    known: &'static Branch,
}

/// A key of a mapping that has shared fields and settings.
enum Key {
    Shared(&'static str),
    Known(&'static Node),
}

impl<'de> DeserializeSeed<'de> for Fields {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Fields {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
        if let Some(shared) = self.shared.iter().find(|shared| **shared == name) {
            return Ok(Key::Shared(shared));
        }
        self.known.nodes.get(name).map(Key::Known).ok_or_else(|| E::unknown_field(name, self.known.all(self.shared)))
    }
}

struct Mixed<'a, V> {
    visitor: V,
    fields: Fields,
    settings: &'a mut Settings,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Mixed<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(SharedOnly { map, fields: self.fields, settings: self.settings })
    }
}

/// A mapping without its settings, which go to where they are kept.
struct SharedOnly<'a, A> {
    map: A,
    fields: Fields,
    settings: &'a mut Settings,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for SharedOnly<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        loop {
            match self.map.next_key_seed(self.fields)? {
                None => return Ok(None),
                Some(Key::Shared(name)) => return seed.deserialize(name.into_deserializer()).map(Some),
                Some(Key::Known(node)) => self.map.next_value_seed(Value { node, settings: self.settings })?,
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// The value of a setting, or of fields that only have settings below them.
struct Value<'a> {
    node: &'static Node,
    settings: &'a mut Settings,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.node {
            Node::Setting(path) => {
                if let Some(value) = Option::<String>::deserialize(deserializer)? {
                    self.settings.set(path, value);
                }
                Ok(())
            }
            Node::Fields(known) => {
                let visitor = Only { fields: Fields { shared: &[], known }, settings: self.settings };
                deserializer.deserialize_struct("Settings", known.all(&[]), visitor)
            }
        }
    }
}

/// Fields that are all settings.
struct Only<'a> {
    fields: Fields,
    settings: &'a mut Settings,
}

impl<'de> Visitor<'de> for Only<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key::Known(node)) = map.next_key_seed(self.fields)? {
            map.next_value_seed(Value { node, settings: self.settings })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(remote = "Self", deny_unknown_fields)]
    struct Toy {
        name: String,
        count: Option<u32>,
        #[serde(skip)]
        settings: Settings,
    }

    static KNOWN: LazyLock<Branch> = LazyLock::new(|| Branch::of(["selector", "account.name", "account.create", "selector"].into_iter()));

    impl<'de> Deserialize<'de> for Toy {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let mut settings = Settings::default();
            let shared = Self::deserialize(WithSettings { deserializer, known: &KNOWN, settings: &mut settings })?;
            Ok(Self { settings, ..shared })
        }
    }

    fn read(text: &str) -> Result<Toy, String> {
        serde_saphyr::from_str(text).map_err(|error: serde_saphyr::Error| error.without_snippet().to_string())
    }

    #[test]
    fn settings_are_read_among_shared_fields() {
        let toy = read("account: {name: app, create: false}\nname: a\nselector: s\ncount: 2\n").unwrap();
        assert_eq!((toy.name.as_str(), toy.count), ("a", Some(2)));
        let of = |field| toy.settings.get(field);
        assert_eq!((of("selector"), of("account.name"), of("account.create")), (Some("s"), Some("app"), Some("false")));
        assert_eq!(read("name: a\nselector: null\n").unwrap().settings, Settings::default());
    }

    #[test]
    fn unknown_fields_are_refused_with_the_known_ones_and_their_place() {
        let told = read("name: a\nselectr: s\n").unwrap_err();
        assert!(told.contains("`selectr`") && told.contains("name, count, selector, account") && told.contains("line 2"), "{told}");
        let told = read("name: a\naccount: {nme: s}\n").unwrap_err();
        assert!(told.contains("`nme`") && told.contains("name, create") && told.contains("line 2"), "{told}");
        assert!(read("selector: s\n").unwrap_err().contains("name"));
        assert!(read("name: a\naccount: s\n").is_err());
        assert!(read("name: a\nselector: [s]\n").is_err());
    }
}
