//! The commands that the pages of `podid explain` name.

use crate::{cli::parse, doctor::catalog};

/// The words in capitals stand for names, for which the rules of names hold.
#[test]
fn the_commands_of_pages_are_commands_of_this_podid() {
    for page in catalog::pages().into_values() {
        for command in page.podid {
            let filled = command
                .replace("PRINCIPAL-ID", "11111111-2222-3333-4444-555555555555")
                .replace("KUBELET-OBJECT-ID", "11111111-2222-3333-4444-555555555555")
                .replace(
                    "VAULT-ID",
                    "/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/g/providers/microsoft.keyvault/vaults/kv-x",
                )
                .replace("object/", "")
                .replace("REGISTRY-ID", "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/g");
            let mut words = Vec::new();
            for (at, part) in filled.split('\'').enumerate() {
                if at % 2 == 1 {
                    words.push(part.to_owned());
                } else {
                    words.extend(part.split_whitespace().map(|word| {
                        let is_placeholder = word.chars().any(|c| c.is_ascii_uppercase()) && !word.contains("Acr");
                        if is_placeholder { word.to_ascii_lowercase() } else { word.to_owned() }
                    }));
                }
            }
            assert!(parse(&words).is_ok(), "{}: {command}: {:?}", page.code, parse(&words).err());
        }
    }
}
