//! Decodes bodies in protobuf: Go clients of built-in kinds (kubectl's `create namespace`, `auth can-i`, `create token`, …) send them by
//! default. Answers are JSON, which these clients accept too. `messages.txt` lists the messages.

use base64::Engine as _;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Every protobuf body begins with these bytes.
const MAGIC: &[u8] = b"k8s\0";

struct Field {
    name: String,
    kind: String,
    repeated: bool,
    map: bool,
    /// A zero is a value and does not mean absent.
    kept: bool,
}

static MESSAGES: LazyLock<BTreeMap<String, BTreeMap<u64, Field>>> = LazyLock::new(|| {
    include_str!("messages.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (name, fields) = line.split_once(' ').unwrap_or((line, ""));
            let fields = fields.split(' ').filter_map(field).collect();
            (!name.is_empty()).then(|| (name.to_owned(), fields))
        })
        .collect()
});

fn field(word: &str) -> Option<(u64, Field)> {
    let mut parts = word.splitn(3, ':');
    let (number, name, kind) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let kept = kind.ends_with('?');
    let kind = kind.trim_end_matches('?');
    let (repeated, map) = (kind.starts_with('*'), kind.starts_with('{'));
    let kind = kind.trim_matches(['*', '{', '}']).to_owned();
    Some((number, Field { name: name.to_owned(), kind, repeated, map, kept }))
}

pub fn is(body: &[u8]) -> bool {
    body.starts_with(MAGIC)
}

/// Decodes a body to an object.
pub fn decode(body: &[u8]) -> Result<Value, String> {
    let body = body.strip_prefix(MAGIC).ok_or("provided data does not appear to be a protobuf message")?;
    let (mut version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for (number, wire) in wires(body)? {
        match (number, wire) {
            (1, Wire::Bytes(meta)) => {
                for (number, wire) in wires(meta)? {
                    match (number, wire) {
                        (1, Wire::Bytes(text)) => version = string(text),
                        (2, Wire::Bytes(text)) => kind = string(text),
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let name = if version == "events.k8s.io/v1" { "EventsEvent" } else { kind.as_str() };
    let mut out = message(name, raw)?;
    out.insert("apiVersion".into(), json!(version));
    out.insert("kind".into(), json!(kind));
    Ok(Value::Object(out))
}

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut out = 0_u64;
    for shift in (0..70).step_by(7) {
        let (first, rest) = bytes.split_first().ok_or("unexpected EOF")?;
        *bytes = rest;
        out |= u64::from(first & 0x7f).checked_shl(shift).unwrap_or_default();
        if first & 0x80 == 0 {
            return Ok(out);
        }
    }
    Err("proto: integer overflow".into())
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], String> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or("unexpected EOF")?;
    *bytes = rest;
    Ok(taken)
}

fn wires(mut bytes: &[u8]) -> Result<Vec<(u64, Wire<'_>)>, String> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let fixed = |taken: &[u8]| taken.iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        let wire = match tag & 7 {
            0 => Wire::Number(varint(&mut bytes)?),
            1 => Wire::Number(fixed(take(&mut bytes, 8)?)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).map_err(|e| e.to_string())?;
                Wire::Bytes(take(&mut bytes, length)?)
            }
            5 => Wire::Number(fixed(take(&mut bytes, 4)?)),
            other => return Err(format!("proto: illegal wireType {other}")),
        };
        out.push((tag >> 3, wire));
    }
    Ok(out)
}

fn message(name: &str, bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let fields = MESSAGES.get(name).ok_or_else(|| format!("no kind {name:?} is registered"))?;
    let mut out = Map::new();
    for (number, wire) in wires(bytes)? {
        let Some(field) = fields.get(&number) else { continue };
        if field.name == "+" {
            if let Wire::Bytes(inner) = wire {
                out.extend(message(&field.kind, inner)?);
            }
            continue;
        }
        if field.map {
            let Wire::Bytes(entry) = wire else { continue };
            let (mut key, mut inner) = (String::new(), Value::Null);
            for (number, wire) in wires(entry)? {
                match (number, wire) {
                    (1, Wire::Bytes(text)) => key = string(text),
                    (2, wire) => inner = value(&field.kind, wire)?,
                    _ => {}
                }
            }
            let map = out.entry(field.name.clone()).or_insert_with(|| json!({}));
            map[key] = if inner.is_null() { json!("") } else { inner };
            continue;
        }
        let inner = value(&field.kind, wire)?;
        if field.repeated {
            let list = out.entry(field.name.clone()).or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(inner);
            }
        } else if field.kept || !(inner.is_null() || inner == "" || inner == 0 || inner == false) {
            out.insert(field.name.clone(), inner);
        }
    }
    Ok(out)
}

fn value(kind: &str, wire: Wire<'_>) -> Result<Value, String> {
    Ok(match (kind, wire) {
        ("s", Wire::Bytes(text)) => json!(string(text)),
        ("b", Wire::Number(n)) => json!(n != 0),
        // Negative numbers are two's complement, also those of 32 bits.
        ("i", Wire::Number(n)) => json!(n.cast_signed()),
        ("d", Wire::Number(n)) => json!(f64::from_bits(n)),
        ("y", Wire::Bytes(bytes)) => json!(base64::engine::general_purpose::STANDARD.encode(bytes)),
        ("T" | "U", Wire::Bytes(inner)) => time(kind == "U", inner)?,
        ("Q", Wire::Bytes(inner)) => first(inner)?,
        ("R", Wire::Bytes(inner)) => match wires(inner)?.into_iter().next() {
            Some((1, Wire::Bytes(raw))) => serde_json::from_slice(raw).map_err(|e| e.to_string())?,
            _ => Value::Null,
        },
        ("X", Wire::Bytes(inner)) => {
            let texts =
                wires(inner)?.into_iter().filter_map(|(_, wire)| if let Wire::Bytes(text) = wire { Some(string(text)) } else { None });
            json!(texts.collect::<Vec<_>>())
        }
        ("I", Wire::Bytes(inner)) => int_or_string(inner)?,
        (name, Wire::Bytes(inner)) => Value::Object(message(name, inner)?),
        (name, Wire::Number(_)) => return Err(format!("proto: wrong wireType for {name}")),
    })
}

fn first(inner: &[u8]) -> Result<Value, String> {
    Ok(match wires(inner)?.into_iter().next() {
        Some((1, Wire::Bytes(text))) => json!(string(text)),
        _ => json!("0"),
    })
}

fn int_or_string(inner: &[u8]) -> Result<Value, String> {
    let (mut text, mut number, mut is_text) = (String::new(), 0, false);
    for (field, wire) in wires(inner)? {
        match (field, wire) {
            (1, Wire::Number(kind)) => is_text = kind == 1,
            (2, Wire::Number(n)) => number = n.cast_signed(),
            (3, Wire::Bytes(bytes)) => text = string(bytes),
            _ => {}
        }
    }
    Ok(if is_text { json!(text) } else { json!(number) })
}

/// Reads seconds and nanoseconds; an empty message means no time.
fn time(micro: bool, inner: &[u8]) -> Result<Value, String> {
    let (mut seconds, mut nanos) = (None, 0);
    for (field, wire) in wires(inner)? {
        match (field, wire) {
            (1, Wire::Number(n)) => seconds = Some(n.cast_signed()),
            (2, Wire::Number(n)) => nanos = i32::try_from(n.cast_signed()).unwrap_or_default(),
            _ => {}
        }
    }
    let Some(time) = seconds.and_then(|s| jiff::Timestamp::new(s, nanos).ok()) else { return Ok(Value::Null) };
    let shape = if micro { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Ok(json!(time.strftime(shape).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_referenced_message_is_in_the_table() {
        for (name, fields) in MESSAGES.iter() {
            for field in fields.values().filter(|f| f.kind.len() > 1) {
                assert!(MESSAGES.contains_key(&field.kind), "{name}.{}: {} is missing", field.name, field.kind);
            }
        }
    }

    #[test]
    fn a_namespace_is_read_from_protobuf() {
        // Unknown{typeMeta{"v1", "Namespace"}, raw: Namespace{metadata{name "app", labels{a: b}}, spec{}, status{}}}
        let mut body = MAGIC.to_vec();
        body.extend(b"\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x15\x0a\x0f\x0a\x03app\x5a\x06\x0a\x01a\x12\x01b\x12\x00\x12\x00\x1a\x00");
        let expected =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app", "labels": {"a": "b"}}, "spec": {}, "status": {}});
        assert_eq!(decode(&body).unwrap(), expected);
    }

    #[test]
    fn a_truncated_body_is_rejected() {
        assert!(decode(b"k8s\0\x0a\x0f\x0a").is_err());
    }
}
